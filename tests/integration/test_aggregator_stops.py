"""However the aggregator stands, it ends when it is told to, and waits for nothing for ever."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no types
import pytest

from plant.ports import free_port, listening
from plant.process import Process, our_command
from tests.integration.agent_peer import PATIENCE, until

_BROKEN = """
import pathlib
from aggregator import site
from aggregator.__main__ import app
site.STATIC = pathlib.Path("/nowhere")
app()
"""


class Aggregator(Process):
    """The aggregator in a folder of its own; its broker is whatever listens on a port."""

    def __init__(self, folder: Path, *, broker: int, code: str = "") -> None:
        self.store = folder / "aggregator.db"
        self.port = free_port()
        settings = folder / "aggregator.toml"
        settings.write_text(
            f'keys_folder = "{folder}/keys"\n[store]\nurl = "sqlite:///{self.store}"\n'
            f"[broker]\nport = {broker}\n[api]\nport = {self.port}\n",
            encoding="utf-8",
        )
        ours = (sys.executable, "-c", code) if code else our_command("aggregator")
        command = (*ours, "run", "--log-json", "--settings", str(settings))
        super().__init__("aggregator", command, folder / "aggregator.log")

    async def ends(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code; TimeoutError where it does not end."""
        os.kill(self.pid, number)
        return await asyncio.wait_for(self.wait(), PATIENCE)

    async def said(self, text: str) -> None:
        await until(lambda: text in self.tail(100_000), f"it never said {text!r}")


@contextlib.asynccontextmanager
async def running(folder: Path, *, broker: int, code: str = "") -> AsyncIterator[Aggregator]:
    aggregator = Aggregator(folder, broker=broker, code=code)
    await aggregator.start()
    try:
        yield aggregator
    finally:
        await aggregator.kill()


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """Yield a port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


both = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)


@both
async def test_without_a_broker(tmp_path: Path, number: signal.Signals) -> None:
    async with running(tmp_path, broker=free_port()) as aggregator:
        await aggregator.said("the broker is not connected")
        await listening(aggregator.port, timeout_s=PATIENCE)
        assert await aggregator.ends(number) == 0


@both
async def test_while_a_broker_does_not_answer(tmp_path: Path, number: signal.Signals) -> None:
    with silent_port() as port:
        async with running(tmp_path, broker=port) as aggregator:
            await listening(aggregator.port, timeout_s=PATIENCE)
            met = psutil.Process(aggregator.pid)
            await until(
                lambda: any(c.raddr and c.raddr.port == port for c in met.net_connections()),
                "it did not call the broker",
            )
            assert await aggregator.ends(number) == 0


@both
async def test_while_the_store_is_locked_at_its_start(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with running(tmp_path, broker=free_port()) as aggregator:
        await listening(aggregator.port, timeout_s=PATIENCE)
        assert await aggregator.ends(signal.SIGTERM) == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "aggregator.db")) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        async with running(tmp_path, broker=free_port()) as aggregator:
            await opened(aggregator)
            assert await aggregator.ends(number) == 0


@both
async def test_while_the_store_is_locked_later(tmp_path: Path, number: signal.Signals) -> None:
    async with running(tmp_path, broker=free_port()) as aggregator:
        await listening(aggregator.port, timeout_s=PATIENCE)
        with contextlib.closing(sqlite3.connect(aggregator.store)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            assert await aggregator.ends(number) == 0


@both
async def test_while_somebody_hangs_on_to_the_web_server(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with running(tmp_path, broker=free_port()) as aggregator:
        await listening(aggregator.port, timeout_s=PATIENCE)
        _, writer = await asyncio.open_connection("127.0.0.1", aggregator.port)
        writer.write(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        assert await aggregator.ends(number) == 0
        writer.close()


async def test_a_web_application_that_cannot_be_built_ends_it(tmp_path: Path) -> None:
    async with running(tmp_path, broker=free_port(), code=_BROKEN) as aggregator:
        assert await asyncio.wait_for(aggregator.wait(), PATIENCE) == 1
        assert "/nowhere" in aggregator.tail()


async def test_a_port_that_is_taken_ends_it_with_a_hint(tmp_path: Path) -> None:
    aggregator = Aggregator(tmp_path, broker=free_port())
    with socket.create_server(("127.0.0.1", aggregator.port)):
        await aggregator.start()
        try:
            assert await asyncio.wait_for(aggregator.wait(), PATIENCE) == 2
        finally:
            await aggregator.kill()
    assert f"cannot listen on 127.0.0.1:{aggregator.port}" in aggregator.tail()


async def opened(aggregator: Aggregator) -> None:
    """Wait until the process has the store's file open."""
    met = psutil.Process(aggregator.pid)
    path = str(aggregator.store)
    await until(lambda: path in {file.path for file in met.open_files()}, "it opens no store")
