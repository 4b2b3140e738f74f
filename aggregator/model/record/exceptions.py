"""Exceptions of a batch record: everything that is not provably fine, for a person to judge.

Whatever is checked is either passed, and counted, or gives an exception; a check is never skipped
in silence (review by exception, record.md section 3).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from protocols.wire.dossier.file import canonical_json
from protocols.wire.dossier.instant import format_time
from protocols.wire.reading import Nanoseconds

CHECKS: Final = "checks/3"
"""Id and version of the set of checks; a record names the one that it was judged by."""

Detail = str | int | float | None | tuple[str, ...]


class ExceptionKind(StrEnum):
    """What was found."""

    EXCURSION = "excursion"  # a parameter was outside a limit
    GAP = "gap"  # valid data are missing
    STUCK = "stuck_value"  # a value stood still for longer than it can
    STATUS = "status"  # readings that their source calls BAD or UNCERTAIN
    BOUNDARY = "boundary"  # readings that a clock's uncertainty may put into another lot
    CONFLICT = "binding_conflict"  # facts that cannot all be true
    AMBIGUOUS_LOT = "ambiguous_lot"  # the equipment named a lot that may be one of several
    UNKNOWN_CARRIER = "unknown_carrier"  # a carrier was seen that holds no lot
    AMBIGUOUS_CARRIER = "ambiguous_carrier"  # a carrier was read at two places at once
    IMPLAUSIBLE_TRAVEL = "implausible_travel"  # it was there sooner than it can have come
    OPEN_WINDOW = "open_window"  # nobody has said when it ended
    EMPTY_WINDOW = "empty_window"  # began and ended in one instant
    LOT_REUSED = "lot_reused"  # windows so far apart that the lot id may have been given twice
    MISSING_PARAMETER = "missing_parameter"  # required, and not one valid reading
    UNIT_MISMATCH = "unit_mismatch"  # limits in a unit that measures something else
    UNIT_CHANGED = "unit_changed"  # the signal's unit was changed while the lot was made
    COUNTER_RESET = "counter_reset"  # a value that only rises fell
    CLOCK = "clock_in_doubt"  # the gateway's clock was not synchronised
    CHAIN = "chain"  # bundles missing, a fork, or not sealed past the end
    EPOCH = "epoch_unapproved"  # nobody has approved the gateway's epoch
    SEAL = "seal_not_verified"  # a bundle's seal does not hold
    KEY_REVOKED = "key_revoked"  # a key that sealed the readings was revoked among them
    SETTINGS = "settings_changed"  # the gateway took new settings while the lot was made
    CALIBRATION = "calibration"  # overdue, failed, or none where the sensor is known
    QUALIFICATION = "operator_not_qualified"  # for the operation, at that place and time
    EXPIRED = "expired_material"  # what went in was used after its last day
    HELD = "held_material"  # what went in was held or rejected when it was used
    BALANCE = "mass_balance"  # more or less came out than the tolerance allows
    ENTRY = "unchecked_entry"  # nobody else has checked what a person typed
    FAILED_TEST = "failed_test"  # the laboratory says that the lot did not pass
    LATE_DATA = "late_data"  # data came after the record had been complete


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionItem:
    """One thing that a person must look at."""

    kind: ExceptionKind
    subject: str  # parameter, signal, equipment or gateway
    start: Nanoseconds | None = None
    end: Nanoseconds | None = None  # None where it has not ended, or has no length
    details: Mapping[str, Detail] = field(default_factory=dict)  # figures, by name

    @property
    def id(self) -> str:
        """Twelve hex digits of the hash of what is said: the same finding is the same item."""
        return hashlib.sha256(canonical_json(self.to_json())).hexdigest()[:12]

    def to_json(self) -> dict[str, object]:
        """Return the item as it stands in the record, but for its id."""
        return {
            "kind": self.kind.value,
            "subject": self.subject,
            "start": None if self.start is None else format_time(self.start),
            "end": None if self.end is None else format_time(self.end),
            "details": dict(self.details),
        }


class Ledger:
    """Checks as they are made: those that passed, counted; the others with what they found."""

    def __init__(self) -> None:
        self.items: list[ExceptionItem] = []
        self.passed: Counter[ExceptionKind] = Counter()

    def judge(self, kind: ExceptionKind, found: Iterable[ExceptionItem]) -> None:
        """Enter one check for ``kind``: passed where it found nothing."""
        items = list(found)
        self.items += items
        if not items:
            self.passed[kind] += 1

    def in_order(self) -> tuple[ExceptionItem, ...]:
        """Return the items by kind, as the kinds are declared, then subject and time."""
        kinds = list(ExceptionKind)
        return tuple(
            sorted(
                self.items,
                key=lambda item: (kinds.index(item.kind), item.subject, item.start or 0),
            )
        )
