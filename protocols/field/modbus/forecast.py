"""What a line will be asked, how often, and how much of its time that takes; pure.

The requests are those of the driver while nothing is refused. Of a serial line the time of the
characters and silences is counted, not the time that equipment takes to think.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from protocols.field.modbus.guard import guards_of
from protocols.field.modbus.layout import layout, limits_of
from protocols.field.modbus.planner import Block, plan
from protocols.field.modbus.settings import ModbusSettings

__all__ = ["Forecast", "Request", "Round", "forecast"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of a poll, and the counters that are asked for before and after it."""

    block: Block
    counters: tuple[Block, ...]

    @property
    def requests(self) -> int:
        """The request itself, and one before and one after it for each counter."""
        return 1 + 2 * len(self.counters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The polls in which the same signals are due."""

    periods: tuple[float, ...]  # seconds, ascending
    per_s: float  # how often in a second
    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A line by the second, on average."""

    rounds: tuple[Round, ...]  # the most frequent first
    requests_per_s: float
    read_per_s: float  # registers, and bits
    unused_per_s: float  # of these, read for nothing
    load: float | None  # share of a serial line's time; None where there is no serial line
    exact: bool  # False: rates that do not meet were counted each for itself, so it is the most


def forecast(settings: ModbusSettings) -> Forecast:
    """Return what the driver will ask of the line."""
    slots, limits = layout(settings), limits_of(settings)
    met = _meetings(slots)
    exact = met is not None
    often = met if met is not None else {(period,): 1 / period for period in slots}
    rounds = []
    for periods, per_s in sorted(often.items(), key=lambda each: (-each[1], each[0])):
        due = [slot for period in periods for slot in slots[period]]
        requests = tuple(_request(block, settings) for block in plan(due, limits).blocks)
        rounds.append(Round(periods=periods, per_s=per_s, requests=requests))
    asked = [(each.per_s, request) for each in rounds for request in each.requests]
    return Forecast(
        rounds=tuple(rounds),
        requests_per_s=sum(per_s * request.requests for per_s, request in asked),
        read_per_s=sum(per_s * request.block.count for per_s, request in asked),
        unused_per_s=sum(per_s * request.block.unused for per_s, request in asked),
        load=sum(per_s * _line_s(request, settings) for per_s, request in asked)
        if settings.rtu
        else None,
        exact=exact,
    )


def _meetings(periods: Iterable[float]) -> dict[tuple[float, ...], float] | None:
    """Return how often in a second which periods are due together; None where that never ends."""
    exact = {period: Fraction(str(period)) for period in periods}
    unit = math.lcm(*(each.denominator for each in exact.values()))
    ticks = {period: int(each * unit) for period, each in exact.items()}
    whole = math.lcm(*ticks.values())
    if sum(whole // each for each in ticks.values()) > _MEETINGS_MAX:
        return None
    due: dict[int, list[float]] = {}
    for period in sorted(ticks):
        for at in range(0, whole, ticks[period]):
            due.setdefault(at, []).append(period)
    counted = Counter(map(tuple, due.values()))
    return {together: times * unit / whole for together, times in counted.items()}


def _request(block: Block, settings: ModbusSettings) -> Request:
    guards = guards_of(block, settings.signals)
    return Request(block=block, counters=() if guards is None else guards.counters)


def _line_s(request: Request, settings: ModbusSettings) -> float:
    """Return the seconds of a serial line for a request, its answer and what guards it."""
    counters = [each for each in request.counters for _ in range(2)]
    return sum(_exchange_s(block, settings) for block in (request.block, *counters))


def _exchange_s(block: Block, settings: ModbusSettings) -> float:
    payload = (block.count + 7) // 8 if block.table.of_bits else block.count * 2
    # unit, function, byte count and CRC about the payload
    return (_REQUEST + 5 + payload) * settings.character_s + 2 * settings.silence_s


_REQUEST: Final = 8  # characters: unit, function, address, count, CRC
_MEETINGS_MAX: Final = 20_000
