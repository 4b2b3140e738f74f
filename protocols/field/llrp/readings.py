"""What a reader reports, as readings: which signal, which times, which status."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from protocols.field.driver import FieldClock
from protocols.field.llrp.codec import ReaderEvent, Spoilt, TagReport
from protocols.field.llrp.presence import Moved, Movement
from protocols.field.llrp.settings import LlrpSettings, Reads
from protocols.identifiers.epc import decode
from protocols.identifiers.errors import EpcError
from protocols.wire.limits import VALUE_BYTES_MAX
from protocols.wire.reading import (
    SECOND,
    Doubt,
    Kind,
    Nanoseconds,
    Reading,
    SignalName,
    Status,
    TagRead,
    judge,
)

_TIME_MAX: Final = 2**63 - 1
"""Nanoseconds that the wire holds."""


class Readings:
    """Makes readings of one reader's reports and events.

    A tag read's source time is its last seen: the reading stands for all that was seen until
    then. Antennas that no signal takes go to ``<source>/tag-reads``, events without a signal to
    ``<source>/events``.
    """

    def __init__(self, source: str, settings: LlrpSettings, clock: FieldClock) -> None:
        self._clock = clock
        self._signals = {
            signal.antenna: SignalName(signal.name)
            for signal in settings.signals
            if signal.reads is Reads.TAGS
        }
        self._other = self._signals.get(0, SignalName(f"{source}/tag-reads"))
        events = (s.name for s in settings.signals if s.reads is Reads.EVENTS)
        self._events = SignalName(next(events, f"{source}/events"))
        self._presence = {
            signal.antenna: SignalName(signal.name)
            for signal in settings.signals
            if signal.reads is Reads.PRESENCE
        }
        self._uptime_offset: Nanoseconds | None = None
        self._ahead: Nanoseconds = 0  # of the reader's clock, as it was last told

    def greet(self, event: ReaderEvent) -> None:
        """Take the reader's first words as the measure of its uptime clock, if it has no other."""
        if event.uptime_us is not None:
            self._uptime_offset = self._clock.gateway_time() - event.uptime_us * 1000

    def of_tag(self, report: TagReport) -> Reading:
        """Return the reading of a tag report, BAD with its bytes where a time cannot be held.

        What was asked for and did not come (RSSI, first seen) makes it UNCERTAIN.
        """
        now = self._clock.gateway_time()
        first = self._time(report.first_utc_us, report.first_uptime_us)
        last = self._time(report.last_utc_us, report.last_uptime_us)
        first, last = (last if first is None else first), (first if last is None else last)
        signal = self._signals.get(report.antenna or 0, self._other)
        if any(time is not None and not 0 <= time <= _TIME_MAX for time in (first, last)):
            return self._bad(signal, Kind.TAG_READ, report.raw, Doubt.IMPOSSIBLE_TIME)
        lacking = first is None or report.rssi is None
        return judge(
            signal=signal,
            kind=Kind.TAG_READ,
            value=TagRead(
                epc=report.epc,
                epc_bits=report.epc_bits,
                antenna=report.antenna or 0,
                rssi=report.rssi or 0,
                first_seen=now if first is None else first,
                last_seen=now if last is None else last,
                count=1 if report.count is None else report.count,
            ),
            gateway_time=now,
            source_time=last,
            status=Status.UNCERTAIN if lacking else Status.GOOD,
            code=Doubt.NO_VALUE if lacking else 0,
            raw=report.raw if lacking else b"",
            skew_max=self._clock.skew_max(),
        )

    @property
    def presence_wanted(self) -> bool:
        """Whether a signal reads presence."""
        return bool(self._presence)

    def of_moved(self, moved: Moved) -> Iterator[Reading]:
        """Yield a carrier's movement as text, where a signal takes it: a word, who, and figures."""
        signal = self._presence.get(moved.antenna, self._presence.get(0))
        if signal is None:
            return
        text = f"{moved.movement} {_name_of(moved)} antenna={moved.antenna} reads={moved.reads}"
        text += f" dbm={moved.rssi / 100:g}"
        if moved.movement is Movement.LEAVE:
            text += f" stayed_ms={moved.stayed // 1_000_000}"
        yield judge(
            signal=signal,
            kind=Kind.TEXT,
            value=text,
            gateway_time=self._clock.gateway_time(),
            source_time=moved.time,
            skew_max=self._clock.skew_max(),
        )

    def of_clock(self, event: ReaderEvent) -> Iterator[Reading]:
        """Yield how far the reader's clock is from the gateway's, where that changed."""
        if event.utc_us is None:
            return
        ahead = event.utc_us * 1000 - self._clock.gateway_time()
        if abs(ahead - self._ahead) >= _CLOCK_TOLD:
            self._ahead = ahead
            yield self.of_event(f"reader-clock ahead_ms={ahead // 1_000_000}")

    def of_spoilt(self, spoilt: Spoilt) -> Reading:
        """Return a BAD reading that keeps a tag report that cannot be read."""
        return self._bad(self._other, Kind.TAG_READ, spoilt.raw, Doubt.WRONG_TYPE)

    def of_event(self, text: str, event: ReaderEvent | None = None) -> Reading:
        """Return what the reader said of itself, or what we saw of it, as text."""
        time = None if event is None else self._time(event.utc_us, event.uptime_us)
        if time is not None and not 0 <= time <= _TIME_MAX:
            return self._bad(self._events, Kind.TEXT, text.encode(), Doubt.IMPOSSIBLE_TIME)
        return judge(
            signal=self._events,
            kind=Kind.TEXT,
            value=text.encode()[:VALUE_BYTES_MAX].decode(errors="ignore"),
            gateway_time=self._clock.gateway_time(),
            source_time=time,
            skew_max=self._clock.skew_max(),
        )

    def of_unreadable(self, raw: bytes) -> Reading:
        """Return a BAD event reading that keeps a message that cannot be read."""
        return self._bad(self._events, Kind.TEXT, raw, Doubt.WRONG_TYPE)

    def _time(self, utc_us: int | None, uptime_us: int | None) -> Nanoseconds | None:
        if utc_us is not None:
            return utc_us * 1000
        if uptime_us is None or self._uptime_offset is None:
            return None
        return uptime_us * 1000 + self._uptime_offset

    def _bad(self, signal: SignalName, kind: Kind, raw: bytes, doubt: Doubt) -> Reading:
        return judge(
            signal=signal,
            kind=kind,
            value=None,
            gateway_time=self._clock.gateway_time(),
            status=Status.BAD,
            code=doubt,
            raw=raw[:VALUE_BYTES_MAX],
        )


def _name_of(moved: Moved) -> str:
    """Return the EPC's URI; one that no scheme reads as its octets and length."""
    try:
        return decode(moved.epc, moved.epc_bits).uri
    except EpcError:
        return f"epc:{moved.epc.hex()}/{moved.epc_bits}"


_CLOCK_TOLD: Final = SECOND // 10
"""Change of the reader's clock, in nanoseconds, that is worth an event: the network's share."""
