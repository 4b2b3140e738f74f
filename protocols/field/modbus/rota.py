"""Whose turn it is: the units of one line are asked in rotation, none before it has rested; pure.

Equipment that needs a pause, or is busy, holds up nobody else: what is due to others goes first.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

__all__ = ["Rota"]

Errand = TypeVar("Errand")


class Rota(Generic[Errand]):
    """The errands of one poll by unit; times are monotonic seconds."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[Errand]] = {}  # the unit whose turn is next stands first
        self._rested: dict[int, float] = {}  # unit -> when it may be asked again

    def put(self, unit: int, errand: Errand) -> None:
        """Add an errand, after the others of its unit."""
        self._waiting.setdefault(unit, deque()).append(errand)

    def put_back(self, unit: int, errand: Errand) -> None:
        """Add an errand that goes before the others of its unit."""
        self._waiting.setdefault(unit, deque()).appendleft(errand)

    def rest(self, unit: int, until: float) -> None:
        """Ask nothing of a unit before then."""
        self._rested[unit] = until

    def rests(self, unit: int, now: float) -> float:
        """Return the seconds for which a unit still rests."""
        return max(0.0, self._rested.get(unit, now) - now)

    def take(self, now: float) -> Errand | None:
        """Return the next errand, None where every unit that has one still rests."""
        for unit, errands in self._waiting.items():
            if self._rested.get(unit, now) <= now:
                errand = errands.popleft()
                del self._waiting[unit]
                if errands:
                    self._waiting[unit] = errands  # last in the rotation now
                return errand
        return None

    def wait(self, now: float) -> float | None:
        """Return the seconds until an errand may be taken, None where there is none."""
        if not self._waiting:
            return None
        return max(0.0, min(self._rested.get(unit, now) for unit in self._waiting) - now)

    def clear(self) -> None:
        """Take all errands away; who must rest still must."""
        self._waiting.clear()
