"""Row f: from durable on the gateway's disk to visible in the aggregator's store.

Both files are watched by a process of its own, which sees a commit when any other reader
would; the time between two looks is part of what is measured.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from sqlite3 import Connection
from typing import Final

from plant.process import ask, our_command
from tests.bench.line import COMMITTED, STORED, WatchedLine, view
from tests.bench.measure import now
from tests.bench.rows.modbus import Registers, registers_source
from tests.bench.scale import Scale
from tests.bench.table import Entry, Goal

_LOOK_S: Final = 0.0002
_AGES_S: Final = (0.1, 1.0)  # how old the oldest reading of a bundle may get


async def run(folder: Path, scale: Scale) -> list[Entry]:
    """Measure with bundles cut ten times and once a second."""
    entries = []
    registers = Registers(100)
    await registers.server.start()
    try:
        for age in _AGES_S:
            entries += await _watched(folder, registers, age, scale)
    finally:
        await registers.server.stop()
    return entries


async def _watched(folder: Path, registers: Registers, age: float, scale: Scale) -> list[Entry]:
    async with WatchedLine(folder / f"age-{age:g}", seal_age_s=age) as line:
        await line.set_up(registers_source(folder, registers, period_s=0.1))
        await line.start_agent()
        seconds = scale.rounds * scale.turn_s
        files = (str(line.buffer_file), str(line.store_file))
        watch = our_command("tests.bench.rows.latency", *files, str(seconds))
        waits: list[float] = json.loads(await ask(watch, timeout_s=seconds + 60))
        await line.site.agent.stop()
    waits.sort()
    p50, p99 = statistics.median(waits), waits[int(len(waits) * 0.99)]
    what = f"durable at the agent to visible at the aggregator, {len(waits)} bundles of {age:g} s"
    return [
        Entry(
            row="f",
            what=what,
            figure=f"ms, {name}",
            ours=value * 1000,
            goal=Goal(name="G9", text=f"at most {most} ms", reached=value * 1000 <= most),
        )
        for name, value, most in (("p50", p50, 5), ("p99", p99, 25))
    ]


def main() -> None:
    """Watch two files: ``python -m tests.bench.rows.latency <buffer> <store> <seconds>``."""
    buffer, store, seconds = sys.argv[1:]
    waits = _waits(view(Path(buffer)), view(Path(store)), float(seconds))
    sys.stdout.write(json.dumps(waits) + "\n")


def _waits(buffer: Connection, store: Connection, seconds: float) -> list[float]:
    """Return, of each bundle that came meanwhile, the seconds between the two commits."""
    durable: dict[int, float] = {}
    waits: list[float] = []
    committed, stored = _head(buffer, COMMITTED), _head(store, STORED)
    end = now() + seconds
    while now() < end:
        head, moment = _head(buffer, COMMITTED), now()
        durable |= dict.fromkeys(range(committed + 1, head + 1), moment)
        committed = head
        head, moment = _head(store, STORED), now()
        waits += [
            moment - durable.pop(number)
            for number in range(stored + 1, head + 1)
            if number in durable
        ]
        stored = head
        time.sleep(_LOOK_S)
    return waits


def _head(database: Connection, sql: str) -> int:
    return int(database.execute(sql).fetchone()[0])


if __name__ == "__main__":
    main()
