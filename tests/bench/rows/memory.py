"""Row g: the agent's memory at 1,000 readings/s, and that every committed reading is stored."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from tests.bench.line import WatchedLine
from tests.bench.measure import rss_mb
from tests.bench.rows.modbus import Registers, registers_source
from tests.bench.rows.opcua import changing_nodes, opcua_source
from tests.bench.scale import Scale
from tests.bench.table import Entry, Goal

_RATE: Final = 1000  # readings/s


async def run(folder: Path, scale: Scale) -> list[Entry]:
    """Let each kind of source run for a while, then stop the agent and count."""
    registers = Registers(_RATE // 10)
    await registers.server.start()
    try:
        source = registers_source(folder, registers, period_s=0.1)
        modbus = await _watched(folder / "modbus", source, "Modbus alone", 64, scale)
    finally:
        await registers.server.stop()
    async with changing_nodes(_RATE, 1.0) as port:
        source = opcua_source(folder, port, _RATE, 1.0)
        opcua = await _watched(folder / "opcua", source, "OPC UA", 100, scale)
    return [*opcua, *modbus]


async def _watched(folder: Path, source: str, name: str, most_mb: int, scale: Scale) -> list[Entry]:
    async with WatchedLine(folder) as line:
        await line.set_up(source)
        await line.start_agent()
        began = line.stored().end_reading
        most = 0.0
        for _ in range(10):
            await asyncio.sleep(scale.turn_s / 5)
            most = max(most, rss_mb(line.site.agent.pid))
        rate = (line.stored().end_reading - began) / (2 * scale.turn_s)
        await line.site.agent.stop()
        committed, stored = await line.settled()
        with closing(sqlite3.connect(line.site.folder / "aggregator.db")) as database:
            (kept,) = database.execute("SELECT sum(readings) FROM bundles").fetchone()
    what = f"agent with {name} at {rate:,.0f} readings/s"
    return [
        Entry(
            row="g",
            what=what,
            figure="MB resident, most of ten looks",
            ours=most,
            goal=Goal(name="G10", text=f"at most {most_mb} MB", reached=most <= most_mb),
        ),
        Entry(
            row="g",
            what=f"{what}, {committed.end_reading:,} committed",
            figure="readings not stored",
            ours=committed.end_reading - kept,
            goal=Goal(
                name="issue 2",
                text="none",
                reached=committed == stored and kept == committed.end_reading,
            ),
        ),
    ]
