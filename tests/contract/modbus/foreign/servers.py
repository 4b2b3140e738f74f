"""Modbus servers that we did not write, each a process on loopback or on a pseudo terminal.

All hold the same: ``SIZE`` cells in each of the four tables, ``HELD`` by address.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import tty
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from plant.ports import free_port
from protocols.field.driver import DriverSettings
from protocols.field.modbus import SPEC
from tests.arch.sources import ROOT
from tests.rigs.npm import installed

SIZE: Final = 300
HELD: Final[dict[str, Callable[[int], int | bool]]] = {
    "holding": lambda at: (at * 257 + 3) % 65536,
    "input": lambda at: (at * 11 + 1) % 65536,
    "coil": lambda at: at % 3 == 0,
    "discrete": lambda at: at % 2 == 1,
}
_HERE: Final = Path(__file__).parent
_PATIENCE_S: Final = 240.0


@dataclass(slots=True)
class Serving:
    """A server that runs."""

    process: asyncio.subprocess.Process
    where: dict[str, Any]  # the settings that reach it

    def settings(self, signals: Sequence[dict[str, Any]], **more: Any) -> DriverSettings:
        return SPEC.settings.model_validate(self.where | {"signals": signals} | more)


@asynccontextmanager
async def jsmodbus() -> AsyncIterator[Serving]:
    async with _on_tcp(*_script("jsmodbus_server.js")) as serving:
        yield serving


@asynccontextmanager
async def modbus_serial() -> AsyncIterator[Serving]:
    # It takes port 0 for none given, and would listen on 502.
    async with _on_tcp(*_script("modbus_serial_server.js"), str(free_port())) as serving:
        yield serving


@asynccontextmanager
async def pymodbustcp() -> AsyncIterator[Serving]:
    module = "tests.contract.modbus.foreign.pymodbustcp_server"
    async with _on_tcp(sys.executable, "-m", module) as serving:
        yield serving


@asynccontextmanager
async def libmodbus() -> AsyncIterator[Serving]:
    async with _on_tcp(str(_compiled())) as serving:
        yield serving


@asynccontextmanager
async def libmodbus_rtu() -> AsyncIterator[Serving]:
    """Serve RTU at one end of a line of two pseudo terminals, tied together octet by octet."""
    ends = [os.openpty() for _ in range(2)]
    loop = asyncio.get_running_loop()
    try:
        for (here, slave), (there, _) in zip(ends, reversed(ends), strict=True):
            tty.setraw(slave)
            os.set_blocking(here, False)
            loop.add_reader(here, _pass_on, here, there)
        ours, theirs = (os.ttyname(slave) for _, slave in ends)
        async with _started(str(_compiled()), theirs) as (process, _):
            where = {"transport": "serial", "serial_port": ours, "parity": "N"}
            yield Serving(process, where)
    finally:
        for master, slave in ends:
            loop.remove_reader(master)
            os.close(master)
            os.close(slave)


SERVERS: Final = {
    "jsmodbus": jsmodbus,
    "modbus-serial": modbus_serial,
    "pyModbusTCP": pymodbustcp,
    "libmodbus": libmodbus,
    "libmodbus-rtu": libmodbus_rtu,
}


@asynccontextmanager
async def _on_tcp(*command: str) -> AsyncIterator[Serving]:
    async with _started(*command) as (process, port):
        yield Serving(process, {"host": "127.0.0.1", "port": port})


@asynccontextmanager
async def _started(*command: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Start a server that prints its port when it listens, and end it."""
    env = {**os.environ, "NODE_PATH": str(installed(_HERE)), "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=env
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_PATIENCE_S):
            line = await process.stdout.readline()
        assert line.strip().isdigit(), f"{command[0]} did not start"
        yield process, int(line)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _script(script: str) -> tuple[str, ...]:
    return "node", str(_HERE / script)


def _compiled() -> Path:
    """Return the program of libmodbus_server.c, compiled once."""
    source = _HERE / "libmodbus_server.c"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    program = ROOT / "out" / "compiled" / f"libmodbus-{digest}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        draft = program.with_suffix(".new")
        command = ["gcc", "-Wall", "-Wextra", "-Werror", "-o", str(draft), str(source), "-lmodbus"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 0, f"gcc: {ended.stderr}"
        draft.rename(program)
    return program


def _pass_on(here: int, there: int) -> None:
    for octet in os.read(here, 4096):
        os.write(there, bytes((octet,)))
