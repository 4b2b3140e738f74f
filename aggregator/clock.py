"""The aggregator's clock: the only place that asks the machine what time it is."""

from __future__ import annotations

import time
from typing import Protocol

from protocols.wire.reading import Nanoseconds


class Clock(Protocol):
    """Record time, and a time that never runs backward."""

    def now(self) -> Nanoseconds:
        """Return nanoseconds since 1970-01-01T00:00:00Z."""

    def monotonic(self) -> Nanoseconds:
        """Return nanoseconds since some fixed moment; for durations alone."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> Nanoseconds:
        """Return nanoseconds since 1970-01-01T00:00:00Z."""
        return time.time_ns()  # this is the clock that others take

    def monotonic(self) -> Nanoseconds:
        """Return nanoseconds since some fixed moment."""
        return time.monotonic_ns()  # this is the clock that others take
