"""What the agent writes to its disk: measured, held to a budget, and reckoned against its end.

The kernel counts what this process has caused to be written (proc(5), ``io``). Each commit writes
whole pages however little it holds, so it is the seal's age that decides on the bytes of a day:
over the budget, the age grows within its bound, and comes back when there is room again.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from edge_agent.errors import KeyFileError
from edge_agent.keys import write_private

FILE: Final = "wear.json"
_log = structlog.get_logger("wear")
_DAY_S: Final = 86_400
_STEP_S: Final = 60.0  # between two looks
_WINDOW: Final = 60  # looks that a rate is taken over
_REMEMBER_S: Final = 3600.0  # between two memories written: they wear, too
_ROOM: Final = 0.4  # of the budget, below which the age comes back: half the age, twice the bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """How the disk fares."""

    bytes_per_day: int | None  # at the present rate; None until it is known
    bytes_written: int  # by agents on this folder, as far as it is remembered
    age_s: float  # after which a bundle is cut now
    days_left: float | None  # until the disk's endurance is used up; None where it is not known


class Wear:
    """Looks at what is written, and says after which age a bundle is to be cut."""

    def __init__(
        self,
        folder: Path,
        *,
        budget: int,
        endurance: int,
        age_bound_s: float,
        counter: Path = Path("/proc/self/io"),
    ) -> None:
        """Hold ``budget`` bytes a day and ``endurance`` bytes in all; 0 for none.

        ``age_bound_s`` bounds the age that a budget may ask for.
        """
        self._path = folder / FILE
        self._budget = budget
        self._endurance = endurance
        self._bound_s = age_bound_s
        self._counter = counter
        self._before = self._remembered()
        self._looks: deque[tuple[float, int]] = deque(maxlen=_WINDOW)
        self._stretch = 1.0
        self._kept_at: float | None = None

    def look(self, now: float, age_s: float) -> Upkeep:
        """Return how the disk fares at ``now`` (seconds, monotonic) for a configured seal age.

        Called as often as one likes: a rate is taken, and the age moved, once a minute.
        """
        written = _written(self._counter)
        if written is not None and (not self._looks or now - self._looks[-1][0] >= _STEP_S):
            self._looks.append((now, written))
            self._move(age_s)
        if self._kept_at is None or now - self._kept_at >= _REMEMBER_S:
            self._kept_at = now
            self.remember()
        rate, total = self._rate(), self._before + (written or 0)
        left = None
        if rate and self._endurance:
            left = round(max(0, self._endurance - total) / rate, 1)
        return Upkeep(
            bytes_per_day=rate, bytes_written=total, age_s=self._age(age_s), days_left=left
        )

    def remember(self) -> None:
        """Write the sum of what was written beside the buffer, for the next start."""
        total = self._before + (_written(self._counter) or 0)
        try:
            write_private(self._path, json.dumps({"bytes_written": total}).encode())
        except KeyFileError as error:
            _log.warning("wear not remembered", error=str(error))

    def _move(self, age_s: float) -> None:
        rate = self._rate()
        if rate is None or not self._budget:
            return
        before = self._stretch
        if rate > self._budget and self._age(age_s) < self._bound_s:
            self._stretch *= 2
            self._looks = deque([self._looks[-1]], maxlen=_WINDOW)  # the new rhythm's own rate
        elif rate < self._budget * _ROOM and self._stretch > 1:
            self._stretch = max(1.0, self._stretch / 2)
            self._looks = deque([self._looks[-1]], maxlen=_WINDOW)
        if (before > 1) is not (self._stretch > 1):
            said = "bundles are cut later: the disk's budget is exceeded"
            _log.warning(
                said if self._stretch > 1 else "bundles are cut as configured again",
                bytes_per_day=rate,
                budget=self._budget,
                age_s=self._age(age_s),
            )

    def _age(self, age_s: float) -> float:
        return max(age_s, min(age_s * self._stretch, self._bound_s))

    def _rate(self) -> int | None:
        if len(self._looks) < 2:
            return None
        (start, first), (end, last) = self._looks[0], self._looks[-1]
        return round((last - first) / (end - start) * _DAY_S)

    def _remembered(self) -> int:
        try:
            return int(json.loads(self._path.read_text(encoding="utf-8"))["bytes_written"])
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("memory of the wear unreadable", error=str(error))
            return 0


def _written(counter: Path) -> int | None:
    """Return the bytes that this process has caused to be written; None where nobody counts."""
    try:
        for line in counter.read_text(encoding="ascii").splitlines():
            name, _, number = line.partition(": ")
            if name == "write_bytes":
                return int(number)
    except (OSError, ValueError):
        pass
    return None
