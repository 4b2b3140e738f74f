"""Poll Modbus equipment on a fixed grid; every signal answers for itself, every silence is told.

The equipment gives no times: ``gateway_time`` is when an answer arrived, ``source_time`` is None.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from protocols.field.driver import (
    Delivery,
    DriverError,
    DriverSettings,
    FieldClock,
    SettingsError,
)
from protocols.field.modbus.codec import Decoder, compile_block, views
from protocols.field.modbus.line import Answer, Line, Outcome
from protocols.field.modbus.planner import Block, Limits, Slot, alone, halves, plan
from protocols.field.modbus.refusals import Refusals
from protocols.field.modbus.schedule import Schedule, Turn
from protocols.field.modbus.settings import ModbusSettings
from protocols.wire.reading import (
    Doubt,
    Gap,
    GapReason,
    Nanoseconds,
    Reading,
    SignalName,
    Status,
    judge,
)

__all__ = ["ModbusDriver", "connect"]

_Request = tuple[Block, tuple[Decoder, ...]]


def connect(source: str, settings: DriverSettings, clock: FieldClock) -> ModbusDriver:
    """Return a driver for the source; nothing is opened yet."""
    if not isinstance(settings, ModbusSettings):
        raise SettingsError("these are not the settings of a Modbus source", hint="use its SPEC")
    return ModbusDriver(source, settings, clock)


class ModbusDriver:
    """One Modbus line with all its units."""

    def __init__(self, source: str, settings: ModbusSettings, clock: FieldClock) -> None:
        self._source = source
        self._settings = settings
        self._clock = clock
        self._line = Line(settings)
        self._slots = _slots(settings)
        self._limits = Limits(
            registers_max=settings.registers_max,
            bits_max=settings.bits_max,
            gap_max=settings.gap_max,
        )
        self._names = tuple(SignalName(signal.name) for signal in settings.signals)
        self._kinds = tuple(signal.kind for signal in settings.signals)
        self._units = frozenset(map(settings.unit_of, settings.signals))
        self._answered_at: Nanoseconds = 0  # when the source last said anything; 0: never
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
            await self._poll(turn.periods, readings)
        except DriverError as error:
            self._interrupted()
            if not readings:
                raise
            self._failure = error  # first what came before the line broke
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
        self._refusals = Refusals(retry_s=self._settings.retry_s)
        self._plans: dict[tuple[float, ...], tuple[_Request, ...]] = {}
        self._plans_version = self._refusals.version
        self._silences: Counter[int] = Counter()  # unit -> unanswered requests in a row
        self._silent_until: dict[int, float] = {}  # unit -> when it is tried again
        self._failure = None

    async def _poll(self, periods: tuple[float, ...], readings: list[Reading]) -> None:
        """Ask for what is due; a refused signal stays BAD until a trial of it succeeds."""
        due = [slot for period in periods for slot in self._slots[period]]
        refused = self._refusals.among(due)
        for request in self._planned(periods, due):
            await self._take(request, readings)
        trial = self._refusals.to_try(due, self._clock.monotonic()) if refused else None
        for slot, known in refused:
            if slot is not trial:
                readings.append(self._bad(slot, known.code))
            elif await self._take(self._compiled(alone(slot)), readings):
                self._refusals.forgive(slot)

    def _planned(self, periods: tuple[float, ...], due: list[Slot]) -> tuple[_Request, ...]:
        """Return the requests for what is due; made once, and again when something was learned."""
        if self._plans_version != self._refusals.version:
            self._plans_version = self._refusals.version
            self._plans.clear()
        requests = self._plans.get(periods)
        if requests is None:
            refused = {slot.index for slot, _ in self._refusals.among(due)}
            given = [slot for slot in due if slot.index not in refused]
            found = plan(given, self._limits, cuts=self._refusals.cuts, walls=self._refusals.walls)
            requests = self._plans[periods] = tuple(map(self._compiled, found.blocks))
        return requests

    def _compiled(self, block: Block) -> _Request:
        return block, compile_block(block, self._settings.signals)

    async def _take(self, request: _Request, readings: list[Reading]) -> bool:
        """Ask for a block, in halves of halves where it is refused; True if all was given."""
        block, decoders = request
        answer = await self._ask(block)
        if answer.outcome is Outcome.VALUES:
            self._decode(block, decoders, answer.payload, readings)
            return True
        code = _code(answer)
        parts = halves(block)
        if _worth_narrowing(answer) and parts is not None:
            lower, upper = [await self._take(self._compiled(part), readings) for part in parts]
            if lower and upper:
                self._refusals.cut(parts[1].slots[0])
            return False
        if _worth_narrowing(answer):
            self._refusals.refuse(block.slots, code, self._clock.monotonic())
        readings.extend(self._bad(slot, code, answer.payload) for slot in block.slots)
        return False

    async def _ask(self, block: Block) -> Answer:
        """Ask until there is an answer worth having, within the settings' retries."""
        settings = self._settings
        if self._clock.monotonic() < self._silent_until.get(block.unit, 0.0):
            return Answer(outcome=Outcome.SILENT)
        silent = busy = wrong = 0
        while True:
            answer = await self._line.ask(block)
            if answer.outcome is Outcome.SILENT:
                silent += 1
                if silent > settings.retries:
                    self._heard_nothing(block.unit)
                    return answer
                continue
            self._heard(block.unit)
            if answer.code in _BUSY and busy < settings.busy_retries:
                busy += 1
                await asyncio.sleep(settings.busy_wait_s)
            elif answer.outcome is Outcome.WRONG and wrong < 1:
                wrong += 1  # perhaps the answer to an earlier question
            else:
                return answer

    def _decode(
        self,
        block: Block,
        decoders: tuple[Decoder, ...],
        payload: bytes,
        readings: list[Reading],
    ) -> None:
        now = self._answered_at
        both = (payload, payload) if block.table.of_bits else views(payload)
        names, kinds = self._names, self._kinds
        for index, unpack, offset, size, view, finish in decoders:
            (value,) = unpack(both[view], offset)
            if finish is not None:
                value = finish(value)
            name, kind = names[index], kinds[index]
            reading = judge(signal=name, kind=kind, value=value, gateway_time=now)
            if reading.status is not Status.GOOD:
                raw = payload[offset : offset + size]  # the registers themselves are the evidence
                reading = judge(signal=name, kind=kind, value=value, gateway_time=now, raw=raw)
            readings.append(reading)

    def _bad(self, slot: Slot, code: int, raw: bytes = b"") -> Reading:
        return judge(
            signal=self._names[slot.index],
            kind=self._kinds[slot.index],
            value=None,
            gateway_time=self._clock.gateway_time(),
            status=Status.BAD,
            code=code,
            raw=raw,
        )

    def _heard(self, unit: int) -> None:
        """Take in that a unit answered; the first answer after an interruption declares its gap."""
        self._answered_at = self._clock.gateway_time()
        self._silences[unit] = 0
        self._silent_until.pop(unit, None)
        if self._down_since is not None:
            self._gaps.append(
                Gap(
                    subject=self._source,
                    start=self._down_since,
                    end=max(self._down_since, self._answered_at),
                    reason=GapReason.SOURCE_DOWN,
                )
            )
            self._down_since = None

    def _heard_nothing(self, unit: int) -> None:
        """Take in that a unit did not answer; raise DriverError when no unit does any more."""
        silent_max = self._settings.silent_max
        self._silences[unit] += 1
        if self._silences[unit] >= silent_max:
            self._silent_until[unit] = self._clock.monotonic() + self._settings.retry_s
            if all(self._silences[other] >= silent_max for other in self._units):
                raise DriverError(
                    f"{self._line}: nothing answers any more",
                    hint="check the equipment's power, its unit_id and the line's settings",
                )

    def _interrupted(self) -> None:
        if self._down_since is None:
            self._down_since = self._answered_at or self._clock.gateway_time()

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


_BUSY: Final = (5, 6)  # acknowledge (still working on it), server device busy
_NARROWS: Final = (2, 3, 4)  # illegal address, illegal value, device failure


def _worth_narrowing(answer: Answer) -> bool:
    """Whether smaller requests may bring more: not where the unit or the function is refused."""
    return answer.outcome is Outcome.WRONG or answer.code in _NARROWS


def _code(answer: Answer) -> int:
    if answer.outcome is Outcome.REFUSED:
        return answer.code
    return Doubt.NO_ANSWER if answer.outcome is Outcome.SILENT else Doubt.NO_VALUE


def _slots(settings: ModbusSettings) -> dict[float, tuple[Slot, ...]]:
    """Return where the signals lie, by the seconds between their polls."""
    found: dict[float, list[Slot]] = {}
    for index, signal in enumerate(settings.signals):
        found.setdefault(settings.period_of(signal), []).append(
            Slot(
                index=index,
                unit=settings.unit_of(signal),
                table=signal.table,
                address=signal.address,
                count=signal.count,
                name=signal.name,
            )
        )
    return {period: tuple(found[period]) for period in sorted(found)}
