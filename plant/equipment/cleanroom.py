"""A clean-room monitor: a small physical model of a room behind a Modbus/TCP server.

Input registers of unit 1, as an ISO 14644-2 monitor would give them (protocol addresses)::

    0     temperature            int16    0.01 degC
    1     relative humidity      uint16   0.01 %
    2-3   differential pressure  float32  CDAB, Pa against the corridor
    4-5   particles of 0.5 um    uint32   counted since the start, wraps
    6-7   particles of 5 um      uint32   counted since the start, wraps

and discrete input 0, the door: 1 where it is open. ``SIGNALS`` says the same as rows of a driver's
signal list.
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from plant.clock import monotonic
from plant.equipment.registers import RefusalError, RegisterServer, Table
from plant.running import Running

__all__ = ["SIGNALS", "CleanRoom", "Fault", "RoomState", "advance"]

SIGNALS: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": "temperature",
        "unit": "Cel",
        "table": "input",
        "address": 0,
        "type": "int16",
        "scale": 0.01,
    },
    {
        "name": "humidity",
        "unit": "%",
        "table": "input",
        "address": 1,
        "type": "uint16",
        "scale": 0.01,
    },
    {
        "name": "pressure",
        "unit": "Pa",
        "table": "input",
        "address": 2,
        "type": "float32",
        "order": "CDAB",
    },
    {"name": "particles-05", "unit": "{count}", "table": "input", "address": 4, "type": "uint32"},
    {"name": "particles-5", "unit": "{count}", "table": "input", "address": 6, "type": "uint32"},
    {"name": "door", "table": "discrete", "address": 0},
)


class Fault(Enum):
    """How a sensor fails."""

    REFUSED = 0  # its registers are answered with exception 4
    FROZEN = 1  # it keeps its last value
    NOT_A_NUMBER = 2  # the float is NaN; of a whole number all bits are set


class CleanRoom(Running):
    """The room and its monitor, as a context: ``async with CleanRoom(seed=1) as room``.

    The model goes on by itself at ``speed`` times real time; the same seed and the same calls at
    the same room seconds give the same room.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        speed: float = 1.0,
        port: int = 0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._seed = seed
        self._speed = speed
        self._clock = clock
        self._began = 0.0
        self._state = RoomState()
        self._excursion_until = -1.0
        self._door_until = -1.0
        self._faults: dict[str, tuple[Fault, RoomState]] = {}
        self.server = RegisterServer({1: self._read}, port=port)

    @property
    def host(self) -> str:
        """Address of the monitor."""
        return self.server.host

    @property
    def port(self) -> int:
        """TCP port of the monitor."""
        return self.server.port

    @property
    def state(self) -> RoomState:
        """The room as it is now."""
        now = int((self._clock() - self._began) * self._speed)
        while self._state.second < now:
            second = self._state.second + 1
            self._state = advance(
                self._state,
                seed=self._seed,
                door_held=second <= self._door_until,
                fan_weak=second <= self._excursion_until,
            )
        return self._state

    async def _begin(self) -> None:
        self._began = self._clock()
        await self.start()

    async def _end(self) -> None:
        await self.stop()

    async def start(self) -> None:
        """Switch the monitor on; the room goes on in any case."""
        await self.server.start()

    async def stop(self) -> None:
        """Switch the monitor off; it comes back at the same port."""
        await self.server.stop()

    def excursion(self, *, seconds: float) -> None:
        """Let the fan go weak: the pressure falls and particles rise, for so many room seconds."""
        self._excursion_until = self.state.second + seconds

    def open_door(self, *, seconds: float) -> None:
        """Hold the door open for so many room seconds."""
        self._door_until = self.state.second + seconds

    def break_sensor(self, signal: str, fault: Fault) -> None:
        """Let the sensor of a signal of ``SIGNALS`` fail until ``repair``."""
        _place(signal)
        self._faults[signal] = (fault, self.state)

    def repair(self, signal: str) -> None:
        """End the fault of the signal's sensor; does nothing where there is none."""
        self._faults.pop(signal, None)

    def _read(self, table: Table, address: int, count: int) -> Sequence[int]:
        cells = self._cells(table, range(address, address + count))
        if table not in ("input", "discrete") or address + count > len(cells):
            raise RefusalError(2)
        return cells[address : address + count]

    def _cells(self, table: Table, asked: range) -> list[int]:
        """Return the whole table as it is now, with what is broken as it fails."""
        now = self.state
        cells = _image(now, table)
        for signal, (fault, then) in self._faults.items():
            where, place = _place(signal)
            if where != table:
                continue
            if fault is Fault.FROZEN:
                cells[place.start : place.stop] = _image(then, table)[place.start : place.stop]
            elif fault is Fault.NOT_A_NUMBER:
                cells[place.start : place.stop] = [0xFFFF] * len(place)
            elif set(place) & set(asked):
                raise RefusalError(4)
        return cells


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomState:
    """The room at the end of one second."""

    second: int = 0  # of the room, since the start
    temperature: float = 21.0  # degC
    humidity: float = 45.0  # % relative
    pressure: float = 15.0  # Pa against the corridor
    particles_05: float = 0.0  # counted since the start
    particles_5: float = 0.0  # counted since the start
    door_open_for: int = 0  # seconds that it stays open


def advance(state: RoomState, *, seed: int, door_held: bool, fan_weak: bool) -> RoomState:
    """Return the room one second later; a pure function of its arguments.

    The air handling pulls temperature and humidity to set points that drift over the day, the
    overpressure recovers within half a minute after the door, and particles follow the pressure.
    """
    second = state.second + 1
    chance = random.Random(f"{seed}/{second}")
    door_open_for = max(0, state.door_open_for - 1)
    if door_held:
        door_open_for = 1
    elif door_open_for == 0 and chance.random() < _DOOR_A_SECOND:
        door_open_for = chance.randint(4, 12)
    day = 2 * math.pi * second / _DAY
    pressure_aim = 15.0 * (0.4 if fan_weak else 1.0) * (0.15 if door_open_for else 1.0)
    pressure = _toward(state.pressure, pressure_aim, 2.0 if door_open_for else 10.0)
    pressure += chance.gauss(0, 0.12)
    temperature_aim = 21.0 + 0.6 * math.sin(day) + (0.8 if door_open_for else 0.0)
    temperature = _toward(state.temperature, temperature_aim, 240.0) + chance.gauss(0, 0.004)
    humidity_aim = 45.0 - 2.5 * math.sin(day) + (4.0 if door_open_for else 0.0)
    humidity = _toward(state.humidity, humidity_aim, 180.0) + chance.gauss(0, 0.03)
    # ISO 14644-1 class 7 at rest, drawn at 28.3 l/min: far below its limit until pressure is lost.
    rate = 40.0 * math.exp(max(0.0, 12.0 - pressure) / 3.0)
    return replace(
        state,
        second=second,
        temperature=temperature,
        humidity=humidity,
        pressure=pressure,
        particles_05=state.particles_05 + max(0.0, chance.gauss(rate, math.sqrt(rate))),
        particles_5=state.particles_5 + max(0.0, chance.gauss(rate / 120, math.sqrt(rate / 120))),
        door_open_for=door_open_for,
    )


_DAY: Final = 86_400
_DOOR_A_SECOND: Final = 1 / 900
"""Chance in each second that somebody comes through the door: four times an hour."""


def _toward(value: float, aim: float, seconds: float) -> float:
    """Return the value one second later on its exponential way to ``aim``."""
    return aim + (value - aim) * math.exp(-1 / seconds)


def _image(state: RoomState, table: Table) -> list[int]:
    """Return the registers, or the bits, that show the state."""
    if table == "discrete":
        return [int(state.door_open_for > 0)]
    octets = struct.pack(
        ">hH4sII",
        round(state.temperature * 100),
        round(state.humidity * 100),
        _word_swapped(struct.pack(">f", state.pressure)),
        int(state.particles_05) % 2**32,
        int(state.particles_5) % 2**32,
    )
    return list(struct.unpack(">8H", octets))


def _word_swapped(octets: bytes) -> bytes:
    return octets[2:] + octets[:2]


_REGISTERS: Final = {"float32": 2, "uint32": 2}


def _place(signal: str) -> tuple[Table, range]:
    """Return the table and the addresses of a signal; KeyError where there is none."""
    row = {row["name"]: row for row in SIGNALS}[signal]
    start = row["address"]
    return row["table"], range(start, start + _REGISTERS.get(row.get("type", ""), 1))
