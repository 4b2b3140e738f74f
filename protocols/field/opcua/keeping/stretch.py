"""A time in which values of a signal were lost, and what its history gives of it; no input/output.

It lies between two readings that did arrive. History that holds both has all that lies between;
history that holds one of them has it from there on, or up to there; what it does not cover stays
a gap. A server that was started in between observed nothing while it was not there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from protocols.field.opcua.change import Change
from protocols.field.opcua.convert import reading_of
from protocols.field.opcua.settings import OpcuaSignal
from protocols.wire.reading import Doubt, Nanoseconds, Reading, Value


class Claim(NamedTuple):
    """From ``start`` to ``end`` everything came after all, so many readings."""

    start: Nanoseconds
    end: Nanoseconds
    readings: int


@dataclass(slots=True, kw_only=True)
class Stretch:
    """The stretch, and how far it is filled."""

    handle: int
    signal: OpcuaSignal
    since: Nanoseconds  # gateway time
    until: Nanoseconds  # gateway time
    before: Reading | None  # the last reading that arrived before it
    restarted: Nanoseconds | None = None  # when the server was started in between, its own time
    after: Reading | None = None  # the first one behind it
    is_done: bool = False  # nothing more is to be had
    joined: bool = False  # history holds ``before``, or more of that time
    met: bool = False  # history holds ``after``
    _passed: bool = False  # ``before`` came by, in what is read now
    _times: list[Nanoseconds] = field(default_factory=list)  # of what came
    _last: set[_Key] = field(default_factory=set)  # what came of the newest time

    def meet(self, after: Reading, slack: Nanoseconds) -> None:
        """Take the first reading behind the stretch; clocks differ by ``slack`` at most.

        Where none is known from before it, and the value has stood since before, nothing was lost.
        """
        self.after = after
        stands = after.source_time is not None and after.source_time < self.since - slack
        if stands and self.before is None and self.restarted is None:
            self.joined = self.met = True

    @property
    def is_constant(self) -> bool:
        """Whether the value behind the stretch is the one before it, so that nothing was lost."""
        return self.before is not None and _is_same(self.before, self.after)

    def begin(self, slack: Nanoseconds) -> Nanoseconds | None:
        """Return the source time from which history is wanted; None where nothing tells.

        A value that has stood for long is not asked for from its beginning: ``slack`` before the
        stretch is enough for clocks that differ.
        """
        if self.after is None or self.after.source_time is None:
            return None
        if self._times:
            return self._times[-1]
        self._passed = False  # history is read from before ``before`` again
        known = None if self.before is None else self.before.source_time
        if known is None:
            return min(self.since, self.after.source_time)
        return max(known - _ROUNDING, self.since - slack)

    def take(self, change: Change, gateway_time: Nanoseconds) -> Reading | None:
        """Take a value of history; return its reading unless it had come before."""
        reading = reading_of(self.signal, change, gateway_time, None)
        time, after = reading.source_time, self.after
        if time is None or after is None or after.source_time is None or self.met:
            return None
        if _is_same(reading, after):
            self.met = True
            return None
        if time > after.source_time or self._precedes(reading, time):
            return None
        newest = self._times[-1] if self._times else None
        key = _key(reading)
        if newest is not None and (time < newest or (time == newest and key in self._last)):
            return None
        if time != newest:
            self._last.clear()
        self._last.add(key)
        self._times.append(time)
        return reading

    def claims(self) -> tuple[Claim, ...]:
        """Return the parts of the stretch of which nothing is missing any more."""
        if self.is_constant:
            self.joined = self.met = True
        known = self.before.source_time if self.before is not None else None
        low = self.since if self.joined else (self._times[0] if self._times else None)
        high = self.until if self.met else (self._times[-1] if self._times else None)
        if low is None or high is None:
            return ()
        parts = [(low, high)]
        if self.restarted is not None:
            there = [time for time in self._times if time < self.restarted]
            gone = there[-1] if there else known
            parts = [(self.restarted, high)]
            if gone is not None:
                parts.append((low, min(gone, high)))
        return tuple(
            Claim(start, end, sum(start <= time <= end for time in self._came()))
            for start, end in sorted(
                (max(start, self.since), min(end, self.until)) for start, end in parts
            )
            if start < end or (start == end and self.since == self.until)
        )

    def _came(self) -> list[Nanoseconds]:
        """Return the times of what came late; the reading behind the stretch is one of it."""
        if self.is_constant or self.after is None or self.after.source_time is None:
            return []
        return [*self._times, self.after.source_time]

    def _precedes(self, reading: Reading, time: Nanoseconds) -> bool:
        """Tell whether a value had come before the stretch; the last that did joins the two."""
        before = self.before
        if before is None or before.source_time is None:
            return False
        if not self._passed and _is_same(reading, before):
            self._passed = self.joined = True
            return True
        return time < before.source_time or (time == before.source_time and not self._passed)


_ROUNDING: Final = 1_000_000
"""Nanoseconds: the history of many servers keeps whole milliseconds."""

_Key: TypeAlias = tuple[Value | None, bytes]


def is_believed(reading: Reading) -> bool:
    """Tell whether the reading's source time can bound a stretch."""
    return reading.source_time is not None and reading.code != Doubt.IMPOSSIBLE_TIME


def _key(reading: Reading) -> _Key:
    return reading.value, reading.raw


def _is_same(one: Reading, other: Reading | None) -> bool:
    """Tell whether two readings of a signal are one: the same time and value."""
    if other is None or one.source_time is None or other.source_time is None:
        return False
    near = abs(one.source_time - other.source_time) < _ROUNDING
    return near and _key(one) == _key(other)
