"""Equipment by ISA-95 path, and the signals that stand on it.

A path is ``enterprise/site/area/line/unit``, from the top, as far as it goes. A signal belongs to
the equipment that it observes: one on an area observes whatever lots are at the units below.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from aggregator.errors import InvalidError
from aggregator.model.master.read_point import PresenceRule
from aggregator.model.series import SignalKey
from protocols.identifiers.errors import Gs1Error
from protocols.identifiers.gs1.elements import check_value
from protocols.wire.reading import Kind, Nanoseconds

EquipmentPath = NewType("EquipmentPath", str)
"""Names from the enterprise down, with slashes: ``acme/suzhou/cleanroom-1/line-2/press-1``."""


class Occupancy(StrEnum):
    """How many lots one unit may work on at a time."""

    EXCLUSIVE = "exclusive"  # one: a press; two at once are a conflict
    SHARED = "shared"  # many in one load: an oven, an autoclave, a washer
    CONTINUOUS = "continuous"  # material flows through: what leaves it is of one lot at a time
    AMBIENT = "ambient"  # all lots at the units below: a clean room


class SignalRole(StrEnum):
    """What a signal says."""

    VARIABLE = "variable"  # a value of the process or the environment
    COUNTER = "counter"  # a value that only rises; a fall is a reset
    LOT_ID = "lot_id"  # which lot the equipment works on, as its controller says
    TAG_READS = "tag_reads"  # which carriers a reader sees


@dataclass(frozen=True, slots=True, kw_only=True)
class Residence:
    """How long material is in equipment that it flows through: ``offset``, give or take ``spread``.

    What is observed at t belongs to what leaves from t + offset - spread to t + offset + spread.
    """

    offset: Nanoseconds
    spread: Nanoseconds = 0

    def __post_init__(self) -> None:
        """Refuse a residence that could end before it began."""
        if not 0 <= self.spread <= self.offset:
            raise InvalidError(
                "the spread of a residence time is more than the time itself, or below zero",
                hint="give the mean time as offset, and as spread how far it may be off",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """A place in the hierarchy."""

    path: EquipmentPath
    occupancy: Occupancy = Occupancy.EXCLUSIVE
    gln: str = ""  # GS1's number of the place, 13 digits, where it has one
    residence: Residence | None = None  # of continuous equipment, and only there

    def __post_init__(self) -> None:
        """Refuse a flow without a residence time, or one where nothing flows."""
        if (self.residence is not None) is not (self.occupancy is Occupancy.CONTINUOUS):
            raise InvalidError(
                "continuous equipment has a residence time, and no other has",
                hint="give residence_s and spread_s along with occupancy continuous",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSpec:
    """A signal as the master data knows it.

    Signals of one ``clock`` (empty: of one gateway and equipment) are stamped by the same clock:
    between them no clock uncertainty makes a boundary doubtful.
    """

    key: SignalKey
    equipment: EquipmentPath
    kind: Kind
    unit: str = ""  # UCUM, for example "Cel" or "bar"
    role: SignalRole = SignalRole.VARIABLE
    clock: str = ""
    presence: PresenceRule | None = None  # of a read point; None: as the rule of binding has it

    @property
    def clock_id(self) -> str:
        """The clock that stamps it."""
        return self.clock or f"{self.key.gateway} {self.equipment}"


def check_path(text: str) -> EquipmentPath:
    """Return ``text`` as a path; InvalidError for an empty name in it."""
    if not text or not all(part.strip() == part != "" for part in text.split("/")):
        raise InvalidError(
            f"{text[:80]!r} is not an equipment path",
            hint="write names with single slashes between",
        )
    return EquipmentPath(text)


def check_gln(text: str) -> str:
    """Return ``text`` as a GLN, or "" for none; InvalidError for a wrong length or check digit."""
    try:
        if text:
            check_value("414", text)
    except Gs1Error as error:
        raise InvalidError(f"{text[:40]!r} is not a GLN: {error}", hint=error.hint) from None
    return text


def is_at(path: EquipmentPath, place: EquipmentPath) -> bool:
    """Tell whether ``path`` is ``place`` or stands below it."""
    return path == place or path.startswith(place + "/")
