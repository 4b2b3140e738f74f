"""Read a scanner: each scan becomes a reading of the signal that it fits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from protocols.field.barcode.framing import Framer, Scan, ScanCode
from protocols.field.barcode.line import Line
from protocols.field.barcode.settings import BarcodeSettings, BarcodeSignal, Form
from protocols.field.driver import (
    Delivery,
    DriverError,
    FieldClock,
)
from protocols.identifiers.errors import Gs1Error
from protocols.identifiers.gs1 import Carrier, parse
from protocols.wire.reading import (
    Gap,
    GapReason,
    Kind,
    Nanoseconds,
    Reading,
    SignalName,
    Status,
    judge,
)

__all__ = ["BarcodeDriver"]


class BarcodeDriver:
    """One scanner."""

    def __init__(self, source: str, settings: BarcodeSettings, clock: FieldClock) -> None:
        self._source = source
        self._settings = settings
        self._clock = clock
        self._line = Line(settings)
        self._framer = Framer(settings.suffix)
        self._signals = [(re.compile(each.match), each) for each in settings.signals]
        self._other = BarcodeSignal(name=f"{source}/scans")
        self._down_since: Nanoseconds | None = None  # start of an interruption that goes on
        self._gaps: tuple[Gap, ...] = ()  # to deliver with the next read

    async def open(self) -> None:
        """Open the line; raise DriverError."""
        try:
            await self._line.open()
        except DriverError:
            self._interrupted()
            raise
        since, self._down_since = self._down_since, None
        if since is not None:
            now = max(since, self._clock.gateway_time())
            self._gaps = (
                Gap(subject=self._source, start=since, end=now, reason=GapReason.SOURCE_DOWN),
            )

    async def read(self) -> Delivery:
        """Wait for a scan and return all that have ended; raise DriverError when it is lost."""
        if self._gaps:
            gaps, self._gaps = self._gaps, ()
            return Delivery(gaps=gaps)
        while True:
            try:
                async with asyncio.timeout(self._patience):
                    data = await self._line.read()
            except TimeoutError:
                scans = list(self._framer.pause())
            except DriverError:
                self._interrupted()
                if torn := list(self._framer.pause()):
                    return self._delivery(torn)  # the line is still lost at the next read
                raise
            else:
                if self._line.keys_lost():
                    self._framer.spoil(ScanCode.KEYS_LOST)
                scans = list(self._framer.feed(data))
            if scans:
                return self._delivery(scans)

    async def close(self) -> None:
        """Let go of the line; never raises."""
        self._line.close()

    @property
    def _patience(self) -> float | None:
        return self._settings.pause_s if self._framer.pending else None

    def _interrupted(self) -> None:
        if self._down_since is None:
            self._down_since = self._clock.gateway_time()

    def _delivery(self, scans: Iterable[Scan]) -> Delivery:
        return Delivery(readings=tuple(map(self._reading, scans)), urgent=True)

    def _reading(self, scan: Scan) -> Reading:
        """Return a scan as a reading; what is wrong with it lowers its status, and it is kept."""
        flaw = scan.flaw
        try:
            text = scan.data.decode()
        except UnicodeDecodeError:
            return self._bad(self._other, scan, ScanCode.NOT_TEXT)
        signal = next((each for match, each in self._signals if match.match(text)), self._other)
        if signal.form is Form.GS1:
            try:
                text = parse(text, carrier=Carrier.PART).bracketed()
            except Gs1Error:
                return self._bad(signal, scan, flaw or ScanCode.NOT_GS1)
        return judge(
            signal=SignalName(signal.name),
            kind=Kind.TEXT,
            value=text,
            gateway_time=self._clock.gateway_time(),
            status=Status.GOOD if flaw is None else Status.UNCERTAIN,
            code=flaw or 0,
        )

    def _bad(self, signal: BarcodeSignal, scan: Scan, code: ScanCode) -> Reading:
        return judge(
            signal=SignalName(signal.name),
            kind=Kind.TEXT,
            value=None,
            gateway_time=self._clock.gateway_time(),
            status=Status.BAD,
            code=code,
            raw=scan.data,
        )
