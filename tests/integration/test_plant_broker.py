"""Both brokers let in only who holds a certificate, and only to its own topics."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Self

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from plant.broker import Broker, mosquitto_path
from plant.ca import Credentials, PlantCA
from plant.clock import utc_now
from tests.integration.agent_peer import PATIENCE

pytestmark = pytest.mark.parametrize("embedded", [False, True], ids=["mosquitto", "embedded"])


class Client:
    """A small client that remembers what came."""

    def __init__(self, name: str, port: int, credentials: Credentials | None, ca: Path) -> None:
        self.messages: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.connected = asyncio.Event()
        self.subscribed = asyncio.Event()
        loop = asyncio.get_running_loop()
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=name, reconnect_on_failure=False
        )
        context = ssl.create_default_context(cafile=str(ca))
        if credentials is not None:
            context.load_cert_chain(credentials.certificate, credentials.key)
        client.tls_set_context(context)
        # paho closes its pair of sockets when it is collected: its callbacks hold no circle.
        connection, subscription, messages = self.connected, self.subscribed, self.messages

        def connected(*_: object) -> None:
            loop.call_soon_threadsafe(connection.set)

        def subscribed(*_: object) -> None:
            loop.call_soon_threadsafe(subscription.set)

        def arrived(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
            item = (message.topic, bytes(message.payload))
            loop.call_soon_threadsafe(messages.put_nowait, item)

        client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, arrived
        self.client = client
        self.port = port

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.client.connect, "127.0.0.1", self.port)
        self.client.loop_start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)


@pytest.fixture
def ca(tmp_path: Path) -> PlantCA:
    return PlantCA(tmp_path / "pki", now=utc_now())


def broker(tmp_path: Path, ca: PlantCA, embedded: bool) -> Broker:
    if not embedded and mosquitto_path() is None:
        pytest.fail("mosquitto is not installed: ./dev test installs it")
    return Broker(tmp_path / "broker", ca.issue("broker"), embedded=embedded)


async def test_a_gateway_reaches_the_aggregator_and_nobody_else(
    tmp_path: Path, ca: PlantCA, embedded: bool
) -> None:
    async with (
        broker(tmp_path, ca, embedded) as running,
        Client("aggregator", running.port, ca.issue("aggregator"), ca.root) as aggregator,
        Client("gw-1", running.port, ca.issue_gateway("gw-1"), ca.root) as gateway,
    ):
        await asyncio.wait_for(aggregator.connected.wait(), PATIENCE)
        await asyncio.wait_for(gateway.connected.wait(), PATIENCE)
        aggregator.client.subscribe("lotproof/v1/+/bundle", qos=1)
        await asyncio.wait_for(aggregator.subscribed.wait(), PATIENCE)
        gateway.client.publish("lotproof/v1/gw-2/bundle", b"another's topic", qos=1)
        gateway.client.publish("lotproof/v1/gw-1/bundle", b"its own", qos=1)
        assert await asyncio.wait_for(aggregator.messages.get(), PATIENCE) == (
            "lotproof/v1/gw-1/bundle",
            b"its own",
        )
        assert aggregator.messages.empty()


async def test_a_client_without_the_plants_certificate_is_refused(
    tmp_path: Path, ca: PlantCA, embedded: bool
) -> None:
    stranger = PlantCA(tmp_path / "other", now=utc_now()).issue_gateway("gw-1")
    async with broker(tmp_path, ca, embedded) as running:
        for credentials in (None, stranger):
            client = Client("gw-1", running.port, credentials, ca.root)
            try:
                async with client:
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(client.connected.wait(), 0.5)
            except (ssl.SSLError, OSError):
                continue


async def test_a_killed_broker_comes_back_on_its_port(
    tmp_path: Path, ca: PlantCA, embedded: bool
) -> None:
    async with broker(tmp_path, ca, embedded) as running:
        before = running.pid
        await running.kill()
        await running.start()
        assert running.pid != before
        async with Client("gw-1", running.port, ca.issue_gateway("gw-1"), ca.root) as client:
            await asyncio.wait_for(client.connected.wait(), PATIENCE)
