"""The service manager's watchdog is fed while there is progress, and not by an agent that hangs."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from plant.process import Process, our_command
from tests.integration.agent_peer import Plant, replay_source, until

PATIENCE = 180.0
SILENCE_S = 12.0
"""Longer than between two words of a sound agent: an agent that hangs is heard for no time."""


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    found = Plant(tmp_path)
    async with found:
        yield found


class Manager:
    """What systemd would hear."""

    def __init__(self) -> None:
        self.address = f"@lotproof-test-{os.getpid()}-{id(self)}"
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + self.address[1:])
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._hear)

    def fed(self) -> int:
        """Return how often the watchdog was fed."""
        return sum("WATCHDOG=1" in word for word in self.heard)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _hear(self) -> None:
        self.heard.append(self._socket.recv(4096).decode())


@pytest.mark.parametrize("what", ["loop", "storage", "sealer"])
async def test_an_agent_that_hangs_does_not_feed_its_watchdog(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    manager, trigger = Manager(), tmp_path / f"hang.{what}"
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("LOTPROOF_TEST_HANG", str(trigger))
    plant.write_settings(replay_source(tmp_path, rows=100_000, period_ms=20))
    await plant.make_key()
    settings = ("--settings", str(plant.agent.settings))
    command = our_command("tests.faults.hanging_agent", "run", *settings)
    agent = Process("hanging", command, tmp_path / "hanging.log")
    try:
        await agent.start()
        await until(lambda: manager.fed() >= 2, "it is not fed: " + agent.tail(), seconds=PATIENCE)
        trigger.touch()
        await until(trigger.read_text, "nothing stands still", seconds=PATIENCE)
        if what == "sealer":  # the rest goes on: it is told by the first word that does not feed
            await until(
                lambda: "WATCHDOG=1" not in manager.heard[-1], "it is fed", seconds=PATIENCE
            )
        else:  # a word that was on its way
            await asyncio.sleep(SILENCE_S)
        fed = manager.fed()
        await asyncio.sleep(SILENCE_S)
        assert manager.fed() == fed, "an agent that hangs was fed"
        assert agent.alive, "it hangs: to end it is the service manager's part"
    finally:
        await agent.kill()
        manager.close()
