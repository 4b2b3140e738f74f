"""The simulated plant's clocks; the one file of the plant that asks the machine for the time."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the wall time in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Return seconds of a clock that never steps."""
    return time.monotonic()
