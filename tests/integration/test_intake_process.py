"""The aggregator as a process: it starts, takes, is killed at any moment, and goes on."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aggregator.store.keys import load_keys
from plant.broker import Broker
from plant.ca import PlantCA
from plant.ports import free_port, listening
from tests.arch.sources import ROOT
from tests.integration.test_intake_broker import DEADLINE, Speaker, until
from tests.sealed import SealedGateway


class Aggregator:
    """A running ``lotproof-aggregator`` and its settings."""

    def __init__(self, folder: Path, ca: PlantCA, broker: Broker) -> None:
        own = ca.issue("aggregator")
        self.folder = folder
        self.port = free_port()
        self.settings = folder / "aggregator.toml"
        self.settings.write_text(
            f"""
keys_folder = "{folder}/keys"
[store]
url = "sqlite:///{folder}/aggregator.db"
[broker]
port = {broker.port}
client_id = "aggregator"
ca_file = "{own.ca}"
certificate_file = "{own.certificate}"
key_file = "{own.key}"
retry_seconds_max = 1
[segments]
build_seconds = 0.2
bundles_min = 10
[log]
checkpoint_seconds = 0.2
[api]
port = {self.port}
""",
            encoding="utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> str:
        """Run a command of the aggregator and return what it prints."""
        run = subprocess.run(
            [sys.executable, "-m", "aggregator", *arguments, "--settings", str(self.settings)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if run.returncode:
            pytest.fail(f"{arguments}: exit {run.returncode}\n{run.stdout}{run.stderr}")
        return run.stdout

    async def start(self) -> None:
        """Start it and wait until its web server listens."""
        with (self.folder / "aggregator.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 # it is ended by this test
                [sys.executable, "-m", "aggregator", "run", "--settings", str(self.settings)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        await listening(self.port, timeout_s=DEADLINE)

    async def start_taking(self) -> None:
        """Start it and wait until it has told the broker what it takes."""
        before = self._log().count("the broker is connected")
        await self.start()
        await until(lambda: self._log().count("the broker is connected") > before)

    def _log(self) -> str:
        path = self.folder / "aggregator.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        code = self._process.wait(DEADLINE)
        self._process = None
        return code


@pytest.fixture
def aggregator(tmp_path: Path) -> Iterator[tuple[Aggregator, Broker, PlantCA]]:
    ca = PlantCA(tmp_path / "ca", now=datetime.now(UTC))  # noqa: TID251 # TLS asks the real time
    broker = Broker(tmp_path / "broker", ca.issue("broker"))
    aggregator = Aggregator(tmp_path, ca, broker)
    yield aggregator, broker, ca
    aggregator.end(signal.SIGKILL)


async def test_it_takes_is_killed_and_goes_on(
    aggregator: tuple[Aggregator, Broker, PlantCA], tmp_path: Path
) -> None:
    process, broker, ca = aggregator
    gateway = SealedGateway("gw-01")
    public = gateway.key.public.to_text()
    process.command("gateway", "add", "gw-01", "--key", public, "--why", "the test's own")
    keys = load_keys(tmp_path / "keys")
    assert keys.seal.public.to_text() in process.command("key")
    bundles = [gateway.seal(gateway.readings(4, 5)) for _ in range(120)]
    async with broker:
        with Speaker("gw-01", ca.issue_gateway("gw-01"), broker.port, keys) as speaker:
            for sent in range(0, 120, 40):
                await process.start_taking()
                for bundle in bundles[sent : sent + 40]:
                    speaker.say(bundle)
                await speaker.receipted(sent + 15)  # in the middle of it
                process.end(signal.SIGKILL)
                for bundle in bundles[sent : sent + 40]:
                    speaker.say(bundle, "backlog")
            await process.start_taking()
            await speaker.receipted(119)
        url = f"http://127.0.0.1:{process.port}/healthz"
        with await asyncio.to_thread(urllib.request.urlopen, url, timeout=DEADLINE) as answer:
            healthy = answer.read()
        assert json.loads(healthy) == {"status": "ok"}
        assert process.end(signal.SIGTERM) == 0
    found = json.loads(process.command("fsck", "--json"))
    assert (found["faults"], found["bundles"], found["readings"]) == ([], 120, 2400)
    assert "stored up to bundle 119" in process.command("gateway", "ls")
    rebuilt = json.loads(process.command("fsck", "--rebuild", "--json"))
    assert (rebuilt["faults"], rebuilt["segments"]) == ([], 1)
