"""What waits between the sources and the sealer: bounded, and it says what it did not take.

When it is full, deliveries are refused, counted and declared as an OVERRUN gap of their source;
what cannot be had twice finds room for longer. A source whose equipment can send again waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from edge_agent.sealing.gaps import OpenGap
from protocols.field.driver import Delivery
from protocols.wire.reading import Gap, GapReason, Reading

_READING_BYTES: Final = 16  # of a number and its times; text, bytes and raw forms come on top
_ROOM_PERCENT: Final = {False: 90, True: 100}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A delivery and what to do when it stands on disk."""

    source: str
    delivery: Delivery
    committed: Callable[[], None]


@dataclass(slots=True, kw_only=True)
class Taken:
    """All that waited, for one cut."""

    entries: list[Entry] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)  # of deliveries, and of what was refused here
    overrun: int = 0  # readings refused here

    def readings(self) -> list[Reading]:
        """Return all readings in the order in which they came."""
        return [reading for entry in self.entries for reading in entry.delivery.readings]


class Inbox:
    """The queue to the sealer."""

    def __init__(self, *, readings_max: int, cut_count: int, cut_bytes: int) -> None:
        """Hold ``readings_max`` readings; a cut is due at ``cut_count`` or ``cut_bytes``."""
        self.readings = 0
        self.closed = False
        self._readings_max = readings_max
        self._cut_count = cut_count
        self._cut_bytes = cut_bytes
        self._bytes = 0
        self._since: float | None = None  # loop time at which the oldest came
        self._urgent = False
        self._taken = Taken()
        self._overruns: dict[str, OpenGap] = {}
        self._stirred = asyncio.Event()
        self._emptied = asyncio.Event()

    def limit(self, *, readings_max: int, cut_count: int, cut_bytes: int) -> None:
        """Go on with other bounds."""
        self._readings_max = readings_max
        self._cut_count = cut_count
        self._cut_bytes = cut_bytes

    def hurry(self) -> None:
        """Have what waits cut now, even if that is nothing."""
        self._urgent = True
        self._stirred.set()

    def offer(self, entry: Entry) -> bool:
        """Take a delivery, or refuse and count it."""
        delivery = entry.delivery
        count = len(delivery.readings)
        if count and not self.has_room(count, urgent=delivery.urgent):
            times = [reading.gateway_time for reading in delivery.readings]
            overrun = self._overruns.setdefault(
                entry.source, OpenGap(entry.source, GapReason.OVERRUN)
            )
            overrun.add(count, min(times), max(times))
            self._taken.gaps += delivery.gaps
            return False
        self._taken.entries.append(entry)
        self._taken.gaps += delivery.gaps
        self.readings += count
        self._bytes += _READING_BYTES * count + _variable_bytes(delivery)
        self._urgent = self._urgent or delivery.urgent
        if self._since is None or self._full():
            self._since = self._since or asyncio.get_running_loop().time()
            self._stirred.set()
        return True

    def declare(self, gap: Gap) -> None:
        """Have a gap sealed with the next cut."""
        self._taken.gaps.append(gap)

    def has_room(self, count: int, *, urgent: bool) -> bool:
        """Tell whether so many readings would be taken; an empty inbox takes any number."""
        room = self._readings_max * _ROOM_PERCENT[urgent] // 100
        return self.readings == 0 or self.readings + count <= room

    async def room(self, count: int) -> None:
        """Wait until ``count`` readings would be taken: for equipment that can send again."""
        while not self.has_room(count, urgent=False) and not self.closed:
            self._emptied.clear()
            await self._emptied.wait()

    async def until_due(self, *, age_max: float, silence_max: float) -> None:
        """Wait until a cut is due; seconds since the oldest delivery, or of nothing at all."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        while not (self.closed or self._full()):
            due = start + silence_max if self._since is None else self._since + age_max
            if (left := due - loop.time()) <= 0:
                return
            self._stirred.clear()
            try:
                async with asyncio.timeout(left):
                    await self._stirred.wait()
            except TimeoutError:
                return

    def take(self) -> Taken:
        """Return all that waits, and begin anew."""
        taken, self._taken = self._taken, Taken()
        for overrun in self._overruns.values():
            taken.gaps.append(overrun.gap())
            taken.overrun += overrun.count
        self._overruns = {}
        self.readings = self._bytes = 0
        self._since = None
        self._urgent = False
        self._emptied.set()
        return taken

    def close(self) -> None:
        """Let the sealer cut once more and end."""
        self.closed = True
        self._stirred.set()
        self._emptied.set()

    def _full(self) -> bool:
        return self._urgent or self.readings >= self._cut_count or self._bytes >= self._cut_bytes


def _variable_bytes(delivery: Delivery) -> int:
    """Return the octets of texts, bytes and raw forms: most readings have none."""
    return sum(
        [
            len(raw) + (len(value) if isinstance(value, str | bytes) else 0)
            for _, _, value, _, _, _, _, raw in delivery.readings
            if raw or type(value) is not float
        ]
    )
