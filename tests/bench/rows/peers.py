"""Row j: the whole line beside ThingsBoard IoT Gateway, on the same equipment, value by value.

Every value that the equipment gives is another one, so what arrives can be held against what there
was: delivered, repeated, missing. Each gateway runs once: watched undisturbed, then with its line
to the broker cut, and killed in the middle of that. It keeps its data in SQLite, as ours does.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from plant.clock import utc_now
from plant.equipment.registers import RefusalError, RegisterServer, Table
from plant.network import Proxy
from plant.ports import listening
from plant.process import Process
from protocols.wire.bundle import check_columns, open_body, peek_header, split_bundle
from protocols.wire.reading import WHOLE_GATEWAY, Gap, Nanoseconds
from tests.bench.line import WatchedLine, source
from tests.bench.measure import cpu_s, now, rss_mb, until
from tests.bench.peers.thingsboard import ThingsBoard, modbus_connector, opcua_connector
from tests.bench.rows.opcua import changing_nodes
from tests.bench.scale import Scale
from tests.bench.table import Entry, Goal

_VARIABLES: Final = 500
_DEVICES: Final = 100
_REGISTERS: Final = 200
_PERIOD_S: Final = 0.5
_SOURCE: Final = "bench"
_START_S: Final = 240.0
_STRIDE_S: Final = 3.0  # from then on until a gateway is watched
# Gaps are of the gateway's time, and what is given comes there a little later: sampled, published.
_COMES_WITHIN: Final = 500_000_000
_STALLED_S: Final = 15.0  # without anything new: what is missing then will not come

Value = tuple[str, float]
"""A signal's key and a value that it has had once."""


async def run(folder: Path, scale: Scale) -> list[Entry]:
    """Watch both on OPC UA, then both on Modbus."""
    opcua = await _opcua(folder / "opcua", scale)
    modbus = await _modbus(folder / "modbus", scale)
    what = f"OPC UA, {_VARIABLES:,} variables of {_DEVICES} devices at {1 / _PERIOD_S:g} Hz"
    registers = f"Modbus, {_REGISTERS} registers at {1 / _PERIOD_S:g} Hz"
    return [*_entries(what, *opcua, most=0.1), *_entries(registers, *modbus, most=0.2)]


class Gateway(Protocol):
    """A gateway under test and what has come of it at the far end."""

    process: Process
    network: Proxy  # between it and its broker

    def delivered(self) -> Counter[Value]:
        """Return every value that has arrived, and how often."""

    def gaps(self) -> Sequence[Gap]:
        """Return what it has declared to be missing."""


class Ours:
    """The agent, its broker and its aggregator."""

    def __init__(self, line: WatchedLine) -> None:
        self._line = line
        self.process = line.site.agent
        self.network = line.site.network
        self._position = -1
        self._found: Counter[Value] = Counter()
        self._gaps: list[Gap] = []

    def delivered(self) -> Counter[Value]:
        """Return the readings of every stored bundle."""
        self._look()
        return self._found

    def gaps(self) -> list[Gap]:
        """Return the gaps in the headers of every stored bundle."""
        self._look()
        return self._gaps

    def _look(self) -> None:
        """Read the bundles stored since the last look: the equipment is a part of this process."""
        with closing(sqlite3.connect(self._line.store_file)) as database:
            rows = database.execute(_NEW_BUNDLES, (self._position,)).fetchall()
        for self._position, data in rows:
            bundle = split_bundle(data)
            header = peek_header(bundle.sealed_header)[1]
            self._gaps += header.gaps
            for column in check_columns(header, open_body(header, bundle.body)):
                self._found.update(
                    (reading.signal, reading.value)
                    for reading in column.readings()
                    if isinstance(reading.value, int | float)
                )


_NEW_BUNDLES: Final = (
    "SELECT position, bytes FROM bundle_bytes WHERE position > ? ORDER BY position"
)


class Theirs:
    """ThingsBoard's gateway, its broker and the client behind that."""

    def __init__(self, gateway: ThingsBoard) -> None:
        self._gateway = gateway
        self.process = gateway.process
        self.network = gateway.network

    def delivered(self) -> Counter[Value]:
        """Return what the far end was sent."""
        return Counter(self._gateway.far_end.delivered)

    def gaps(self) -> list[Gap]:
        """Return nothing: it does not say what it lost."""
        return []


@dataclass(slots=True)
class Given:
    """What the equipment gave, and when: no value of a signal twice."""

    times: dict[Value, Nanoseconds] = field(default_factory=dict)

    def note(self, key: str, value: float) -> float:
        """Note a value and return it."""
        self.times[key, value] = _now()
        return value

    def between(self, start: Nanoseconds, end: Nanoseconds) -> dict[Value, Nanoseconds]:
        """Return what was given within a time."""
        return {value: time for value, time in self.times.items() if start <= time < end}


class Balance(NamedTuple):
    """What became of what was given within a time."""

    given: int
    missing: int
    silent: int  # missing, and no gap says so
    repeated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What one gateway did."""

    first_s: float  # from its start until each signal has a value at the far end
    cpu_us: float  # of its process, for a value that arrived while nothing disturbed it
    rss_mb: float
    steady: Balance
    broken: Balance


async def _watch(gateway: Gateway, given: Given, signals: int, scale: Scale) -> Course:
    process, network = gateway.process, gateway.network
    began = now()
    await process.start()
    await until(
        lambda: len({key for key, _ in gateway.delivered()}) == signals,
        timeout_s=_START_S,
        every_s=0.1,
    )
    first_s = now() - began
    await asyncio.sleep(_STRIDE_S)
    start, cost = _now(), cpu_s(process.pid)
    await asyncio.sleep(scale.turn_s)
    end, cost = _now(), cpu_s(process.pid) - cost
    memory = rss_mb(process.pid)
    steady = await _balance(gateway, given.between(start, end))
    start = _now()
    await asyncio.sleep(scale.turn_s / 2)
    await network.cut()
    await asyncio.sleep(scale.outage_s / 2)
    await process.kill()
    await process.start()
    await asyncio.sleep(scale.outage_s / 2)
    await network.restore()
    await asyncio.sleep(scale.turn_s)
    broken = await _balance(gateway, given.between(start, _now()))
    await process.stop()
    return Course(
        first_s=first_s,
        cpu_us=cost / max(1, steady.given - steady.missing) * 1e6,
        rss_mb=memory,
        steady=steady,
        broken=broken,
    )


async def _balance(gateway: Gateway, given: Mapping[Value, Nanoseconds]) -> Balance:
    """Wait until all has arrived, or nothing new does any more, and reckon."""
    left, since = len(given) + 1, now()
    while True:
        delivered = gateway.delivered()
        missing = {value: time for value, time in given.items() if value not in delivered}
        if len(missing) < left:
            left, since = len(missing), now()
        if not missing or now() - since > _STALLED_S:
            break
        await asyncio.sleep(1.0)
    gaps = gateway.gaps()
    silent = [
        value
        for value, time in missing.items()
        if not any(
            gap.start <= time + _COMES_WITHIN
            and time <= gap.end
            and gap.subject in (WHOLE_GATEWAY, _SOURCE, value[0])
            for gap in gaps
        )
    ]
    return Balance(
        given=len(given),
        missing=len(missing),
        silent=len(silent),
        repeated=sum(delivered[value] - 1 for value in given if value in delivered),
    )


async def _opcua(folder: Path, scale: Scale) -> tuple[Course, Course]:
    keys = [f"bench/v-{number:04}" for number in range(1, _VARIABLES + 1)]
    given = Given()

    def value(number: int, turn: int) -> float:
        return given.note(keys[number], float(turn))

    signals: list[dict[str, object]] = [
        {"name": key, "address": f"ns=2;i={number}", "sampling_s": 0.1}
        for number, key in enumerate(keys, 1)
    ]
    async with changing_nodes(_VARIABLES, _PERIOD_S, value) as port:
        async with _ours(
            folder / "ours",
            "opcua",
            signals,
            endpoint=f"opc.tcp://127.0.0.1:{port}/bench/",
            security="None",
        ) as ours:
            our_course = await _watch(ours, given, len(keys), scale)
        async with ThingsBoard(folder / "thingsboard") as gateway:
            await gateway.set_up("opcua", opcua_connector(port, keys, devices=_DEVICES))
            return our_course, await _watch(Theirs(gateway), given, len(keys), scale)


async def _modbus(folder: Path, scale: Scale) -> tuple[Course, Course]:
    keys = [f"plc/register-{at:03}" for at in range(_REGISTERS)]
    given = Given()
    counts = [0] * _REGISTERS

    def read(table: Table, address: int, count: int) -> list[int]:
        if table != "holding" or address + count > _REGISTERS:
            raise RefusalError(2)
        for at in range(address, address + count):
            counts[at] = (counts[at] + 1) % 2**16
            given.note(keys[at], counts[at])
        return counts[address : address + count]

    signals: list[dict[str, object]] = [
        {"name": key, "table": "holding", "address": at, "type": "uint16"}
        for at, key in enumerate(keys)
    ]
    server = RegisterServer({1: read})
    await server.start()
    try:
        async with _ours(
            folder / "ours",
            "modbus",
            signals,
            host="127.0.0.1",
            port=server.port,
            period_s=_PERIOD_S,
        ) as ours:
            our_course = await _watch(ours, given, len(keys), scale)
        async with ThingsBoard(folder / "thingsboard") as gateway:
            await gateway.set_up("modbus", modbus_connector(server.port, keys, _PERIOD_S))
            return our_course, await _watch(Theirs(gateway), given, len(keys), scale)
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def _ours(
    folder: Path,
    driver: str,
    signals: Sequence[dict[str, object]],
    **settings: str | float,
) -> AsyncIterator[Ours]:
    async with WatchedLine(folder, over_network=True) as line:
        await line.set_up(source(folder, _SOURCE, driver, signals, **settings))
        await listening(line.site.port, timeout_s=_START_S)
        yield Ours(line)


def _entries(what: str, ours: Course, theirs: Course, *, most: float) -> list[Entry]:
    """Return the lines of the table; ``most`` is the part of their CPU that ours may take."""

    def entry(figure: str, mine: float, other: float, goal: Goal | None = None) -> Entry:
        ratio = mine / other if other else None
        return Entry(
            row="j",
            what=what,
            figure=figure,
            ours=mine,
            beside=_BESIDE,
            theirs=other,
            ratio=ratio,
            goal=goal,
        )

    cpu = ours.cpu_us / theirs.cpu_us
    found = [
        entry(
            "CPU us a value (gateway)",
            ours.cpu_us,
            theirs.cpu_us,
            Goal(name="G2", text=f"at most 1/{1 / most:g}", reached=cpu <= most),
        ),
        entry("MB (gateway)", ours.rss_mb, theirs.rss_mb),
        entry(
            "s from its start until each signal has a value at the far end",
            ours.first_s,
            theirs.first_s,
            Goal(name="G3", text="at most 1/10", reached=ours.first_s * 10 <= theirs.first_s),
        ),
    ]
    for course, mine, other in (
        ("undisturbed", ours.steady, theirs.steady),
        ("line cut, gateway killed", ours.broken, theirs.broken),
    ):
        found += [
            entry(f"values given, {course}", mine.given, other.given),
            entry(f"missing, {course}", mine.missing, other.missing),
            entry(
                f"missing and not declared, {course}", mine.silent, other.silent, _none(mine.silent)
            ),
            entry(f"repeated, {course}", mine.repeated, other.repeated, _none(mine.repeated)),
        ]
    return found


def _none(count: int) -> Goal:
    return Goal(name="issue 4", text="none", reached=count == 0)


_BESIDE: Final = "ThingsBoard gateway, SQLite storage"


def _now() -> Nanoseconds:
    return int(utc_now().timestamp() * 1e9)
