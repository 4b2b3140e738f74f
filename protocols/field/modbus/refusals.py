"""What the equipment has refused, and where requests must not go on because of it; pure.

A refused request is asked again in halves until the guilty signal stands alone, or until both
halves are given. Then it was longer than all that was ever given, and is not asked for again at
such a length; or what lies between the halves was guilty, and a cut is kept there.
A guilty signal is left out of the plan and tried again now and then, one a poll; the first that
succeeds clears everything learned of its table, because refusals of a whole table pass together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from protocols.field.modbus.planner import Block, Slot
from protocols.field.modbus.settings import Table

__all__ = [
    "ACKNOWLEDGE",
    "ILLEGAL_FUNCTION",
    "Refusals",
    "Refused",
    "Remedy",
    "code_name",
    "remedy",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One signal that the equipment does not give."""

    slot: Slot
    code: int  # the equipment's exception code, or a Doubt
    retry_at: float  # monotonic seconds


class Refusals:
    """What was learned of one line since it was opened."""

    def __init__(self, *, retry_s: float) -> None:
        self._retry_s = retry_s
        self._refused: dict[int, Refused] = {}
        self._cuts: dict[int, Slot] = {}
        self._largest: dict[_Place, int] = {}  # what was given at once: registers, or bits
        self._most: dict[_Place, int] = {}
        self.version = 0  # rises whenever a plan made before is no longer right

    @property
    def cuts(self) -> frozenset[int]:
        """Return the indexes of the signals at which a request must begin."""
        return frozenset(self._cuts)

    @property
    def most(self) -> Mapping[_Place, int]:
        """Return the registers, or bits, that a unit gives at once of a table, where it told."""
        return self._most

    @property
    def walls(self) -> tuple[Slot, ...]:
        """Return the refused signals: no request reads on over their registers."""
        return tuple(refused.slot for refused in self._refused.values())

    def among(self, slots: Iterable[Slot]) -> list[tuple[Slot, Refused]]:
        """Return those of the slots that are refused, and what is known of them."""
        if not self._refused:
            return []
        known = ((slot, self._refused.get(slot.index)) for slot in slots)
        return [(slot, refused) for slot, refused in known if refused is not None]

    def refuse(self, slots: Iterable[Slot], code: int, now: float) -> None:
        """Take in that these signals alone were refused."""
        self.version += 1
        for slot in slots:
            self._refused[slot.index] = Refused(slot=slot, code=code, retry_at=now + self._retry_s)

    def gave(self, block: Block) -> None:
        """Take in that a request was answered in full."""
        place = (block.unit, block.table)
        if block.count > self._largest.get(place, 0):
            self._largest[place] = block.count

    def parted(self, lower: Block, upper: Block) -> None:
        """Take in that a refused request was given in halves."""
        place = (upper.unit, upper.table)
        largest = self._largest.get(place, 0)
        touching = lower.address + lower.count >= upper.address
        if touching and upper.address + upper.count - lower.address > largest:
            self.version += 1
            self._most[place] = largest
        else:
            self.cut(upper.slots[0])

    def cut(self, slot: Slot) -> None:
        """Take in that no request must come from below into this signal."""
        self.version += 1
        self._cuts[slot.index] = slot

    def to_try(self, due: Iterable[Slot], now: float) -> Slot | None:
        """Return the refused signal of ``due`` that has waited longest and long enough."""
        ripe = [refused for _, refused in self.among(due) if refused.retry_at <= now]
        return min(ripe, key=lambda refused: refused.retry_at).slot if ripe else None

    def forgive(self, slot: Slot) -> None:
        """Forget what was learned of the signal's table: it gave what it had refused."""
        self.version += 1
        place = (slot.unit, slot.table)
        self._refused = {
            index: refused
            for index, refused in self._refused.items()
            if (refused.slot.unit, refused.slot.table) != place
        }
        self._cuts = {
            index: cut for index, cut in self._cuts.items() if (cut.unit, cut.table) != place
        }
        self._most.pop(place, None)


_Place = tuple[int, Table]  # unit and table


class Remedy(Enum):
    """What to do about an exception code, or about an answer that is none to the question."""

    WAIT = 0  # ask again a little later, a few times
    NARROW = 1  # smaller requests may be answered: find the signal to blame
    REPEAT_THEN_NARROW = 2  # it may have been chance; then as above
    REPEAT = 3  # it may have been chance; smaller requests are no better
    LEAVE = 4  # it will not change soon: try again after retry_s
    ABSENT = 5  # a gateway answers that nobody does behind it: as if the unit were silent


def code_name(code: int) -> str:
    """Return an exception code's name and number (Modbus Application Protocol section 7)."""
    return f"{_CODES.get(code, _OTHER)[0]} ({code})"


def remedy(code: int) -> Remedy:
    """Return what to do about an exception code (Modbus Application Protocol section 7)."""
    return _CODES.get(code, _OTHER)[1]


ILLEGAL_FUNCTION: Final = 1
ACKNOWLEDGE: Final = 5  # the request was taken and takes long
_OTHER: Final = ("exception", Remedy.REPEAT)
_CODES: Final = {
    # Modbus/TCP Security tells a client by the same code that its role may not.
    ILLEGAL_FUNCTION: ("illegal function, or not for this gateway's role", Remedy.LEAVE),
    2: ("illegal data address", Remedy.NARROW),
    3: ("illegal data value", Remedy.NARROW),
    4: ("server device failure", Remedy.REPEAT_THEN_NARROW),
    ACKNOWLEDGE: ("acknowledge", Remedy.WAIT),
    6: ("server device busy", Remedy.WAIT),
    8: ("memory parity error", Remedy.REPEAT),
    10: ("gateway path unavailable", Remedy.ABSENT),
    11: ("gateway target device failed to respond", Remedy.ABSENT),
}
