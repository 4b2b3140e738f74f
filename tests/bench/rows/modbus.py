"""Row a: registers to the aggregator's store, beside modpoll and a bare pymodbus loop.

All poll the same server: 950 registers ten times a second, each register a reading. The others
keep nothing; ours seals, commits, sends, verifies and stores.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from plant.equipment.registers import RefusalError, RegisterServer, Table
from plant.process import Process, ask
from tests.bench.line import WatchedLine, source
from tests.bench.measure import Figures, Side, cpu_s, interleave, now, rss_mb, until
from tests.bench.peers.client import bare
from tests.bench.scale import Scale
from tests.bench.table import Entry

REGISTERS: Final = 950
PERIOD_S: Final = 0.1
_ENVIRONMENT: Final = Path(__file__).resolve().parents[3] / "out" / "bench-env"
_MODPOLL: Final = "modpoll==1.6.0"
_MODPOLL_MAX: Final = 95  # registers a request; it takes up to 123, and 950 is ten of these


class Registers:
    """A server of slowly moving registers that counts what it is asked for."""

    def __init__(self, count: int = REGISTERS) -> None:
        self.count = count
        self.served = 0
        self.server = RegisterServer({1: self._read})

    def _read(self, table: Table, address: int, count: int) -> Sequence[int]:
        if table != "holding" or address + count > self.count:
            raise RefusalError(2)
        self.served += count
        moved = int(now() / PERIOD_S)
        return [1000 + at + (moved * (at % 7 + 1)) % 50 for at in range(address, address + count)]

    def signals(self) -> list[dict[str, object]]:
        """Return the register map as a driver's list of signals."""
        return [
            {"name": f"plc/register-{at:03}", "table": "holding", "address": at, "type": "uint16"}
            for at in range(self.count)
        ]


def registers_source(folder: Path, registers: Registers, *, period_s: float) -> str:
    """Return the source of the agent's settings that reads the registers."""
    return source(
        folder,
        "plc",
        "modbus",
        registers.signals(),
        host="127.0.0.1",
        port=registers.server.port,
        period_s=period_s,
    )


async def run(folder: Path, scale: Scale) -> list[Entry]:
    """Measure the three in turn."""
    registers = Registers()
    await registers.server.start()
    try:
        async with WatchedLine(folder / "site") as line:
            port = registers.server.port
            await line.set_up(registers_source(line.site.folder, registers, period_s=PERIOD_S))
            modpoll = await _modpoll(folder, registers)
            rounds = await interleave(
                {
                    "ours": lambda: line.turn(scale.turn_s),
                    "bare": lambda: bare(
                        "modbus",
                        port=port,
                        count=REGISTERS,
                        seconds=scale.turn_s,
                        period=PERIOD_S,
                    ),
                    "modpoll": _modpoll_side(modpoll, registers, scale.turn_s),
                },
                rounds=scale.rounds,
            )
    finally:
        await registers.server.stop()
    what = f"Modbus, {REGISTERS} registers at {1 / PERIOD_S:g} Hz"
    entries = [
        Entry(
            row="a",
            what=f"{what}, to the aggregator's store",
            figure=figure,
            ours=rounds.median("ours", key),
            beside=name,
            theirs=rounds.median(side, key),
            ratio=rounds.ratio(key, "ours", side),
        )
        for side, name in (("modpoll", "modpoll, keeps nothing"), ("bare", "bare pymodbus loop"))
        for key, figure in (
            ("readings_per_s", "readings/s"),
            ("cpu_us", "CPU us a reading (agent)"),
            ("rss_mb", "MB (agent)"),
        )
    ]
    aggregator = Entry(
        row="a",
        what=f"{what}, at the aggregator",
        figure="CPU us a reading",
        ours=rounds.median("ours", "aggregator_cpu_us"),
    )
    return [*entries, aggregator]


async def _modpoll(folder: Path, registers: Registers) -> Process:
    """Install modpoll in an environment of its own, and write its register map."""
    program = _ENVIRONMENT / "bin" / "modpoll"
    if not program.exists():
        sys.stderr.write(f"installing {_MODPOLL} into {_ENVIRONMENT}\n")
        await ask((sys.executable, "-m", "venv", str(_ENVIRONMENT)))
        pip = str(_ENVIRONMENT / "bin" / "pip")
        await ask((pip, "install", "--quiet", _MODPOLL), timeout_s=300)
    lines = ["device,plc,1,,"]
    for first in range(0, registers.count, _MODPOLL_MAX):
        count = min(_MODPOLL_MAX, registers.count - first)
        lines.append(f"poll,holding_register,{first},{count},BE_BE")
        lines += [f"ref,register-{at:03},{at},uint16,r" for at in range(first, first + count)]
    config = folder / "modpoll.csv"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    port = str(registers.server.port)
    flags = ("--rate", str(PERIOD_S), "--interval", "0", "--daemon", "--loglevel", "ERROR")
    command = (str(program), "-f", str(config), "--tcp", "127.0.0.1", "--tcp-port", port, *flags)
    return Process("modpoll", command, folder / "modpoll.log")


def _modpoll_side(modpoll: Process, registers: Registers, seconds: float) -> Side:
    async def turn() -> Figures:
        before = registers.served
        await modpoll.start()
        try:
            await until(lambda: registers.served > before, timeout_s=30)
            await asyncio.sleep(1.0)
            began, first, cost = now(), registers.served, cpu_s(modpoll.pid)
            await asyncio.sleep(seconds)
            count, taken = registers.served - first, now() - began
            if not count:
                raise RuntimeError(f"modpoll read nothing: {modpoll.tail()}")
            return {
                "readings_per_s": count / taken,
                "cpu_us": (cpu_s(modpoll.pid) - cost) / count * 1e6,
                "rss_mb": rss_mb(modpoll.pid),
            }
        finally:
            await modpoll.stop()

    return turn
