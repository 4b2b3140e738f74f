"""Who is where: carriers that enter, stay at and leave read points, made of raw tag reads.

A tag read alone is a glimpse: antennas overlap, and tags fade for seconds. A carrier enters where
enough reads are strong enough, changes its place only where another antenna hears it clearly
better, and leaves after a time without a read. The raw reads are kept beside; the aggregator binds
by them, and what is inferred here is for whoever wants to act at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from protocols.field.llrp.settings import PresenceSettings
from protocols.wire.reading import Nanoseconds, TagRead

__all__ = ["Moved", "Movement", "Presence"]


class Movement(StrEnum):
    """What a carrier did."""

    ENTER = "enter"
    LEAVE = "leave"


class Moved(NamedTuple):
    """A carrier's movement at a read point."""

    movement: Movement
    antenna: int
    epc: bytes
    epc_bits: int
    time: Nanoseconds  # reader's clock: first seen here, or last seen here
    rssi: int  # hundredths of dBm, the strongest there
    reads: int
    stayed: Nanoseconds  # how long it was seen; 0 where it enters


class Presence:
    """The carriers in the field of one reader; bounded, the longest unseen leave first."""

    def __init__(self, settings: PresenceSettings) -> None:
        self._rules = settings
        self._carriers: dict[tuple[bytes, int], _Carrier] = {}

    def seen(self, read: TagRead, now: float) -> Iterator[Moved]:
        """Take a tag read, ``now`` in seconds of a clock that never steps; yield what follows."""
        carrier = self._carriers.pop((read.epc, read.epc_bits), None) or _Carrier()
        self._carriers[read.epc, read.epc_bits] = carrier  # the last in the order
        place = carrier.places.setdefault(read.antenna, _Place(first=read.first_seen))
        place.add(read, now)
        yield from self._decide(carrier, read)
        if len(self._carriers) > self._rules.carriers_max:
            (epc, bits), oldest = next(iter(self._carriers.items()))
            del self._carriers[epc, bits]
            yield from self._leave(oldest, epc, bits)

    def due(self) -> float | None:
        """Return when the next carrier has been unseen for too long; None where there is none."""
        carrier = next(iter(self._carriers.values()), None)
        return None if carrier is None else carrier.heard + self._rules.leave_s

    def unseen(self, now: float) -> Iterator[Moved]:
        """Yield those who leave because nothing was read of them."""
        for (epc, bits), carrier in list(self._carriers.items()):
            if carrier.heard + self._rules.leave_s > now:
                return
            del self._carriers[epc, bits]
            yield from self._leave(carrier, epc, bits)

    def resume(self, now: float) -> None:
        """Let nobody leave for a time in which nothing could be read."""
        for carrier in self._carriers.values():
            for place in carrier.places.values():
                place.heard = now

    def _decide(self, carrier: _Carrier, read: TagRead) -> Iterator[Moved]:
        """Let a carrier enter, or change its place, where the reads say so."""
        rules, at = self._rules, read.antenna
        place = carrier.places[at]
        weak = place.strength < rules.dbm_min * 100
        if carrier.at == at or place.reads < rules.reads_min or weak:
            return
        if carrier.at is not None:
            here = carrier.places[carrier.at]
            fresh = place.heard - here.heard <= rules.leave_s
            if fresh and place.strength < here.strength + rules.db_margin * 100:
                return  # neighbours hear each other's carriers
            yield from self._leave(carrier, read.epc, read.epc_bits)
        carrier.at = at
        yield Moved(
            Movement.ENTER, at, read.epc, read.epc_bits, place.first, place.best, place.reads, 0
        )

    def _leave(self, carrier: _Carrier, epc: bytes, bits: int) -> Iterator[Moved]:
        if carrier.at is None:
            return
        place = carrier.places.pop(carrier.at)
        at, carrier.at = carrier.at, None
        stayed = max(0, place.last - place.first)
        yield Moved(Movement.LEAVE, at, epc, bits, place.last, place.best, place.reads, stayed)


@dataclass(slots=True)
class _Place:
    """What one antenna heard of a carrier."""

    first: Nanoseconds
    last: Nanoseconds = 0
    heard: float = 0.0
    reads: int = 0
    best: int = -(2**31)
    strength: float = 0.0  # hundredths of dBm, of late: a read counts the more, the newer it is

    def add(self, read: TagRead, now: float) -> None:
        if not self.reads:
            self.strength = read.rssi
        self.strength += _WEIGHT * (read.rssi - self.strength)
        self.last = max(self.last, read.last_seen)
        self.heard = now
        self.reads += max(1, read.count)
        self.best = max(self.best, read.rssi)


@dataclass(slots=True)
class _Carrier:
    """What is known of one carrier."""

    at: int | None = None
    places: dict[int, _Place] = field(default_factory=dict)

    @property
    def heard(self) -> float:
        return max(place.heard for place in self.places.values()) if self.places else 0.0


_WEIGHT: Final = 0.3
