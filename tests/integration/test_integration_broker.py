"""Events by MQTT: what was committed before a kill is published after it, in order, mutual TLS."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from aggregator.access import tokens
from aggregator.access.roles import Actor, Role
from aggregator.access.tokens import TokenKind
from aggregator.app import open_context
from aggregator.settings import load_settings
from plant.broker import Broker, mosquitto_path
from plant.ca import PlantCA
from tests.integration.test_intake_broker import DEADLINE, until
from tests.integration.test_intake_process import Aggregator

MES = Actor(name="mes", roles=frozenset({Role.INTEGRATION}))


class Follower:
    """Another system that follows events at the broker, under a certificate of its own."""

    def __init__(self, ca: PlantCA, port: int) -> None:
        own = ca.issue("qms")
        context = ssl.create_default_context(cafile=str(own.ca))
        context.load_cert_chain(own.certificate, own.key)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.subscribed = False
        self._port = port
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="qms")
        self._client.tls_set_context(context)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        # paho closes its pair of sockets when it is collected: let no circle put that off.
        self._client.on_connect = self._client.on_message = self._client.on_subscribe = None

    @property
    def numbers(self) -> list[int]:
        """The numbers of the events, as they came."""
        return [int(event["id"]) for _, event in self.events]

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe("lotproof/v1/events/+", qos=1)

    def _on_subscribe(self, *_: Any) -> None:
        self.subscribed = True

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self.events.append((message.topic, json.loads(message.payload)))


@pytest.fixture
async def line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Aggregator, Broker, PlantCA, dict[str, str]]]:
    if mosquitto_path() is None:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    access = (Path(__file__).parents[2] / "deploy/mosquitto/lotproof.acl").read_text("utf-8")
    (tmp_path / "acl").write_text(
        f"{access}\nuser qms\ntopic read lotproof/v1/events/+\n", encoding="utf-8"
    )
    monkeypatch.setattr("plant.broker.ACCESS_LIST", tmp_path / "acl")
    ca = PlantCA(tmp_path / "ca", now=datetime.now(UTC))  # noqa: TID251 # TLS asks the real time
    broker = Broker(tmp_path / "broker", ca.issue("broker"), embedded=False)
    aggregator = Aggregator(tmp_path, ca, broker)
    with aggregator.settings.open("a", encoding="utf-8") as file:
        file.write("[events]\nmqtt = true\npoll_seconds = 0.1\nretry_seconds = 0.1\n")
    settings = load_settings(aggregator.settings)
    async with open_context(settings) as context, context.store.write() as tx:
        _, text = await tokens.issue(tx, MES, TokenKind.SERVICE, now=context.clock.now())
    yield aggregator, broker, ca, {"Authorization": f"Bearer {text}"}
    aggregator.end(signal.SIGKILL)


async def put_lines(aggregator: Aggregator, headers: dict[str, str], first: int, end: int) -> None:
    base = f"http://127.0.0.1:{aggregator.port}"
    async with httpx.AsyncClient(base_url=base, timeout=DEADLINE) as http:
        for number in range(first, end):
            path = f"plant/line-{number}"
            answer = await http.put(
                f"/api/v1/equipment/{path}", json={"path": path}, headers=headers
            )
            assert answer.status_code == 200, answer.text


@pytest.mark.req(49)
async def test_what_was_committed_before_a_kill_is_published_after_it(
    line: tuple[Aggregator, Broker, PlantCA, dict[str, str]],
) -> None:
    aggregator, broker, ca, headers = line
    await aggregator.start()
    await put_lines(aggregator, headers, 0, 5)  # there is no broker: committed and not sent
    aggregator.end(signal.SIGKILL)
    async with broker:
        with Follower(ca, broker.port) as follower:
            await until(lambda: follower.subscribed)
            await aggregator.start()
            await until(lambda: len(set(follower.numbers)) >= 5)
            for first in range(5, 45, 10):  # killed in the middle of sending, again and again
                await put_lines(aggregator, headers, first, first + 10)
                aggregator.end(signal.SIGKILL)
                await aggregator.start()
            await until(lambda: len(set(follower.numbers)) >= 45)
            aggregator.end(signal.SIGTERM)
            numbers = follower.numbers
            fresh = list(dict.fromkeys(numbers))
            assert fresh == list(range(fresh[0], fresh[0] + 45)), "none is lost, none overtaken"
            topics = {topic for topic, _ in follower.events}
            assert topics == {"lotproof/v1/events/lotproof.master.created"}
            subjects = [event["subject"] for _, event in follower.events]
            assert list(dict.fromkeys(subjects)) == [f"equipment/plant/line-{n}" for n in range(45)]


async def test_a_broker_that_refuses_has_taken_nothing(
    line: tuple[Aggregator, Broker, PlantCA, dict[str, str]],
) -> None:
    aggregator, broker, ca, headers = line
    access_list = broker.folder / "lotproof.acl"
    allowed = access_list.read_text(encoding="utf-8")
    forbidden = allowed.replace("topic write lotproof/v1/events/+\n", "")
    access_list.write_text(forbidden, encoding="utf-8")
    async with broker:
        with Follower(ca, broker.port) as follower:
            await until(lambda: follower.subscribed)
            await aggregator.start()
            await put_lines(aggregator, headers, 0, 1)
            async with open_context(load_settings(aggregator.settings)) as context:
                async with asyncio.timeout(DEADLINE):
                    while True:
                        async with context.store.read() as tx:
                            row = await tx.fetch_one("receivers.one", id="broker")
                        if row is not None and row["failures"] >= 1:
                            break
                        await asyncio.sleep(0.05)
            assert row["position"] == 0, (
                "an acknowledged message that was forbidden is not delivered"
            )
            assert follower.numbers == []
            access_list.write_text(allowed, encoding="utf-8")
            os.kill(broker.pid, signal.SIGHUP)  # it reads its access list again
            await until(lambda: follower.numbers == [1])
            aggregator.end(signal.SIGTERM)
