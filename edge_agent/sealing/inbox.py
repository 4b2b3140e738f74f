"""What waits between the sources and the sealer: bounded, and it says what it did not take.

When it is full, readings are given up by the class that their signal declares (``Shed``): those
that come are refused, and those that wait make room for what is given up after them. Each is
counted and declared as an OVERRUN gap of its signal. What cannot be had twice has room for longer
and counts as critical. A source whose equipment can send again waits.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from edge_agent.sealing.gaps import OpenGaps
from protocols.field.driver import Delivery, Shed
from protocols.wire.reading import Gap, GapReason, Reading

_READING_BYTES: Final = 16  # of a number and its times; text, bytes and raw forms come on top
_ROOM_PERCENT: Final = {Shed.FIRST: 90, Shed.NORMAL: 90, Shed.LAST: 100}
_ORDER: Final = tuple(Shed)  # in which readings are given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A delivery and what to do when it stands on disk."""

    delivery: Delivery
    committed: Callable[[], None]
    classes: Mapping[str, Shed] = field(default_factory=dict)  # of signals that are not NORMAL

    def shed(self) -> list[Shed]:
        """Return the class of each reading; of what cannot be had twice, LAST unless declared."""
        usual = Shed.LAST if self.delivery.urgent else Shed.NORMAL
        return [self.classes.get(reading.signal, usual) for reading in self.delivery.readings]

    def within(self, room: Mapping[Shed, int]) -> tuple[Entry, list[Reading]]:
        """Return the entry with at most so many readings of a class, the first, and the others."""
        left = dict(room)
        kept: list[Reading] = []
        over: list[Reading] = []
        for reading, shed in zip(self.delivery.readings, self.shed(), strict=True):
            if shed in left:
                left[shed] -= 1
            (kept if left.get(shed, 0) >= 0 else over).append(reading)
        return replace(self, delivery=replace(self.delivery, readings=tuple(kept))), over


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
        self._overruns = OpenGaps(GapReason.OVERRUN)
        self._ranks: _Ranks | None = None  # found out when it is full first
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
        """Take a delivery and tell whether all of it found room; what did not is counted."""
        delivery = entry.delivery
        self._taken.gaps += delivery.gaps
        if delivery.readings and not self._has_room(len(delivery.readings)):
            return self._squeeze(entry)
        self._add(entry)
        return True

    def declare(self, gap: Gap) -> None:
        """Have a gap sealed with the next cut."""
        self._taken.gaps.append(gap)

    async def room(self, entry: Entry) -> None:
        """Wait until an entry finds room: for equipment that can send again.

        Of readings of several classes the most critical have to: the others are given up for them.
        """
        while not (self.closed or self._would_take(entry)):
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
        if self._overruns.count:
            taken.gaps += self._overruns.gaps()
            taken.overrun = self._overruns.count
            self._overruns = OpenGaps(GapReason.OVERRUN)
        self._ranks = None
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

    def _add(self, entry: Entry) -> None:
        delivery = entry.delivery
        self._taken.entries.append(entry)
        self.readings += len(delivery.readings)
        self._bytes += _READING_BYTES * len(delivery.readings) + _variable_bytes(delivery.readings)
        self._urgent = self._urgent or delivery.urgent
        if self._ranks is not None:
            self._ranks.add(len(self._taken.entries) - 1, entry)
        if self._since is None or self._full():
            self._since = self._since or asyncio.get_running_loop().time()
            self._stirred.set()

    def _has_room(self, count: int) -> bool:
        """Tell whether so many readings find room, whatever they are; an empty inbox takes any."""
        return self.readings == 0 or count <= self._room(Shed.NORMAL)

    def _room(self, shed: Shed) -> int:
        return self._readings_max * _ROOM_PERCENT[shed] // 100 - self.readings

    def _would_take(self, entry: Entry) -> bool:
        readings = entry.delivery.readings
        if not readings or self._has_room(len(readings)):
            return True
        counts = Counter(entry.shed())
        critical = next(each for each in reversed(_ORDER) if each in counts)
        return counts[critical] <= self._room(critical) + self._ranked().below(critical)

    def _squeeze(self, entry: Entry) -> bool:
        """Take what finds room by its class, at the cost of what is given up before it."""
        counts = Counter(entry.shed())
        room: dict[Shed, int] = {}
        taken = 0
        for shed in reversed(_ORDER):
            wanted = counts[shed]
            if wanted and (short := wanted + taken - self._room(shed)) > 0:
                self._displace(short, shed)
            room[shed] = max(0, min(wanted, self._room(shed) - taken))
            taken += room[shed]
        kept, over = entry.within(room)
        self._overruns.add(over)
        if taken:
            self._add(kept)
        return not over

    def _displace(self, count: int, shed: Shed) -> None:
        """Give up at least ``count`` waiting readings of the classes before ``shed``, if any."""
        ranks, entries, enough = self._ranked(), self._taken.entries, self.readings - count
        for each in _ORDER[: _ORDER.index(shed)]:
            while self.readings > enough and (at := ranks.newest(each)) is not None:
                entries[at], given_up = entries[at].within({each: 0})
                self._overruns.add(given_up)
                self.readings -= len(given_up)
                self._bytes -= _READING_BYTES * len(given_up) + _variable_bytes(given_up)

    def _ranked(self) -> _Ranks:
        if self._ranks is None:
            self._ranks = _Ranks()
            for at, entry in enumerate(self._taken.entries):
                self._ranks.add(at, entry)
        return self._ranks

    def _full(self) -> bool:
        return self._urgent or self.readings >= self._cut_count or self._bytes >= self._cut_bytes


class _Ranks:
    """Which of the waiting entries have readings of which class, and how many."""

    def __init__(self) -> None:
        self._places: dict[Shed, list[tuple[int, int]]] = {each: [] for each in _ORDER}
        self._counts: Counter[Shed] = Counter()

    def add(self, at: int, entry: Entry) -> None:
        for shed, count in Counter(entry.shed()).items():
            self._places[shed].append((at, count))
            self._counts[shed] += count

    def below(self, shed: Shed) -> int:
        """Return how many readings wait that are given up before those of a class."""
        return sum(self._counts[each] for each in _ORDER[: _ORDER.index(shed)])

    def newest(self, shed: Shed) -> int | None:
        """Return the place of the newest entry with readings of a class; it has them no more."""
        if not self._places[shed]:
            return None
        at, count = self._places[shed].pop()
        self._counts[shed] -= count
        return at


def _variable_bytes(readings: Sequence[Reading]) -> int:
    """Return the octets of texts, bytes and raw forms: most readings have none."""
    return sum(
        [
            len(raw) + (len(value) if isinstance(value, str | bytes) else 0)
            for _, _, value, _, _, _, _, raw in readings
            if raw or type(value) is not float
        ]
    )
