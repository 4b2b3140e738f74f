"""What a list of signals would read: which share registers, and each value in all four orders.

The protocol says nothing of how equipment orders the words of a number, and manuals are wrong;
a person who knows about what the value is sees which of the four it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from protocols.field.modbus.codec import compile_block, views
from protocols.field.modbus.line import Answer, Line, Outcome
from protocols.field.modbus.planner import Slot, alone
from protocols.field.modbus.refusals import Remedy, code_name, remedy
from protocols.field.modbus.settings import ModbusSettings, ModbusSignal, Order, RegisterType

__all__ = ["Orders", "four_orders", "overlaps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """One number of several registers, as each order reads it."""

    signal: ModbusSignal
    raw: bytes  # as the equipment sent it; empty where it gave nothing
    values: tuple[tuple[Order, object], ...]  # one for each order, scaled as configured
    refusal: str  # why there are none; empty where there are


async def four_orders(settings: ModbusSettings) -> list[Orders]:
    """Read each number of several registers once; raise DriverError where the line fails."""
    wanted = [
        signal
        for signal in settings.signals
        if signal.count > 1 and signal.type is not RegisterType.ASCII
    ]
    if not wanted:
        return []
    line = Line(settings)
    await line.open()
    try:
        return [await _orders(line, settings, signal) for signal in wanted]
    finally:
        line.close()


def overlaps(settings: ModbusSettings) -> Iterator[str]:
    """Yield a sentence for every two signals that share registers; bits of a register may."""
    for one, other in combinations(settings.signals, 2):
        if (settings.unit_of(one), one.table) != (settings.unit_of(other), other.table):
            continue
        first, last = max(one.address, other.address), min(_end(one), _end(other)) - 1
        bits = one.bit is not None and other.bit is not None and one.bit != other.bit
        if first > last or bits:
            continue
        where = f"{one.table} {first}" + (f" to {last}" if last > first else "")
        same = (one.address, one.type, one.order) == (other.address, other.type, other.order)
        how = "are the same value" if same else "overlap"
        yield f"{one.name} and {other.name} {how}: unit {settings.unit_of(one)} {where}"


async def _orders(line: Line, settings: ModbusSettings, signal: ModbusSignal) -> Orders:
    block = alone(
        Slot(
            index=0,
            unit=settings.unit_of(signal),
            table=signal.table,
            address=signal.address,
            count=signal.count,
        )
    )
    for _ in range(settings.retries + 1):
        await asyncio.sleep(settings.pause_s)
        answer = await line.ask(block)
        if answer.outcome is Outcome.VALUES:
            break
        if remedy(answer.code) is Remedy.WAIT:
            await asyncio.sleep(settings.busy_wait_s)
    else:
        return Orders(signal=signal, raw=b"", values=(), refusal=_refusal(answer))
    both = views(answer.payload)
    values = []
    for order in Order:
        (decoder,) = compile_block(block, (signal.model_copy(update={"order": order}),))
        (value,) = decoder.unpack(both[decoder.view], decoder.offset)
        values.append((order, value if decoder.finish is None else decoder.finish(value)))
    return Orders(signal=signal, raw=answer.payload, values=tuple(values), refusal="")


def _refusal(answer: Answer) -> str:
    if answer.outcome is Outcome.REFUSED:
        return code_name(answer.code)
    return "no answer" if answer.outcome is Outcome.SILENT else "an answer to another question"


def _end(signal: ModbusSignal) -> int:
    return signal.address + signal.count
