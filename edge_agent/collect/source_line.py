"""One source: read, opened again when it fails, and what it owes in declarations.

Drivers declare themselves what a cut cost them, once they are open again; where one did not,
the outage is declared here.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import Enum, auto
from typing import Final

import structlog

from edge_agent import metrics
from edge_agent.clock import GatewayClock
from edge_agent.sealing.inbox import Entry, Inbox
from edge_agent.settings import CollectSettings
from edge_agent.sources import Source
from protocols.field.driver import (
    Certified,
    Delivery,
    Driver,
    FieldError,
    Memory,
    Recalls,
    SettingsError,
)
from protocols.wire.life import SourceHealth, SourceState
from protocols.wire.reading import SECOND, Gap, GapReason, Nanoseconds

_log = structlog.get_logger("collect")
LEAVE_S: Final = 1.0
"""How long a read that is under way may still take when its source ends."""
_DAY: Final = 86_400 * SECOND
_SETTLE_S: Final = 5.0  # how long a driver has to declare what the outage cost


class Start(Enum):
    """From when on a source owes its readings."""

    WITH_AGENT = auto()  # from the agent's start: until it is open they are missing
    ADDED = auto()  # from its first opening, or its first failure to open


class SourceLine:
    """One source: its driver, how it is, and what it owes in declarations."""

    def __init__(
        self,
        source: Source,
        *,
        inbox: Inbox,
        clock: GatewayClock,
        settings: CollectSettings,
        start: Start,
        before: SourceLine | None = None,
        memory: Memory | None = None,
    ) -> None:
        """``before`` is the line of the same source under the settings before.

        ``memory`` is what is known of it from before the agent was stopped.
        """
        now = clock.gateway_time()
        self.name = source.name
        self.source = source
        self.settings = settings
        self._memory = memory
        self._classes = source.classes()
        self._inbox = inbox
        self._clock = clock
        self._state = SourceState.CONNECTING
        self._since = now
        self._error = ""
        self._last_reading: Nanoseconds = 0 if before is None else before._last_reading
        self._readings: int = 0 if before is None else before._readings
        self._outage: Nanoseconds = now  # when the present or last outage began
        # Missing from here on, not declared yet.
        self._undeclared: Nanoseconds | None = now if start is Start.WITH_AGENT else None
        # What was declared of the present or last outage, from when to when.
        self._told: tuple[Nanoseconds, Nanoseconds] | None = None
        self._reason = GapReason.SOURCE_DOWN
        self._subjects: tuple[str, ...] = (source.name,)
        if before is not None and (stays := _staying(before.source, source)):
            self._reason, self._subjects = GapReason.SETTINGS_CHANGE, stays
            self._undeclared = self._outage = before._left
        self._opened: Nanoseconds = 0
        self._overrun = False
        self._driver: Driver | None = None
        self._acks: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._reading: asyncio.Task[None] | None = None
        self._leaving = False
        self._left: Nanoseconds = now
        self._released = asyncio.Event()

    async def run(self) -> None:
        """Read until cancelled or released, or until the settings turn out not to work."""
        acks = asyncio.create_task(self._acknowledge())
        self._reading = asyncio.create_task(self._read_on())
        try:
            await asyncio.wait({self._reading})
            if self._leaving:
                await self._released.wait()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.settings.ack_timeout_s):
                        await self._acks.join()
            elif not self._reading.cancelled():
                self._reading.result()
        finally:
            self._reading.cancel()
            acks.cancel()
            await asyncio.gather(self._reading, acks, return_exceptions=True)
            await self._close()

    async def leave(self) -> None:
        """Read no more: hand on what is under way, and say what is owed up to here.

        The line stays open until it is released, for what is still to be acknowledged.
        """
        self._left = self._clock.gateway_time()
        for gap in self._owed(self._left):
            self._inbox.declare(gap)
        self._undeclared = None
        self._leaving = True
        if self._reading is None:
            return
        if self._state is SourceState.RUNNING:
            await asyncio.wait({self._reading}, timeout=LEAVE_S)
        self._reading.cancel()
        await asyncio.wait({self._reading})

    def release(self) -> None:
        """Let the line acknowledge what it can, close and end."""
        self._released.set()

    async def _read_on(self) -> None:
        """Open and read, again and again, until left or refused."""
        failures = 0
        try:
            while not self._leaving:
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
                else:
                    return  # left, and still open
                await self._close()
                failures = 0 if self._readings > before else min(failures + 1, 16)
                ceiling = min(
                    self.settings.backoff_max_s, self.settings.backoff_min_s * 2.0**failures
                )
                # Jitter spreads sources that share the equipment that failed.
                await asyncio.sleep(ceiling * random.uniform(0.5, 1.0))  # noqa: S311 # no secret
        except SettingsError as error:
            self._owe_from_start()
            self._turn(SourceState.REFUSED, str(error))
            _log.error("source refused", source=self.name, error=str(error), hint=error.hint)

    def health(self) -> SourceHealth:
        """Return how the source is."""
        return SourceHealth(
            name=self.name,
            driver=self.source.spec.name,
            state=self._state,
            since=self._since,
            last_reading=self._last_reading,
            readings=self._readings,
            error=self._error,
        )

    def certificate_days(self) -> dict[str, float]:
        """Return for how many days the certificates of its line are valid, by whose they are."""
        driver, now = self._driver, self._clock.gateway_time()
        ends = driver.certificates_end() if isinstance(driver, Certified) else {}
        return {whose: round((end - now) / _DAY, 2) for whose, end in ends.items()}

    def down(self) -> list[Gap]:
        """Return what is missing up to now and was not declared yet."""
        now, start = self._clock.gateway_time(), self._undeclared
        if start is None:
            return []
        if self._state is SourceState.RUNNING:
            if now - self._opened < _SETTLE_S * SECOND:
                return []  # the driver may yet say it better
        else:
            grace = self.settings.replay_grace_s if self.source.spec.replays else 0
            if now - self._outage < grace * SECOND:
                return []
        return self._owed(now)

    def _owed(self, now: Nanoseconds) -> list[Gap]:
        """Return what is missing up to ``now`` and was not declared; it is declared with this."""
        start = self._undeclared
        if start is None:
            return []
        if self._state is SourceState.RUNNING:
            self._undeclared, end = None, self._opened
        else:
            self._undeclared = end = now
        return self._gaps(start, end)

    async def _read(self) -> None:
        """Open the driver and hand on what it reads, until it fails."""
        if self._driver is None:
            connect = self.source.spec.connect
            self._driver = connect(self.name, self.source.settings, self._clock)
            if self._memory is not None and isinstance(self._driver, Recalls):
                self._driver.recall(self._memory)
        async with asyncio.timeout(self.settings.open_timeout_s):
            await self._driver.open()
        self._memory = None
        if self._state is not SourceState.CONNECTING or self._error:
            _log.info("source is back", source=self.name)
        self._opened = self._clock.gateway_time()
        self._turn(SourceState.RUNNING, "")
        while not self._leaving:
            await self._deliver(await self._driver.read())

    async def _close(self) -> None:
        """Close the driver; one that cannot be closed is not used again."""
        driver = self._driver
        if driver is None:
            return
        try:
            async with asyncio.timeout(self.settings.ack_timeout_s):
                await driver.close()
        except Exception as error:  # noqa: BLE001 # a driver's fault is its source's alone
            self._driver = None
            _log.warning("driver not closed", source=self.name, error=repr(error))

    async def _deliver(self, delivery: Delivery) -> None:
        readings = delivery.readings
        if not (readings or delivery.gaps or delivery.ack or delivery.whole):
            return
        if readings and self.source.spec.replays:
            try:
                await self._inbox.room(self._entry(delivery))
            except asyncio.CancelledError:
                self._hand_on(delivery)  # what finds no room is declared
                raise
        self._hand_on(delivery)

    def _hand_on(self, delivery: Delivery) -> None:
        readings = delivery.readings
        taken = self._inbox.offer(self._entry(self._declared(delivery)))
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

    def _entry(self, delivery: Delivery) -> Entry:
        def committed(ack: Callable[[], Awaitable[None]] | None = delivery.ack) -> None:
            if ack is not None:
                self._acks.put_nowait(ack)

        return Entry(delivery=delivery, committed=committed, classes=self._classes)

    def _declared(self, delivery: Delivery) -> Delivery:
        """Add the outage that just ended, unless the driver declared it or got all of it back.

        What was declared of it while it lasted is taken back where the driver got all of it back.
        """
        start, self._undeclared = self._undeclared, None
        gaps = delivery.gaps
        if start is not None and not delivery.whole:
            said = any(gap.end >= start and gap.start <= self._opened for gap in gaps)
            got_back = self.source.spec.replays and start == self._outage and self._readings > 0
            if not said and not got_back:
                gaps = (*gaps, *self._gaps(start, self._opened))
        if delivery.whole and self._told is not None:
            since, until = self._told
            came = Gap(subject=self.name, start=since, end=until, reason=GapReason.BACKFILLED)
            gaps, self._told = (*gaps, came), None
        return replace(delivery, gaps=gaps)

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
            self._told = None
            if self._undeclared is None:
                self._undeclared = self._outage
        self._owe_from_start()
        self._turn(SourceState.DOWN, text)

    def _owe_from_start(self) -> None:
        """Begin to owe readings where the first opening failed; say what the change had cost."""
        if self._state is not SourceState.CONNECTING:
            return
        if self._reason is GapReason.SETTINGS_CHANGE:
            for gap in self._owed(self._clock.gateway_time()):
                self._inbox.declare(gap)
            self._reason, self._subjects = GapReason.SOURCE_DOWN, (self.name,)
        elif self._undeclared is None:
            self._undeclared = self._outage

    def _turn(self, state: SourceState, error: str) -> None:
        if state is not self._state:
            self._since = self._clock.gateway_time()
        self._state, self._error = state, error
        metrics.source_state.labels(self.name).set(int(state))

    def _gaps(self, start: Nanoseconds, end: Nanoseconds) -> list[Gap]:
        """Return the declaration of an outage; what a change had cost is declared only once."""
        gaps = [
            Gap(subject=each, start=min(start, end), end=max(start, end), reason=self._reason)
            for each in self._subjects
        ]
        if self._reason is GapReason.SOURCE_DOWN:
            since = self._told[0] if self._told is not None else gaps[0].start
            self._told = since, gaps[0].end
        if self._state is SourceState.RUNNING:
            self._reason, self._subjects = GapReason.SOURCE_DOWN, (self.name,)
        return gaps

    async def _acknowledge(self) -> None:
        """Acknowledge to the equipment what stands on disk, in the order in which it came."""
        while True:
            ack = await self._acks.get()
            try:
                async with asyncio.timeout(self.settings.ack_timeout_s):
                    await ack()
            except (FieldError, TimeoutError) as error:
                # The equipment will send it again; read() finds out if the line is lost.
                _log.debug("not acknowledged", source=self.name, error=str(error))
            except Exception:  # noqa: BLE001 # a driver's fault is its source's alone
                _log.exception("driver failed in a way it should not", source=self.name)
            finally:
                self._acks.task_done()


def _staying(before: Source, after: Source) -> tuple[str, ...]:
    """Return whose readings are missing while a source takes new settings.

    The source as a whole where all of its signals stay, or it finds them itself; else the signals
    that stay.
    """
    had = {str(getattr(signal, "name", "")) for signal in before.signals()}
    has = [str(getattr(signal, "name", "")) for signal in after.signals()]
    stays = tuple(name for name in has if name in had)
    return (after.name,) if len(stays) == len(has) and bool(has) is bool(had) else stays
