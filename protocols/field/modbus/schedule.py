"""When to poll what: every period on one fixed grid, so that rates meet and nothing drifts; pure.

All periods start together: signals of 1 s and of 5 s are due in the same poll every 5 s, and
share its requests.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Schedule", "Turn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What is due now."""

    periods: tuple[float, ...]  # seconds, ascending
    missed: dict[float, int]  # how many whole polls of a period went by unserved


class Schedule:
    """The grid of a line; times are monotonic seconds."""

    def __init__(self, periods: Iterable[float], *, origin: float) -> None:
        self._origin = origin
        self._next = dict.fromkeys(sorted(set(periods)), 0)  # number of the next poll on the grid

    def wait(self, now: float) -> float:
        """Return the seconds until something is due, 0 or less where it is already."""
        return min(self._origin + number * period for period, number in self._next.items()) - now

    def take(self, now: float) -> Turn:
        """Return what is due and go on to what comes after it."""
        due: list[float] = []
        missed: dict[float, int] = {}
        for period, number in self._next.items():
            if self._origin + number * period > now:
                continue
            # The grid is computed, not summed up: no rounding grows over the years.
            latest = max(number, math.floor((now - self._origin) / period))
            if latest > number:
                missed[period] = latest - number
            self._next[period] = latest + 1
            due.append(period)
        return Turn(periods=tuple(due), missed=missed)
