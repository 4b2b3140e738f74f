"""One poll of a Modbus line: what is due is asked for, and every answer is taken for what it is.

What was learned of the line (refusals, silences) lives as long as the connection does.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from protocols.field.driver import DriverError, FieldClock
from protocols.field.modbus.codec import Decoder, compile_block, views
from protocols.field.modbus.guard import Guards, guards_of
from protocols.field.modbus.layout import layout, limits_of
from protocols.field.modbus.line import Answer, Line, Outcome
from protocols.field.modbus.planner import Block, Slot, alone, halves, plan
from protocols.field.modbus.refusals import ACKNOWLEDGE, Refusals, Remedy, remedy
from protocols.field.modbus.rota import Rota
from protocols.field.modbus.settings import ModbusSettings
from protocols.wire.reading import Doubt, Nanoseconds, Reading, SignalName, Status, judge

__all__ = ["Poller"]


class Poller:
    """The polls of one connection."""

    def __init__(self, settings: ModbusSettings, line: Line, clock: FieldClock) -> None:
        self._settings = settings
        self._line = line
        self._clock = clock
        self._slots = layout(settings)
        self._limits = limits_of(settings)
        self._names = tuple(SignalName(signal.name) for signal in settings.signals)
        self._kinds = tuple(signal.kind for signal in settings.signals)
        self._units = frozenset(map(settings.unit_of, settings.signals))
        self.first_answer: Nanoseconds = 0  # gateway time; 0: none yet
        self.last_answer: Nanoseconds = 0
        self._refusals = Refusals(retry_s=settings.retry_s)
        self._plans: dict[tuple[float, ...], tuple[_Request, ...]] = {}
        self._plans_version = self._refusals.version
        self._rota: Rota[_Errand] = Rota()
        self._silences: Counter[int] = Counter()  # unit -> errands in a row that nobody answered
        self._away: dict[int, _Away] = {}
        self._narrowing = 0  # requests of this poll that look for the signals to blame

    async def poll(self, periods: tuple[float, ...], readings: list[Reading]) -> None:
        """Ask for what is due, and append a reading of each; DriverError where the line is lost.

        A refused signal stays BAD until a trial of it succeeds; there is one trial a poll.
        """
        due = [slot for period in periods for slot in self._slots[period]]
        refused = self._refusals.among(due)
        self._narrowing = 0
        self._rota.clear()
        # Units in trouble come last: they hold up nobody.
        for request in sorted(self._planned(periods, due), key=self._trouble):
            self._rota.put(request.block.unit, _Errand(request))
        trial = self._refusals.to_try(due, self._clock.monotonic()) if refused else None
        for slot, known in refused:
            if slot is trial:
                self._rota.put(slot.unit, _Errand(self._compiled(alone(slot)), trial=True))
            else:
                readings.append(self._bad(slot, known.code))
        while (wait := self._rota.wait(self._clock.monotonic())) is not None:
            if wait > 0:
                await asyncio.sleep(wait)
            errand = self._rota.take(self._clock.monotonic())
            if errand is not None:
                await self._run(errand, readings)

    def _trouble(self, request: _Request) -> int:
        return self._silences[request.block.unit]

    def _planned(self, periods: tuple[float, ...], due: list[Slot]) -> tuple[_Request, ...]:
        """Return the requests for what is due; made once, and again when something was learned."""
        if self._plans_version != self._refusals.version:
            self._plans_version = self._refusals.version
            self._plans.clear()
        requests = self._plans.get(periods)
        if requests is None:
            refused = {slot.index for slot, _ in self._refusals.among(due)}
            given = [slot for slot in due if slot.index not in refused]
            learned = self._refusals
            found = plan(
                given, self._limits, cuts=learned.cuts, walls=learned.walls, most=learned.most
            )
            requests = self._plans[periods] = tuple(map(self._compiled, found.blocks))
        return requests

    def _compiled(self, block: Block) -> _Request:
        signals = self._settings.signals
        return _Request(block, compile_block(block, signals), guards_of(block, signals))

    async def _run(self, errand: _Errand, readings: list[Reading]) -> None:
        """Ask once, and see to what the answer asks for: more requests, or readings."""
        block = errand.request.block
        away = self._away.get(block.unit)
        if away is not None and self._clock.monotonic() < away.until:
            readings.extend(self._bad(slot, away.code) for slot in block.slots)
            return
        answer, torn, answered = await self._ask(errand.request)
        match answer.outcome:
            case Outcome.VALUES:
                self._heard(block.unit)
                self._decode(errand.request, answer.payload, torn, answered, readings)
                self._given(errand)
                return
            case Outcome.SILENT:
                code, done = int(Doubt.NO_ANSWER), self._unanswered(errand)
            case Outcome.WRONG:
                code = int(Doubt.NO_VALUE)
                done = self._treated(errand, code, Remedy.REPEAT_THEN_NARROW)
            case Outcome.REFUSED:
                code, done = answer.code, self._treated(errand, answer.code, remedy(answer.code))
        if not done:
            readings.extend(self._bad(slot, code, answer.payload) for slot in block.slots)

    async def _ask(self, request: _Request) -> tuple[Answer, frozenset[int], Nanoseconds]:
        """Return the answer, the signals in it that stayed torn, and when it came."""
        guards = request.guards
        if guards is None:
            answer = await self._ask_rested(request.block)
            return answer, frozenset(), self.last_answer
        before = await self._counters(guards.counters)
        for _ in range(self._settings.guard_retries + 1):
            answer, answered = await self._ask_rested(request.block), self.last_answer
            if answer.outcome is not Outcome.VALUES:
                return answer, frozenset(), answered
            after = await self._counters(guards.counters)
            torn = guards.torn(answer.payload, before, after)
            if not torn or None in after.values():
                break  # whole, or nothing is left that could show it: not asked over and over
            before = after
        return answer, torn, answered

    async def _counters(self, blocks: Iterable[Block]) -> dict[int, int | None]:
        """Return what guards count now, by address; None where it is not given."""
        found: dict[int, int | None] = {}
        for block in blocks:
            answer = await self._ask_rested(block)
            given = answer.outcome is Outcome.VALUES
            found[block.address] = int.from_bytes(answer.payload) if given else None
        return found

    async def _ask_rested(self, block: Block) -> Answer:
        """Send one request, no sooner than the unit's pause is over."""
        if self._settings.pause_s:
            await asyncio.sleep(self._rota.rests(block.unit, self._clock.monotonic()))
        answer = await self._line.ask(block)
        if answer.outcome is not Outcome.SILENT:
            self.last_answer = self._clock.gateway_time()
            self.first_answer = self.first_answer or self.last_answer
        if self._settings.pause_s:
            self._rota.rest(block.unit, self._clock.monotonic() + self._settings.pause_s)
        return answer

    def _given(self, errand: _Errand) -> None:
        """Take in that all of an errand was given."""
        self._refusals.gave(errand.request.block)
        if errand.trial:
            self._refusals.forgive(errand.request.block.slots[0])
        if errand.split is not None:
            errand.split.given += 1
            if errand.split.given == 2:
                self._refusals.parted(errand.split.lower, errand.split.upper)

    def _unanswered(self, errand: _Errand) -> bool:
        """Ask again within ``retries``; True where the errand goes on."""
        unit = errand.request.block.unit
        errand.silent += 1
        known = self._silences[unit] >= self._settings.silent_max
        if errand.silent <= (0 if known else self._settings.retries):
            self._rota.put_back(unit, errand)
            return True
        self._is_away(unit, Doubt.NO_ANSWER)
        if all(self._is_mute(other) for other in self._units):
            raise DriverError(
                f"{self._line}: nothing answers any more",
                hint="check the equipment's power, its unit_id and the line's settings",
            )
        return False

    def _treated(self, errand: _Errand, code: int, what: Remedy) -> bool:
        """Do what helps against a refusal or a wrong answer; True where the errand goes on."""
        unit, now = errand.request.block.unit, self._clock.monotonic()
        if what is Remedy.ABSENT:
            self._is_away(unit, code)
            return False
        self._heard(unit)
        if what is Remedy.WAIT:
            errand.waits += 1
            if errand.waits <= self._settings.busy_retries:
                self._rota.rest(unit, now + self._settings.busy_wait_s)
                self._rota.put_back(unit, errand)
                return True
            if code == ACKNOWLEDGE:
                self._away[unit] = _Away(now + self._settings.working_wait_s, code)
            return False
        if what in (Remedy.REPEAT, Remedy.REPEAT_THEN_NARROW) and not errand.repeated:
            errand.repeated = True
            self._rota.put_back(unit, errand)
            return True
        if what is Remedy.LEAVE:
            self._refusals.refuse(errand.request.block.slots, code, now)
        return what in (Remedy.NARROW, Remedy.REPEAT_THEN_NARROW) and self._narrow(errand, code)

    def _narrow(self, errand: _Errand, code: int) -> bool:
        """Ask in halves; False where one signal stands alone, or this poll has asked enough."""
        block = errand.request.block
        parts = halves(block)
        if parts is None:
            self._refusals.refuse(block.slots, code, self._clock.monotonic())
            return False
        if self._narrowing + 2 > self._settings.narrow_max:
            return False
        self._narrowing += 2
        split = _Split(*parts)
        for part in reversed(parts):
            self._rota.put_back(block.unit, _Errand(self._compiled(part), split=split))
        return True

    def _decode(
        self,
        request: _Request,
        payload: bytes,
        torn: frozenset[int],
        now: Nanoseconds,
        readings: list[Reading],
    ) -> None:
        both = (payload, payload) if request.block.table.of_bits else views(payload)
        names, kinds = self._names, self._kinds
        for index, unpack, offset, size, view, finish in request.decoders:
            (value,) = unpack(both[view], offset)
            if finish is not None:
                value = finish(value)
            name, kind = names[index], kinds[index]
            reading = judge(signal=name, kind=kind, value=value, gateway_time=now)
            if reading.status is not Status.GOOD:
                raw = payload[offset : offset + size]  # the registers themselves are the evidence
                reading = judge(signal=name, kind=kind, value=value, gateway_time=now, raw=raw)
            elif index in torn:
                reading = reading._replace(status=Status.UNCERTAIN, code=int(Doubt.TORN))
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
        self._silences[unit] = 0
        self._away.pop(unit, None)

    def _is_away(self, unit: int, code: int) -> None:
        """Take in that nobody answered for a unit; after ``silent_max`` it is left alone."""
        self._silences[unit] += 1
        if self._silences[unit] >= self._settings.silent_max:
            until = self._clock.monotonic() + self._settings.retry_s
            self._away[unit] = _Away(until, int(code))

    def _is_mute(self, unit: int) -> bool:
        away = self._away.get(unit)
        return away is not None and away.code == Doubt.NO_ANSWER


class _Request(NamedTuple):
    """One request and what its answer holds."""

    block: Block
    decoders: tuple[Decoder, ...]
    guards: Guards | None


class _Away(NamedTuple):
    """A unit that is left alone for a while, and the code of its readings meanwhile."""

    until: float  # monotonic seconds
    code: int


@dataclass(slots=True)
class _Split:
    """A refused request in two."""

    lower: Block
    upper: Block
    given: int = 0  # how many halves were given whole


@dataclass(slots=True)
class _Errand:
    """A request of this poll, and what became of it so far."""

    request: _Request
    split: _Split | None = None  # what it is a half of
    trial: bool = False  # of a signal that was refused
    silent: int = 0
    waits: int = 0
    repeated: bool = False
