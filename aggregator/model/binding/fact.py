"""Context facts, added and never changed: who said when which lot was where.

A fact is corrected by one that supersedes it, with a reason; both stay, with the time at which
each was recorded, so that a record can be made again as of any day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, NewType

from aggregator.errors import InvalidError
from aggregator.model.master.equipment import EquipmentPath
from aggregator.model.master.lot import LotKey
from aggregator.model.master.order import JobId
from protocols.wire.dossier.file import canonical_json
from protocols.wire.reading import Nanoseconds

FactId = NewType("FactId", str)
"""``f-`` and 32 hex digits of the hash of what the fact says: saying it twice is one fact."""

FOREVER: Final = 2**63 - 1
"""What stands for an end that nobody has said, where an array needs a number."""


class FactKind(StrEnum):
    """What a fact is about."""

    OCCUPANCY = "occupancy"  # a lot was at equipment; without a lot: none was
    ASSOCIATION = "association"  # a carrier held a lot
    CONTEXT = "context"  # changeover, purge, line clearance: time that belongs to no lot
    PHASE = "phase"  # a phase of a recipe ran at equipment; its name is the text
    WITHDRAWAL = "withdrawal"  # what it supersedes was wrong, and nothing takes its place


class Authority(IntEnum):
    """Whose word counts first; the lower number does."""

    CONTROLLER = 1  # lot id read from the equipment's controller with the readings
    RFID = 2  # a carrier's dwell at a read point
    OPERATOR = 3  # a person, or a system that speaks for one
    SCHEDULE = 4  # a plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One statement about an interval ``[start, end)``."""

    kind: FactKind
    start: Nanoseconds
    end: Nanoseconds | None  # None while it lasts
    authority: Authority
    source: str  # who says so: a person, a system, a signal
    equipment: EquipmentPath | None = None  # where, for occupancy and context
    lot: LotKey | None = None
    part: str = ""  # the sublot's name, where it was not all of the lot
    carrier: str | None = None  # EPC in hexadecimal, or what the label says, for an association
    job: JobId | None = None
    text: str = ""  # what was read, where it names no lot we know; the name of a context
    uncertainty: Nanoseconds = 0  # of start and end
    clock: str = ""  # the clock that stamped start and end; empty: none of ours
    recorded: Nanoseconds | None = None  # None for a fact derived from readings
    supersedes: FactId | None = None
    reason: str = ""  # why it supersedes
    signed: str = ""  # SHA-256 of the statement that a person signed for it

    def __post_init__(self) -> None:
        """Refuse a fact that says nothing."""
        if self.end is not None and self.end < self.start:
            raise InvalidError("a fact ends before it starts")
        if self.start < 0 or self.uncertainty < 0:
            raise InvalidError("a fact's times and uncertainty are not below zero")
        placed = (FactKind.OCCUPANCY, FactKind.CONTEXT, FactKind.PHASE)
        if self.kind in placed and self.equipment is None:
            raise InvalidError(f"a fact of {self.kind} needs its equipment")
        if self.kind is FactKind.PHASE and not self.text:
            raise InvalidError("a fact of a phase names it", hint="give its name in `text`")
        if self.kind is FactKind.ASSOCIATION and (self.carrier is None or self.lot is None):
            raise InvalidError("an association needs its carrier and its lot")
        if self.part and self.lot is None:
            raise InvalidError("a part is one of a lot", hint="name the lot, too")
        if self.supersedes is not None and not self.reason:
            raise InvalidError("a correction needs its reason", hint="say why in `reason`")
        if self.kind is FactKind.WITHDRAWAL and self.supersedes is None:
            raise InvalidError("a withdrawal names the fact that it supersedes")

    @property
    def id(self) -> FactId:
        """The name of what is said, whenever it was recorded."""
        said = [getattr(self, name) for name in _FIRST]
        # What came to be said later stands behind, where it is said: older facts keep their names.
        said += [{name: getattr(self, name)} for name in _LATER if getattr(self, name)]
        return FactId(f"f-{hashlib.sha256(canonical_json(said)).hexdigest()[:32]}")

    @property
    def until(self) -> Nanoseconds:
        """The end as a number: FOREVER while it lasts."""
        return FOREVER if self.end is None else self.end


def in_force(facts: Iterable[Fact], as_of: Nanoseconds = FOREVER) -> tuple[Fact, ...]:
    """Return the facts that hold as of a record time, each once, in one order.

    Superseded ones and withdrawals are left out; a fact derived from readings has no record time
    and always holds.
    """
    known: dict[FactId, Fact] = {}
    for fact in sorted(facts, key=lambda fact: fact.recorded or 0):
        if (fact.recorded or 0) <= as_of:
            known.setdefault(fact.id, fact)
    superseded = {fact.supersedes for fact in known.values()}
    holding = (
        fact
        for key, fact in known.items()
        if key not in superseded and fact.kind is not FactKind.WITHDRAWAL
    )
    return tuple(sorted(holding, key=lambda fact: (fact.start, fact.authority, fact.id)))


_FIRST: Final = (
    "kind",
    "start",
    "end",
    "authority",
    "source",
    "equipment",
    "lot",
    "carrier",
    "job",
    "text",
    "uncertainty",
    "clock",
    "supersedes",
    "reason",
)
_LATER: Final = ("part", "signed")
