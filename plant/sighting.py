"""What an RFID reader sees, and how it says it in LLRP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from llrpkit.protocol import BitStr, LLRPMessage, messages, params


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


def report_of(sightings: Sequence[Sighting], clock: ReaderClock) -> LLRPMessage:
    """Return the RO_ACCESS_REPORT of what was seen."""
    return messages.RO_ACCESS_REPORT(tag_report_datas=[_tag(s, clock) for s in sightings])


def _tag(seen: Sighting, clock: ReaderClock) -> params.TagReportData:
    first: dict[str, object] = {
        "first_seen_timestamp_utc": params.FirstSeenTimestampUTC(microseconds=seen.first_us),
        "last_seen_timestamp_utc": params.LastSeenTimestampUTC(microseconds=seen.last_us),
    }
    if clock is ReaderClock.UPTIME:
        first = {
            "first_seen_timestamp_uptime": params.FirstSeenTimestampUptime(
                microseconds=seen.first_us
            ),
            "last_seen_timestamp_uptime": params.LastSeenTimestampUptime(microseconds=seen.last_us),
        }
    return params.TagReportData(
        epc_parameter=params.EPC_96(epc=seen.epc)
        if seen.epc_bits == 96
        else params.EPCData(epc=BitStr(seen.epc_bits, seen.epc)),
        antenna_id=params.AntennaID(antenna_id=seen.antenna),
        peak_rssi=params.PeakRSSI(peak_rssi=seen.rssi),
        tag_seen_count=params.TagSeenCount(tag_count=seen.count),
        **first,  # type: ignore[arg-type]
    )
