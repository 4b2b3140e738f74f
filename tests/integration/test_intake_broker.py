"""The intake beside a real broker: what comes by MQTT is stored, answered, and only then acked."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from aggregator.clock import SystemClock
from aggregator.ingest.decisions import Decisions
from aggregator.ingest.intake import Intake
from aggregator.ingest.link import BrokerLink, take_messages
from aggregator.settings import BrokerSettings, IntakeSettings, Mqtt
from aggregator.store import registry
from aggregator.store.base import Row
from aggregator.store.keys import Keys, load_keys
from aggregator.store.sqlite import SqliteStore
from plant.broker import Broker
from plant.ca import Credentials, PlantCA
from protocols.wire.header import OpeningReason
from protocols.wire.receipt import EpochState, Receipt, open_receipt
from tests.sealed import SealedGateway, key_named

DEADLINE = 90.0


@dataclass(slots=True, kw_only=True)
class Line:
    """A broker, an intake that reads from it, and a store."""

    folder: Path
    ca: PlantCA
    broker: Broker
    store: SqliteStore
    keys: Keys
    settings: BrokerSettings
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    link: BrokerLink | None = None

    async def start_intake(self) -> None:
        """Connect an intake and wait until it is."""
        intake_settings = IntakeSettings(retry_seconds=0.1)
        intake = Intake(self.store, self.keys, SystemClock(), intake_settings)
        self.link = BrokerLink(self.settings, intake_settings)
        self.tasks = [
            asyncio.create_task(self.link.run(intake.receipts)),
            asyncio.create_task(take_messages(self.link, intake)),
            asyncio.create_task(Decisions(intake, self.link.publish).run()),
        ]
        await asyncio.wait_for(self.link.connected.wait(), DEADLINE)

    async def stop_intake(self) -> None:
        """End it as a stop of the service does."""
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def register(self, gateway: SealedGateway) -> None:
        """Let the gateway in."""
        async with self.store.write() as tx:
            await registry.add_gateway(tx, gateway.name, gateway.key.public, by="test", now=1)

    async def quarantine(self) -> list[Row]:
        """Return what was refused."""
        async with self.store.read() as tx:
            return await tx.fetch("quarantine.newest", count=100)

    async def heads(self) -> list[int]:
        """Return the heads of all epochs."""
        async with self.store.read() as tx:
            return [row["head"] for row in await tx.fetch("epochs.all")]

    def speaker(self, name: str) -> Speaker:
        """Return a client with this gateway's certificate."""
        return Speaker(name, self.ca.issue_gateway(name), self.broker.port, self.keys)


class Speaker:
    """What a gateway's uplink does, without a buffer."""

    def __init__(self, name: str, credentials: Credentials, port: int, keys: Keys) -> None:
        self.name = name
        self.receipts: list[bytes] = []
        self._keys = keys
        self._port = port
        context = ssl.create_default_context(cafile=str(credentials.ca))
        context.load_cert_chain(credentials.certificate, credentials.key)
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=name,
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        self._client.tls_set_context(context)
        self._client.on_message = self._on_message
        self._client.on_connect = self._on_connect

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        # paho closes its pair of sockets when it is collected: let no circle put that off.
        self._client.on_connect = self._client.on_message = None

    def say(self, data: bytes, channel: str = "bundle", gateway: str | None = None) -> None:
        """Publish on a topic of ours, or of another gateway."""
        self._client.publish(f"lotproof/v1/{gateway or self.name}/{channel}", data, qos=1)

    @property
    def newest(self) -> Receipt | None:
        """The newest receipt, opened with the aggregator's key."""
        data = self.receipts[-1:] or None
        return None if data is None else open_receipt(data[0], self._keys.seal.public)

    async def receipted(self, number: int) -> Receipt:
        """Wait for a receipt of this bundle."""
        await until(lambda: self.newest is not None and self.newest.number >= number)
        if self.newest is None:
            raise AssertionError
        return self.newest

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe(f"lotproof/v1/{self.name}/receipt", qos=1)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self.receipts.append(bytes(message.payload))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that threads bring about."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 # what is waited for happens in threads
            await asyncio.sleep(0.01)


@pytest.fixture(params=["mosquitto", "embedded"])
async def line(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    ca = PlantCA(tmp_path / "ca", now=datetime.now(UTC))  # noqa: TID251 # TLS asks the real time
    broker = Broker(tmp_path / "broker", ca.issue("broker"), embedded=request.param == "embedded")
    own = ca.issue("aggregator")
    store = SqliteStore(tmp_path / "aggregator.db", timeout_seconds=0.5)
    await store.open()
    await store.migrate()
    async with broker:
        settings = BrokerSettings(
            port=broker.port,
            ca_file=own.ca,
            certificate_file=own.certificate,
            key_file=own.key,
            client_id="aggregator",
            retry_seconds_max=1,
            version=Mqtt.AUTO,
            connect_timeout_seconds=2,
        )
        line = Line(
            folder=tmp_path,
            ca=ca,
            broker=broker,
            store=store,
            keys=load_keys(tmp_path / "keys"),
            settings=settings,
        )
        await line.start_intake()
        yield line
        await line.stop_intake()
    await store.close()


async def test_bundles_are_stored_and_receipted(line: Line) -> None:
    gateway = SealedGateway("gw-01")
    await line.register(gateway)
    with line.speaker("gw-01") as speaker:
        for _ in range(50):
            speaker.say(gateway.seal(gateway.readings(5, 4)))
        receipt = await speaker.receipted(49)
    assert (receipt.leaf, receipt.state) == (gateway.previous, EpochState.TRUSTED)
    assert await line.heads() == [49]


async def test_a_repeat_is_a_success_with_the_same_receipt(line: Line) -> None:
    gateway = SealedGateway("gw-01")
    await line.register(gateway)
    bundle = gateway.seal(gateway.readings(2))
    with line.speaker("gw-01") as speaker:
        speaker.say(bundle)
        await speaker.receipted(0)
        await until(lambda: len(speaker.receipts) == 1)
        speaker.say(bundle, "backlog")
        await until(lambda: len(speaker.receipts) == 2)
        assert speaker.receipts[0] == speaker.receipts[1]
    assert await line.quarantine() == []


async def test_a_birth_is_answered_by_what_is_stored(line: Line) -> None:
    gateway = SealedGateway("gw-01")
    await line.register(gateway)
    with line.speaker("gw-01") as speaker:
        speaker.say(gateway.life(), "life")
        receipt = await speaker.receipted(-1)
    assert (receipt.number, receipt.epoch) == (-1, gateway.epoch)


async def test_what_is_forged_is_quarantined_once_and_stops_nobody(line: Line) -> None:
    gateway, stranger = SealedGateway("gw-01"), SealedGateway("gw-02", key=key_named("x"))
    await line.register(gateway)
    await line.register(SealedGateway("gw-02"))
    first = gateway.seal(gateway.readings(2))
    flipped = bytearray(first)
    flipped[-20] ^= 1
    strange = stranger.seal(stranger.readings(1))
    with line.speaker("gw-01") as speaker, line.speaker("gw-02") as other:
        for _ in range(3):
            speaker.say(bytes(flipped))
            speaker.say(first[:-7])
            other.say(first)  # another gateway's bundle
            other.say(strange)
        speaker.say(first)
        await speaker.receipted(0)
        other.say(first, gateway="gw-01")  # the broker's access list forbids it
    refused = {(row["check_number"], row["reason"]): row["seen"] for row in await line.quarantine()}
    assert refused.pop((8, "hash")) == 3
    assert refused.pop((2, "malformed")) == 3
    assert refused.pop((6, "identity")) == 3
    assert refused == {(6, "unknown_key"): 3}
    assert await line.heads() == [0]


async def test_nothing_is_receipted_while_the_store_takes_nothing(line: Line) -> None:
    gateway = SealedGateway("gw-01")
    await line.register(gateway)
    blocker = sqlite3.connect(line.folder / "aggregator.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with line.speaker("gw-01") as speaker:
        speaker.say(gateway.seal(gateway.readings(2)))
        await asyncio.sleep(1.5)  # longer than the store waits for the lock
        assert speaker.receipts == []
        blocker.execute("ROLLBACK")
        blocker.close()
        await speaker.receipted(0)


async def test_receipts_are_given_again_to_a_broker_that_forgot_them(line: Line) -> None:
    gateway = SealedGateway("gw-01")
    await line.register(gateway)
    with line.speaker("gw-01") as speaker:
        speaker.say(gateway.seal(gateway.readings(2)))
        await speaker.receipted(0)
    await line.broker.kill()
    await line.broker.start()
    link = line.link
    if link is None:
        raise AssertionError
    await asyncio.wait_for(link.connected.wait(), DEADLINE)
    with line.speaker("gw-01") as speaker:
        assert (await speaker.receipted(0)).leaf == gateway.previous
        speaker.say(gateway.seal(gateway.readings(2)))
        await speaker.receipted(1)


async def test_what_came_while_no_intake_ran_is_taken_by_the_next(line: Line) -> None:
    gateway = SealedGateway("gw-01")
    await line.register(gateway)
    await line.stop_intake()
    bundles = [gateway.seal(gateway.readings(2)) for _ in range(30)]
    with line.speaker("gw-01") as speaker:
        for bundle in bundles:
            speaker.say(bundle)
        await line.start_intake()
        if (
            line.broker.embedded
        ):  # it keeps nothing for a session; a gateway without receipt resends
            for bundle in bundles:
                speaker.say(bundle, "backlog")
        await speaker.receipted(29)


async def test_a_decision_reaches_a_gateway_that_says_nothing(line: Line) -> None:
    gateway = SealedGateway("gw-01")
    await line.register(gateway)
    with line.speaker("gw-01") as speaker:
        speaker.say(gateway.seal(gateway.readings(1)))
        await speaker.receipted(0)
        again = SealedGateway("gw-01", seed=2, reason=OpeningReason.BUFFER_LOST)
        speaker.say(again.seal(again.readings(1)))
        await until(lambda: (found := speaker.newest) is not None and found.epoch == again.epoch)
        assert speaker.newest is not None
        assert speaker.newest.state is EpochState.UNAPPROVED
        async with line.store.write() as tx:
            await registry.approve_epoch(tx, "gw-01", by="qa", now=2)
        await until(
            lambda: (found := speaker.newest) is not None and found.state is EpochState.TRUSTED
        )
        told = len(speaker.receipts)
        await asyncio.sleep(1.5)  # longer than between two looks
        assert len(speaker.receipts) == told, "it is said once"
