"""What an RFID reader sees."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One tag seen at one antenna."""

    epc: bytes  # left-aligned
    epc_bits: int
    antenna: int
    rssi: int  # whole dBm
    first_us: int  # reader's clock
    last_us: int
    count: int = 1


class ReaderClock(Enum):
    """How the reader tells the time: UTCTimestamp or Uptime."""

    UTC = 0
    UPTIME = 1  # microseconds since it was switched on
