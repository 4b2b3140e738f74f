"""A plant's own broker, and equipment that publishes there: JSON, or as a Sparkplug node."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from plant.broker import mosquitto_path
from plant.network import Proxy
from plant.ports import free_port, listening
from plant.process import Process
from plant.running import Running
from protocols.field.driver import DriverSettings
from protocols.field.mqtt import SPEC
from tests.contract.driver_contract import PATIENCE, Keeps, Lie, Rig, Truth

_CONF = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 100000
log_type error
"""


class OpenBroker(Running):
    """mosquitto without certificates, as many plants have it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        conf = folder / "mosquitto.conf"
        conf.write_text(_CONF.format(port=self.port))
        command = (str(mosquitto_path()), "-c", str(conf))
        self._process = Process("mosquitto", command, folder / "mosquitto.log")

    async def _begin(self) -> None:
        await self._process.start()
        await listening(self.port, timeout_s=PATIENCE)

    async def _end(self) -> None:
        await self._process.kill()


class Publisher(Running):
    """A client of the broker that publishes and hears what it is told."""

    def __init__(self, port: int, *, hears: str = "") -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._port = port
        self._hears = hears
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        self._client = client

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False
    ) -> None:
        sent = self._client.publish(topic, payload, qos=qos, retain=retain)
        await asyncio.to_thread(sent.wait_for_publish, PATIENCE)

    async def _begin(self) -> None:
        await asyncio.to_thread(self._client.connect, "127.0.0.1", self._port)
        self._client.loop_start()
        await asyncio.wait_for(self._ready.wait(), PATIENCE)

    async def _end(self) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        self._client.on_connect = self._client.on_subscribe = self._client.on_message = None

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe(self._hears or "nothing/at/all", qos=1)

    def _on_subscribe(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ready.set)

    def _on_message(self, _c: paho.Client, _u: object, message: paho.MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))


class JsonRig(Rig):
    """Equipment that publishes documents at QoS 1 behind the proxy."""

    spec = SPEC
    counter = "count"
    keeps = Keeps.EVERY
    source_time = True
    silence_max = 30.0
    absent = ("absent",)

    def __init__(self, folder: Path, proxy: Proxy, **changes: object) -> None:
        self.proxy = proxy
        self.made = 0
        self._changes = changes
        self._folder = folder
        self._broker: OpenBroker | None = None
        self._publisher: Publisher | None = None

    def settings(self) -> DriverSettings:
        time_of = {"time_path": "at", "time_unit": "ms"}
        signals: list[dict[str, Any]] = [
            {"name": "count", "topic": "line/count", "path": "n", "kind": "uint", **time_of},
            {"name": "absent", "topic": "line/count", "path": "no.such"},
            {"name": "zone", "topic": "line/press", "path": "zones[1].temp", "unit": "Cel"},
            {"name": "lot", "topic": "line/press", "path": "lot", "kind": "text", "optional": True},
            {"name": "on", "topic": "line/press", "path": "on", "kind": "bool", "optional": True},
            {"name": "dated", "topic": "line/dated", "path": "v", "kind": "int", **time_of},
        ]
        return SPEC.settings.model_validate(
            {
                "host": "127.0.0.1",
                "port": self.proxy.port,
                "keepalive_s": 2,
                "timeout_s": 2,
                "signals": signals,
                **self._changes,
            }
        )

    async def start(self) -> None:
        self._broker = await OpenBroker(self._folder).__aenter__()
        self.proxy.target = ("127.0.0.1", self._broker.port)
        self._publisher = await Publisher(self._broker.port).__aenter__()

    async def stop(self) -> None:
        publisher, broker, self._publisher, self._broker = self._publisher, self._broker, None, None
        if publisher is not None:
            await publisher.__aexit__()
        if broker is not None:
            await broker.__aexit__()

    async def publish(self, topic: str, document: object, **how: Any) -> None:
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        assert self._publisher is not None
        await self._publisher.publish(topic, data, **how)

    async def produce(self) -> None:
        self.made += 1
        await self.publish("line/count", {"n": self.made, "at": now_ms()})

    def truths(self) -> Sequence[Truth]:
        def put(**document: object) -> Any:
            return lambda: self.publish("line/press", {"zones": [{}, {"temp": 1.0}], **document})

        return (
            Truth(signal="zone", put=put(zones=[0, {"temp": 121.25}]), value=121.25),
            Truth(signal="zone", put=put(zones=[0, {"temp": 121}]), value=121.0),
            Truth(signal="lot", put=put(lot="批-7"), value="批-7"),
            Truth(signal="on", put=put(on=True), value=True),
        )

    def lies(self) -> Sequence[Lie]:
        def press(text: str) -> Any:
            return lambda: self.publish("line/press", text.encode())

        far = {"v": 1, "at": now_ms() + 3_600_000}
        return (
            Lie(label="NaN", signal="zone", put=press('{"zones":[0,{"temp":NaN}]}')),
            Lie(label="infinity", signal="zone", put=press('{"zones":[0,{"temp":1e999}]}')),
            Lie(label="text", signal="zone", put=press('{"zones":[0,{"temp":"hot"}]}')),
            Lie(label="null", signal="zone", put=press('{"zones":[0,{"temp":null}]}'), raw=False),
            Lie(label="no JSON", signal="zone", put=press('{"zones":')),
            Lie(label="deep", signal="zone", put=press("[" * 200_000)),
            Lie(label="a whole object", signal="zone", put=press('{"zones":[0,{"temp":{"a":1}}]}')),
            Lie(
                label="an impossible time",
                signal="dated",
                put=lambda: self.publish("line/dated", far),
            ),
            Lie(
                label="no time",
                signal="dated",
                put=lambda: self.publish("line/dated", {"v": 1, "at": "noon"}),
            ),
        )


def now_ms() -> int:
    return time.time_ns() // 1_000_000  # noqa: TID251 -- a test stands where equipment does


def field(number: int, value: float | bytes) -> bytes:
    """Return a field of Protocol Buffers, written from its specification for the tests alone."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if isinstance(value, int):
        return varint(number << 3) + varint(value & 2**64 - 1)
    return varint(number << 3 | 1) + struct.pack("<d", value)


def varint(value: int) -> bytes:
    made = b""
    while value > 127:
        made += bytes((value % 128 + 128,))
        value //= 128
    return made + bytes((value,))


DOUBLE, INT32, BOOLEAN, STRING, UINT64, DATASET = 10, 3, 11, 12, 8, 16


def metric(
    name: str = "",
    datatype: int = 0,
    value: object = None,
    *,
    alias: int | None = None,
    ms: int | None = None,
    historical: bool = False,
    quality: int | None = None,
) -> bytes:
    """Return a metric of Sparkplug B as a node would write it."""
    made = field(1, name.encode()) if name else b""
    made += b"" if alias is None else field(2, alias)
    made += b"" if ms is None else field(3, ms)
    made += field(4, datatype) if datatype else b""
    made += field(5, 1) if historical else b""
    if quality is not None:
        value_of = field(1, INT32) + field(3, quality)
        made += field(9, field(1, b"Quality") + field(2, value_of))
    match value:
        case None:
            return made + field(7, 1)
        case bool():
            return made + field(14, int(value))
        case int():
            return made + (field(11, value) if datatype == UINT64 else field(10, value % 2**32))
        case float():
            return made + field(13, value)
        case str():
            return made + field(15, value.encode())
        case bytes():
            return made + field(17, value)
    raise TypeError(value)


class SparkplugNode:
    """A node as its specification has it: births, data in sequence, a will."""

    def __init__(self, publisher: Publisher, group: str = "plant", name: str = "edge-1") -> None:
        self._publisher = publisher
        self._group, self._name = group, name
        self.seq = 0
        self.births = 0

    async def say(self, kind: str, *metrics: bytes, device: str = "", seq: bool = True) -> None:
        if kind == "NBIRTH":
            self.seq = 0
            self.births += 1
        own: tuple[bytes, ...] = ()
        if kind in ("NBIRTH", "NDEATH"):
            own = (metric("bdSeq", UINT64, self.births),)
        data = field(1, now_ms()) + b"".join(field(2, each) for each in (*own, *metrics))
        if seq and kind != "NDEATH":
            data += field(3, self.seq)
            self.seq = (self.seq + 1) % 256
        await self._publisher.publish(self.topic(kind, device), data, qos=0)

    def topic(self, kind: str, device: str = "") -> str:
        return "/".join(filter(None, ("spBv1.0", self._group, kind, self._name, device)))
