"""Poll Modbus equipment on a fixed grid; every signal answers for itself, every silence is told.

The equipment gives no times: ``gateway_time`` is when an answer arrived, ``source_time`` is None.
"""

from __future__ import annotations

import asyncio

from protocols.field.driver import (
    Delivery,
    DriverError,
    FieldClock,
)
from protocols.field.modbus.layout import layout
from protocols.field.modbus.line import Line
from protocols.field.modbus.poll import Poller
from protocols.field.modbus.schedule import Schedule, Turn
from protocols.field.modbus.settings import ModbusSettings
from protocols.wire.reading import Gap, GapReason, Nanoseconds, Reading

__all__ = ["ModbusDriver"]


class ModbusDriver:
    """One Modbus line with all its units."""

    def __init__(self, source: str, settings: ModbusSettings, clock: FieldClock) -> None:
        self._source = source
        self._settings = settings
        self._clock = clock
        self._line = Line(settings)
        self._slots = layout(settings)
        self._down_since: Nanoseconds | None = None  # start of an interruption not yet declared
        self._failure: DriverError | None = None  # to raise with the next read
        self._gaps: list[Gap] = []  # to deliver with the next poll
        self._start_over()

    async def open(self) -> None:
        """Connect; raise DriverError, or SettingsError for unusable TLS files."""
        try:
            await self._line.open()
        except DriverError:
            self._interrupted()
            raise
        self._start_over()

    async def read(self) -> Delivery:
        """Wait for the next poll and return all of it; raise DriverError when the line is lost."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        await self._until_due()
        turn = self._schedule.take(self._clock.monotonic())
        self._note_overrun(turn)
        readings: list[Reading] = []
        try:
            await self._poller.poll(turn.periods, readings)
        except DriverError as error:
            self._is_back()
            self._interrupted()
            if not readings:
                raise
            self._failure = error  # first what came before the line broke
        else:
            self._is_back()
        gaps, self._gaps = tuple(self._gaps), []
        return Delivery(readings=tuple(readings), gaps=gaps)

    async def close(self) -> None:
        """Let go of the connection; never raises."""
        self._line.close()

    async def _until_due(self) -> None:
        wait = self._schedule.wait(self._clock.monotonic())
        while wait > 0:
            await asyncio.sleep(wait)
            wait = self._schedule.wait(self._clock.monotonic())

    def _start_over(self) -> None:
        """Begin the grid now and forget what was learned: the equipment may be another."""
        self._schedule = Schedule(self._slots, origin=self._clock.monotonic())
        self._polled_at = dict.fromkeys(self._slots, self._clock.gateway_time())
        self._poller = Poller(self._settings, self._line, self._clock)
        self._failure = None

    def _is_back(self) -> None:
        """Declare the interruption that the first answer ended."""
        answered = self._poller.first_answer
        if self._down_since is not None and answered:
            self._gaps.append(
                Gap(
                    subject=self._source,
                    start=self._down_since,
                    end=max(self._down_since, answered),
                    reason=GapReason.SOURCE_DOWN,
                )
            )
            self._down_since = None

    def _interrupted(self) -> None:
        if self._down_since is None:
            self._down_since = self._poller.last_answer or self._clock.gateway_time()

    def _note_overrun(self, turn: Turn) -> None:
        """Declare the whole polls that the line was too slow for."""
        now = self._clock.gateway_time()
        if turn.missed:
            self._gaps.append(
                Gap(
                    subject=self._source,
                    start=min(now, *(self._polled_at[period] for period in turn.missed)),
                    end=now,
                    reason=GapReason.OVERRUN,
                    count=sum(
                        polls * len(self._slots[period]) for period, polls in turn.missed.items()
                    ),
                )
            )
        self._polled_at.update(dict.fromkeys(turn.periods, now))
