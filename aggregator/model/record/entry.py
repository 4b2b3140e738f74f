"""Values that a person typed: marked as such wherever they stand, and never counted as readings.

An entry is added and never changed: it is corrected by one that supersedes it, with a reason, and
both stay. A second person checks it; until then it is an exception (21 CFR 11.10(f), Annex 11
section 6).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple, NewType

from aggregator.errors import InvalidError
from aggregator.model.master.lot import LotKey
from aggregator.model.master.recipe import ParameterName
from protocols.wire.dossier.file import canonical_json
from protocols.wire.reading import Nanoseconds

EntryId = NewType("EntryId", str)
"""``m-`` and 32 hex digits of the hash of what the entry says: saying it twice is one entry."""

VALUE_MAX: Final = 200
"""Characters of a typed value, at most."""


class Check(NamedTuple):
    """A second person vouches for an entry."""

    by: str
    time: Nanoseconds
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A person says what they saw."""

    lot: LotKey
    parameter: ParameterName
    value: str | None  # as typed; None: what it supersedes was wrong, and nothing takes its place
    unit: str  # UCUM; empty for a text
    time: Nanoseconds  # when it was seen
    by: str  # user id
    reason: str  # why by hand, or why corrected
    recorded: Nanoseconds | None = None
    supersedes: EntryId | None = None
    check: Check | None = None

    def __post_init__(self) -> None:
        """Refuse an entry that says nothing."""
        if not self.parameter.strip() or not self.reason.strip() or not self.by:
            raise InvalidError("an entry names its parameter, who says it, and why by hand")
        if self.time < 0:
            raise InvalidError("an entry's time is not below zero")
        if self.value is None:
            if self.supersedes is None:
                raise InvalidError("a withdrawal names the entry that it supersedes")
        elif not self.value.isprintable() or not 1 <= len(self.value.strip()) <= VALUE_MAX:
            raise InvalidError(f"a value is 1 to {VALUE_MAX} printable characters")

    @property
    def id(self) -> EntryId:
        """The name of what is said, whenever it was recorded and whoever checked it."""
        said = [
            *(*self.lot, self.parameter, self.value, self.unit, self.time),
            *(self.by, self.reason, self.supersedes),
        ]
        return EntryId(f"m-{hashlib.sha256(canonical_json(said)).hexdigest()[:32]}")

    @property
    def number(self) -> float | None:
        """The value as a number; None where it is a text."""
        try:
            value = Decimal(self.value or "")
        except InvalidOperation:
            return None
        return float(value) if value.is_finite() else None


def in_force(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the entries that nothing has superseded, withdrawals among them."""
    every = tuple(entries)
    superseded = {entry.supersedes for entry in every}
    return tuple(entry for entry in every if entry.id not in superseded)
