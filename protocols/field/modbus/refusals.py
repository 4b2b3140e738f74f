"""What the equipment has refused, and where requests must not go on because of it; pure.

A refused request is asked again in halves until the guilty signal stands alone, or until both
halves are given: then the unused registers between them were guilty, and a cut is kept there.
A guilty signal is left out of the plan and tried again now and then, one a poll; the first that
succeeds clears everything learned of its table, because refusals of a whole table pass together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from protocols.field.modbus.planner import Slot

__all__ = ["Refusals", "Refused", "code_name"]


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
        self.version = 0  # rises whenever a plan made before is no longer right

    @property
    def cuts(self) -> frozenset[int]:
        """Return the indexes of the signals at which a request must begin."""
        return frozenset(self._cuts)

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

    def cut(self, slot: Slot) -> None:
        """Take in that the registers before this signal must not be read along."""
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


def code_name(code: int) -> str:
    """Return an exception code's name and number (Modbus Application Protocol section 7)."""
    return f"{_CODES.get(code, 'exception')} ({code})"


_CODES: Final = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
