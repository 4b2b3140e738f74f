"""The gateway's clocks: boot id, a clock that never steps, and how far wall time may be trusted.

Gateway time is wall time taken once (the anchor) plus the monotonic time since. The anchor is
taken again when a bundle is cut, so gateway time within a bundle never steps, whatever happens to
the wall clock meanwhile. Order is never a matter of time: bundles and readings are numbered.

This is the only file of the agent that reads a clock.
"""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from protocols.wire.header import Clock, ClockState
from protocols.wire.reading import SECOND, Nanoseconds

BUILT: Final[Nanoseconds] = 1_795_305_600 * SECOND
"""2026-11-22T00:00:00Z: no clock of this version can rightly show less; raised at each release."""

FLOOR_SLACK: Final[Nanoseconds] = 60 * SECOND
"""How far wall time may lie below the floor before it counts as unset: clocks differ a little."""

SKEW_MAX: Final[Nanoseconds] = 60 * SECOND
"""How far a source time may stray from a synchronised gateway before it is doubted."""


class Wall(NamedTuple):
    """Wall time and what the time service says of it."""

    time: Nanoseconds
    synchronised: bool
    uncertainty: Nanoseconds  # the service's own estimate; 0 where it gives none


class ClockSource(Protocol):
    """Where time comes from: the kernel, or a test."""

    def boot_id(self) -> bytes:
        """Return 16 bytes, new at each start of the gateway."""

    def monotonic(self) -> Nanoseconds:
        """Return the time since the gateway started, never stepping."""

    def wall(self) -> Wall:
        """Return wall time."""


class GatewayClock:
    """The agent's clock; also what a driver sees (``protocols.field.driver.FieldClock``)."""

    def __init__(self, source: ClockSource, *, floor: Nanoseconds = BUILT) -> None:
        """Start at ``floor``, below which wall time is not believed."""
        self._source = source
        self.floor = max(floor, BUILT)
        self.boot = source.boot_id()
        self._anchor_monotonic = source.monotonic()
        self._anchor_wall: Nanoseconds = 0
        self._wall = source.wall()
        self.anchor()

    def anchor(self) -> None:
        """Take wall time afresh; called where a bundle was cut."""
        before = self.gateway_time()
        self._wall = self._source.wall()
        self._anchor_monotonic = self._source.monotonic()
        # Without a believable wall clock time goes on from where it was, or from the floor.
        self._anchor_wall = self._wall.time if self._believable() else max(before, self.floor)

    def gateway_time(self) -> Nanoseconds:
        """Return wall time since 1970 as of the anchor, plus what passed since."""
        return self._anchor_wall + self._source.monotonic() - self._anchor_monotonic

    def monotonic(self) -> float:
        """Return seconds since the gateway started."""
        return self._source.monotonic() / SECOND

    def monotonic_ns(self) -> Nanoseconds:
        """Return nanoseconds since the gateway started."""
        return self._source.monotonic()

    def skew_max(self) -> Nanoseconds | None:
        """Return how far a source time may stray, or None while wall time is not synchronised."""
        return SKEW_MAX if self._wall.synchronised and self._believable() else None

    def state(self) -> Clock:
        """Return the state of the clock as of the anchor, as a bundle's header states it."""
        if not self._believable():
            state = ClockState.UNSET
        elif self._wall.synchronised:
            state = ClockState.SYNCHRONISED
        else:
            state = ClockState.FREE_RUNNING
        return Clock(state=state, uncertainty=self._wall.uncertainty, floor=self.floor)

    def raise_floor(self, to: Nanoseconds) -> None:
        """Learn that wall time is not before ``to``: a receipt's time, or a synchronised seal's.

        A synchronised clock knows better than an aggregator whose own runs ahead.
        """
        if self._believable() and self._wall.synchronised:
            to = min(to, self.gateway_time() + FLOOR_SLACK)
        self.floor = max(self.floor, to)

    def _believable(self) -> bool:
        return self._wall.time >= self.floor - FLOOR_SLACK


class KernelClock:
    """Linux: CLOCK_BOOTTIME, the boot id of procfs, and adjtimex(2)."""

    def __init__(self, *, synchronised: bool | None = None) -> None:
        """Ask the kernel whether time is synchronised, or take a settings' word for it."""
        self._synchronised = synchronised
        self._libc = ctypes.CDLL(None, use_errno=True) if synchronised is None else None

    def boot_id(self) -> bytes:
        """Return the kernel's boot id; without procfs, 16 random bytes (each start is a boot)."""
        try:
            text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
            return bytes.fromhex(text.strip().replace("-", ""))
        except OSError:
            return os.urandom(16)

    def monotonic(self) -> Nanoseconds:
        """Return CLOCK_BOOTTIME: unlike CLOCK_MONOTONIC it counts while suspended."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def wall(self) -> Wall:
        """Return CLOCK_REALTIME and what the kernel's time discipline says of it."""
        now = time.clock_gettime_ns(time.CLOCK_REALTIME)
        if self._libc is None:
            return Wall(now, bool(self._synchronised), 0)
        timex = _Timex()
        state = self._libc.adjtimex(ctypes.byref(timex))
        synchronised = state not in (-1, _TIME_ERROR) and not timex.status & _STA_UNSYNC
        return Wall(now, synchronised, max(0, timex.esterror) * 1000 if synchronised else 0)


class _Timex(ctypes.Structure):
    """The kernel's ``struct timex`` (adjtimex(2)): read only, so the tail is padding."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),  # microseconds
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised
_STA_UNSYNC: Final = 0x40
