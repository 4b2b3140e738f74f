"""What all documents of master data have in common: a kind, a key, a model, and references.

A document is stored as it was given, version by version; the rules read the model made from it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from aggregator.errors import InvalidError
from aggregator.model.binding.fact import FOREVER
from aggregator.model.master.equipment import Equipment, SignalSpec
from aggregator.model.master.lot import Lot, LotKey, Material, SubLot, Unit, check_lot_key
from aggregator.model.master.order import Job, WorkOrder
from aggregator.model.master.person import Person, Qualification
from aggregator.model.master.physical_asset import Calibration, Installation, PhysicalAsset
from aggregator.model.master.recipe import ParameterSpec, Recipe
from aggregator.model.master.validity import Validity
from aggregator.model.series import SignalKey
from protocols.wire.dossier.instant import format_time, parse_time
from protocols.wire.errors import MalformedError
from protocols.wire.header import check_gateway_id
from protocols.wire.reading import SECOND, Nanoseconds, SignalName

Model = (
    Equipment
    | SignalSpec
    | PhysicalAsset
    | Installation
    | Calibration
    | Material
    | Recipe
    | ParameterSpec
    | Lot
    | SubLot
    | Unit
    | WorkOrder
    | Job
    | Person
    | Qualification
)


class EntityKind(StrEnum):
    """What master data there is; the value is the word in the store."""

    EQUIPMENT = "equipment"
    SIGNAL = "signal"
    PHYSICAL_ASSET = "physical_asset"
    INSTALLATION = "installation"
    CALIBRATION = "calibration"
    MATERIAL = "material"
    RECIPE = "recipe"
    LIMIT = "limit"
    LOT = "lot"
    SUBLOT = "sublot"
    UNIT = "unit"
    WORK_ORDER = "work_order"
    JOB = "job"
    PERSON = "person"
    QUALIFICATION = "qualification"


EFFECTIVE_DATED: Final = frozenset(
    {EntityKind.EQUIPMENT, EntityKind.SIGNAL, EntityKind.MATERIAL, EntityKind.LIMIT}
)
"""Kinds whose versions come into force at a time: what was right for a lot stays right for it.

The others are statements about one thing (a lot, a calibration, a revision of a recipe), with their
own times in them: a new version corrects what was wrong, for all time.
"""


Name = Annotated[str, Field(min_length=1, max_length=200)]


class Reference(BaseModel):
    """Another entity that must be there before this one."""

    kind: EntityKind
    key: str


class Document(BaseModel):
    """What all documents have."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: ClassVar[EntityKind]

    @property
    def key(self) -> str:
        """What the entity is known by within its kind; InvalidError where that is malformed."""
        raise NotImplementedError

    def model(self) -> Model:
        """Return what the document means to the rules; InvalidError where it contradicts them."""
        raise NotImplementedError

    def references(self) -> tuple[Reference, ...]:
        """Return what must be there before it."""
        return ()

    def check_against(self, referred: Document) -> None:
        """Raise InvalidError where it contradicts a document that it refers to."""


class LotReference(BaseModel):
    """A lot, named in another document."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gtin: Name
    lot: Name

    def model(self) -> LotKey:
        """Return the key."""
        return check_lot_key(self.gtin, self.lot)


def lot_key(key: LotKey) -> str:
    """Return a lot's key as the store writes it; a GTIN has 14 digits, so it is unambiguous."""
    return f"{key.gtin}/{key.lot}"


def signal_key(gateway: str, signal: str) -> SignalKey:
    """Return the key of a signal; InvalidError for a malformed id of a gateway."""
    try:
        return SignalKey(check_gateway_id(gateway), SignalName(signal))
    except MalformedError as error:
        raise InvalidError(str(error), hint=error.hint) from None


def validity(start: str | None, end: str | None) -> Validity:
    """Return the interval between two instants; without a start it holds since ever."""
    return Validity(
        start=0 if start is None else parse_time(start),
        end=None if end is None else parse_time(end),
    )


def nanoseconds(seconds: float | None) -> Nanoseconds | None:
    """Return seconds as nanoseconds."""
    return None if seconds is None else round(seconds * SECOND)


def check_instant(text: str) -> str:
    """Return a time of RFC 3339 in the one form that is stored; ValueError for any other text.

    A zone must be given, since a time without one is a different time at each desk.
    """
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValueError("is no time with a zone: write 2026-11-22T08:00:00Z or …T16:00:00+08:00")
    zone = "+00:00" if found[3] == "Z" else found[3]
    moment = datetime.fromisoformat(found[1] + zone)
    whole = (moment - _EPOCH) // timedelta(seconds=1)
    time = whole * SECOND + int((found[2] or "0").ljust(9, "0"))
    if not 0 <= time <= FOREVER:
        raise ValueError("is before 1970 or after 2262")
    return format_time(time)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII
)
Instant = Annotated[str, AfterValidator(check_instant)]
"""A time of RFC 3339 with its zone; kept in UTC with nine digits of a second."""
