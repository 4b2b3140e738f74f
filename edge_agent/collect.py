"""Reads every source, each in a task of its own, and hands what comes to the sealer.

A source that fails is opened again, with growing waits; one whose settings cannot work is left
alone; neither touches the others. While a source is down, every bundle declares what it misses.
Drivers declare themselves what a cut cost them, once they are open again; where one did not,
the outage is declared here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from edge_agent import metrics
from edge_agent.clock import GatewayClock
from edge_agent.sealing.inbox import Entry, Inbox
from edge_agent.settings import CollectSettings
from edge_agent.sources import Source
from protocols.field.driver import Delivery, Driver, FieldError, SettingsError
from protocols.wire.life import SourceHealth, SourceState
from protocols.wire.reading import SECOND, Gap, GapReason, Nanoseconds

_log = structlog.get_logger("collect")
_SETTLE_S: Final = 5.0  # how long a driver has to declare what the outage cost


class Collector:
    """All sources of the gateway."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        inbox: Inbox,
        clock: GatewayClock,
        settings: CollectSettings,
    ) -> None:
        self._lines = [
            SourceLine(source, inbox=inbox, clock=clock, settings=settings) for source in sources
        ]

    async def run(self) -> None:
        """Read until cancelled, or until no source is left; the drivers are closed then."""
        async with asyncio.TaskGroup() as lines:
            for line in self._lines:
                lines.create_task(line.run(), name=line.name)

    def health(self) -> list[SourceHealth]:
        """Return how each source is."""
        return [line.health() for line in self._lines]

    def down(self) -> list[Gap]:
        """Return what is missing up to now and was not declared yet; called at each cut."""
        return [gap for line in self._lines for gap in line.down()]


class SourceLine:
    """One source: its driver, how it is, and what it owes in declarations."""

    def __init__(
        self, source: Source, *, inbox: Inbox, clock: GatewayClock, settings: CollectSettings
    ) -> None:
        now = clock.gateway_time()
        self.name = source.name
        self._source = source
        self._inbox = inbox
        self._clock = clock
        self._settings = settings
        self._state = SourceState.CONNECTING
        self._since = now
        self._error = ""
        self._last_reading: Nanoseconds = 0
        self._readings = 0
        self._outage: Nanoseconds = now  # when the present or last outage began
        self._undeclared: Nanoseconds | None = now  # missing from here on, not declared yet
        self._opened: Nanoseconds = 0
        self._overrun = False
        self._driver: Driver | None = None
        self._acks: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()

    async def run(self) -> None:
        """Read until cancelled, or until the settings turn out not to work."""
        acks = asyncio.create_task(self._acknowledge())
        failures = 0
        try:
            while True:
                before = self._readings
                try:
                    await self._read()
                except SettingsError:
                    raise
                except (FieldError, TimeoutError) as error:
                    self._fell(error)
                except Exception as error:  # noqa: BLE001 # a driver's fault is its source's alone
                    self._fell(error)
                    _log.exception("driver failed in a way it should not", source=self.name)
                await self._close()
                failures = 0 if self._readings > before else min(failures + 1, 16)
                ceiling = min(
                    self._settings.backoff_max_s, self._settings.backoff_min_s * 2.0**failures
                )
                # Jitter spreads sources that share the equipment that failed.
                await asyncio.sleep(ceiling * random.uniform(0.5, 1.0))  # noqa: S311 # no secret
        except SettingsError as error:
            self._turn(SourceState.REFUSED, str(error))
            _log.error("source refused", source=self.name, error=str(error), hint=error.hint)
        finally:
            acks.cancel()
            await self._close()

    def health(self) -> SourceHealth:
        """Return how the source is."""
        return SourceHealth(
            name=self.name,
            driver=self._source.spec.name,
            state=self._state,
            since=self._since,
            last_reading=self._last_reading,
            readings=self._readings,
            error=self._error,
        )

    def down(self) -> list[Gap]:
        """Return what is missing up to now and was not declared yet."""
        now, start = self._clock.gateway_time(), self._undeclared
        if start is None:
            return []
        if self._state is SourceState.RUNNING:
            if now - self._opened < _SETTLE_S * SECOND:
                return []  # the driver may yet say it better
            self._undeclared, end = None, self._opened
        else:
            grace = self._settings.replay_grace_s if self._source.spec.replays else 0
            if now - self._outage < grace * SECOND:
                return []
            self._undeclared = end = now
        return [self._gap(start, end)]

    async def _read(self) -> None:
        """Open the driver and hand on what it reads, until it fails."""
        if self._driver is None:
            connect = self._source.spec.connect
            self._driver = connect(self.name, self._source.settings, self._clock)
        async with asyncio.timeout(self._settings.open_timeout_s):
            await self._driver.open()
        if self._state is not SourceState.CONNECTING or self._error:
            _log.info("source is back", source=self.name)
        self._opened = self._clock.gateway_time()
        self._turn(SourceState.RUNNING, "")
        while True:
            await self._deliver(await self._driver.read())

    async def _close(self) -> None:
        """Close the driver; one that cannot be closed is not used again."""
        driver = self._driver
        if driver is None:
            return
        try:
            async with asyncio.timeout(self._settings.ack_timeout_s):
                await driver.close()
        except Exception as error:  # noqa: BLE001 # a driver's fault is its source's alone
            self._driver = None
            _log.warning("driver not closed", source=self.name, error=repr(error))

    async def _deliver(self, delivery: Delivery) -> None:
        readings = delivery.readings
        if not (readings or delivery.gaps or delivery.ack):
            return
        if readings and self._source.spec.replays:
            await self._inbox.room(len(readings))
        delivery = self._declared(delivery)

        def committed(ack: Callable[[], Awaitable[None]] | None = delivery.ack) -> None:
            if ack is not None:
                self._acks.put_nowait(ack)

        taken = self._inbox.offer(Entry(source=self.name, delivery=delivery, committed=committed))
        if taken is self._overrun:
            self._overrun = not taken
            log = _log.info if taken else _log.error
            log(
                "readings taken again" if taken else "readings refused: the line is too slow",
                source=self.name,
            )
        if readings:
            self._readings += len(readings)
            self._last_reading = readings[-1].gateway_time
            metrics.source_readings.labels(self.name).inc(len(readings))

    def _declared(self, delivery: Delivery) -> Delivery:
        """Add the outage that just ended, unless the driver declared it or got all of it back."""
        start, self._undeclared = self._undeclared, None
        if start is None:
            return delivery
        said = any(gap.end >= start and gap.start <= self._opened for gap in delivery.gaps)
        got_back = self._source.spec.replays and start == self._outage and self._readings > 0
        if said or got_back:
            return delivery
        return Delivery(
            readings=delivery.readings,
            gaps=(*delivery.gaps, self._gap(start, self._opened)),
            urgent=delivery.urgent,
            ack=delivery.ack,
        )

    def _fell(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if self._state is not SourceState.DOWN:
            _log.warning(
                "source is down",
                source=self.name,
                error=text,
                hint=getattr(error, "hint", ""),
            )
        if self._state is SourceState.RUNNING:
            self._outage = self._clock.gateway_time()
            if self._undeclared is None:
                self._undeclared = self._outage
        self._turn(SourceState.DOWN, text)

    def _turn(self, state: SourceState, error: str) -> None:
        if state is not self._state:
            self._since = self._clock.gateway_time()
        self._state, self._error = state, error
        metrics.source_state.labels(self.name).set(int(state))

    def _gap(self, start: Nanoseconds, end: Nanoseconds) -> Gap:
        return Gap(
            subject=self.name,
            start=min(start, end),
            end=max(start, end),
            reason=GapReason.SOURCE_DOWN,
        )

    async def _acknowledge(self) -> None:
        """Acknowledge to the equipment what stands on disk, in the order in which it came."""
        while True:
            ack = await self._acks.get()
            try:
                async with asyncio.timeout(self._settings.ack_timeout_s):
                    await ack()
            except (FieldError, TimeoutError) as error:
                # The equipment will send it again; read() finds out if the line is lost.
                _log.debug("not acknowledged", source=self.name, error=str(error))
            except Exception:  # noqa: BLE001 # a driver's fault is its source's alone
                _log.exception("driver failed in a way it should not", source=self.name)
