"""What a reader reports, as readings: which signal, which times, which status."""

from __future__ import annotations

from typing import Final

from protocols.field.driver import FieldClock
from protocols.field.llrp.codec import ReaderEvent, Spoilt, TagReport
from protocols.field.llrp.settings import LlrpSettings, Reads
from protocols.wire.limits import VALUE_BYTES_MAX
from protocols.wire.reading import (
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
        self._uptime_offset: Nanoseconds | None = None

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
