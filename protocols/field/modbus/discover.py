"""Which units of a Modbus line answer, and which of their registers can be read; never writes.

The protocol cannot be asked what there is. Ranges are read in blocks, in halves of halves where
one is refused, with a pause between requests; each request reads and none writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from protocols.field.driver import DriverError
from protocols.field.modbus.line import Answer, Line, Outcome
from protocols.field.modbus.planner import Block, Limits, Slot, halves, plan
from protocols.field.modbus.refusals import ILLEGAL_FUNCTION, Remedy, remedy
from protocols.field.modbus.settings import ModbusSettings, ModbusSignal, Table

__all__ = ["Range", "Scanned", "Unanswered", "Wanted", "scan", "signals_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for, and how gently."""

    units: tuple[int, ...]
    tables: tuple[Table, ...]
    first: int  # address
    last: int  # address, asked for too
    pause_s: float  # between two requests
    requests_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Addresses of one table that can be read, one after the other."""

    unit: int
    table: Table
    address: int
    values: tuple[int, ...]  # registers, or bits as 0 and 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """Addresses for which a unit that lives gave no answer at all."""

    unit: int
    table: Table
    address: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """What a line holds as far as it was asked for."""

    answering: tuple[int, ...]  # units that answered, be it with a refusal
    silent: tuple[int, ...]
    ranges: tuple[Range, ...]
    unanswered: tuple[Unanswered, ...]
    requests: int
    complete: bool  # whether ``requests_max`` sufficed


async def scan(settings: ModbusSettings, wanted: Wanted) -> Scanned:
    """Ask every unit for every table; raise DriverError where the line itself fails."""
    line = Line(settings)
    await line.open()
    try:
        asking = _Scan(line, settings, wanted)
        for unit in wanted.units:
            await asking.unit(unit)
    except _EnoughError:
        pass
    finally:
        line.close()
    return asking.result()


def signals_of(scanned: Scanned, prefix: str) -> list[ModbusSignal]:
    """Return a signal for each register and bit, named by table and address, as unsigned words."""
    several = len(scanned.answering) > 1
    found = []
    for each in scanned.ranges:
        unit = f"unit-{each.unit}/" if several else ""
        for address in range(each.address, each.address + len(each.values)):
            name = f"{prefix}{unit}{each.table}-{address}"
            row = {"name": name, "unit_id": each.unit, "table": each.table, "address": address}
            found.append(ModbusSignal.model_validate(row))
    return found


class _EnoughError(Exception):
    """The requests that were allowed are used up."""


class _Scan:
    """What was heard so far."""

    def __init__(self, line: Line, settings: ModbusSettings, wanted: Wanted) -> None:
        self._line = line
        self._settings = settings
        self._wanted = wanted
        self._limits = Limits(
            registers_max=settings.registers_max, bits_max=settings.bits_max, gap_max=0
        )
        self._heard: set[int] = set()
        self._asked: list[int] = []
        self._ranges: list[Range] = []
        self._unanswered: list[Unanswered] = []
        self._requests = 0
        self._complete = True

    async def unit(self, unit: int) -> None:
        """Ask one unit for every table; one that is silent once, with all retries, for no more."""
        self._asked.append(unit)
        for table in self._wanted.tables:
            slots = [
                Slot(index=address, unit=unit, table=table, address=address, count=1)
                for address in range(self._wanted.first, self._wanted.last + 1)
            ]
            for block in plan(slots, self._limits).blocks:
                answer = await self._take(block)
                if unit not in self._heard:
                    return
                if answer.code == ILLEGAL_FUNCTION:
                    break  # the unit has no such table

    def result(self) -> Scanned:
        """Return what was heard, neighbouring ranges joined."""
        return Scanned(
            answering=tuple(unit for unit in self._asked if unit in self._heard),
            silent=tuple(unit for unit in self._asked if unit not in self._heard),
            ranges=tuple(_joined(self._ranges)),
            unanswered=tuple(self._unanswered),
            requests=self._requests,
            complete=self._complete,
        )

    async def _take(self, block: Block) -> Answer:
        """Read a block, in halves where it is refused; return the answer to the whole."""
        answer = await self._ask(block)
        if answer.outcome is Outcome.VALUES:
            values = _values(block, answer.payload)
            found = Range(unit=block.unit, table=block.table, address=block.address, values=values)
            self._ranges.append(found)
            return answer
        if answer.outcome is Outcome.SILENT and block.unit in self._heard:
            last = block.address + block.count - 1
            self._unanswered.append(
                Unanswered(unit=block.unit, table=block.table, address=block.address, last=last)
            )
        parts = halves(block)
        if parts is not None and (
            answer.outcome is Outcome.WRONG or remedy(answer.code) in _NARROWS
        ):
            for part in parts:
                await self._take(part)
        return answer

    async def _ask(self, block: Block) -> Answer:
        """Ask until there is an answer worth having; a busy unit is left its time."""
        silent = busy = 0
        while True:
            if self._requests == self._wanted.requests_max:
                self._complete = False
                raise _EnoughError
            if self._requests:
                await asyncio.sleep(self._wanted.pause_s)
            self._requests += 1
            try:
                answer = await self._line.ask(block)
            except DriverError:
                await self._line.open()  # some equipment hangs up on what it does not have
                answer = Answer(outcome=Outcome.SILENT)
            if answer.outcome is Outcome.SILENT or remedy(answer.code) is Remedy.ABSENT:
                silent += 1
                if silent > self._settings.retries:
                    return answer
                continue
            self._heard.add(block.unit)
            if remedy(answer.code) is not Remedy.WAIT or busy == self._settings.busy_retries:
                return answer
            busy += 1
            await asyncio.sleep(self._settings.busy_wait_s)


_NARROWS: Final = (Remedy.NARROW, Remedy.REPEAT_THEN_NARROW)


def _values(block: Block, payload: bytes) -> tuple[int, ...]:
    if block.table.of_bits:
        return tuple(payload[n >> 3] >> (n & 7) & 1 for n in range(block.count))
    return tuple(int.from_bytes(payload[n * 2 : n * 2 + 2]) for n in range(block.count))


def _joined(ranges: Sequence[Range]) -> list[Range]:
    """Return the ranges by place, those that follow each other without a gap as one."""
    joined: list[Range] = []
    for each in sorted(ranges, key=lambda found: (found.unit, found.table, found.address)):
        last = joined[-1] if joined else None
        if (
            last is not None
            and (last.unit, last.table) == (each.unit, each.table)
            and last.address + len(last.values) == each.address
        ):
            joined[-1] = replace(last, values=last.values + each.values)
        else:
            joined.append(each)
    return joined
