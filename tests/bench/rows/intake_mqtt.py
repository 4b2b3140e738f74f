"""Row c: bundles through the broker into the store, beside messages to a bare paho client.

Each turn the broker holds the messages before the client connects, so that nothing but the client
limits how fast they go: ours verifies, commits, seals receipts and acknowledges; the bare one
counts and acknowledges. Both over mutual TLS, QoS 1, from mosquitto.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from aggregator.ingest.verify import Message
from plant.process import ask, our_command
from plant.site import Site
from protocols.wire.topics import Channel, topic
from tests.bench.feeder import Feeder
from tests.bench.line import START_S, view
from tests.bench.measure import Figures, cpu_s, interleave, now, until
from tests.bench.peers.client import bare
from tests.bench.scale import Scale
from tests.bench.table import Entry, Goal

_MESSAGES: Final = 8192  # a turn; the rate is taken from the first commit on
_READINGS: Final = (20, 200)  # a bundle
_BARE: Final = "gw-bare"  # a gateway whose replies the bare client takes
_NO_INDEX: Final = {"LOTPROOF_AGGREGATOR_SEGMENTS__BUNDLES_MIN": "1000000000"}


async def run(folder: Path, scale: Scale) -> list[Entry]:
    """Measure small and middling bundles."""
    os.environ.update(_NO_INDEX)
    entries: list[Entry] = []
    async with Site(folder / "site") as site:
        await site.set_up("")
        site.ca.issue_gateway(_BARE)
        await bare("mqtt", port=site.broker.port, pki=site.ca.folder, topic=_bare_topic())
        for readings in _READINGS:
            entries += await _measure(site, readings, scale)
    for name in _NO_INDEX:
        os.environ.pop(name)
    return entries


async def _measure(site: Site, readings: int, scale: Scale) -> list[Entry]:
    feeder = Feeder(f"gw-{readings}", readings=readings, signals=20)
    name, key = feeder.gateway.name, feeder.gateway.key.public.to_text()
    site.ca.issue_gateway(name)
    settings = ("--settings", str(site.aggregator_settings))
    await ask(our_command("aggregator", "gateway", "add", name, "--key", key, *settings))
    await site.aggregator.start()  # it makes the session in which the broker keeps messages
    await until(lambda: "is connected" in site.aggregator.tail(), timeout_s=START_S)
    await asyncio.sleep(1.0)
    await _publish(site, name, feeder.bundles(1))
    await until(lambda: _stored(site, name) == 0, timeout_s=START_S)
    await site.aggregator.stop()
    count = _MESSAGES // scale.divisor

    async def ours() -> Figures:
        messages = feeder.bundles(count)
        await _publish(site, name, messages)
        return await _drained(site, name, feeder.gateway.number - 1)

    async def theirs() -> Figures:
        payloads = [Message(_bare_topic(), each.payload) for each in feeder_bare.bundles(count)]
        await _publish(site, _BARE, payloads)
        arguments = {"port": site.broker.port, "pki": site.ca.folder, "topic": _bare_topic()}
        return await bare("mqtt", count=count, **arguments)

    feeder_bare = Feeder(_BARE, readings=readings, signals=20)
    rounds = await interleave({"ours": ours, "bare": theirs}, rounds=scale.rounds)
    ratio = rounds.ratio("readings_per_s", "ours", "bare")
    goal = Goal(name="G7", text="at least 0.2 x", reached=ratio >= 0.2)
    return [
        Entry(
            row="c",
            what=f"mosquitto to store, {readings} readings a bundle, SQLite",
            figure=figure,
            ours=rounds.median("ours", key),
            beside="bare paho, counts messages",
            theirs=rounds.median("bare", key),
            ratio=rounds.ratio(key, "ours", "bare"),
            goal=goal if key == "readings_per_s" else None,
        )
        for key, figure in (("readings_per_s", "bundles/s"), ("cpu_us", "CPU us a bundle"))
    ]


async def _drained(site: Site, gateway: str, last: int) -> Figures:
    """Start the aggregator and see it store all up to bundle ``last``."""
    before = _stored(site, gateway)
    await site.aggregator.start()
    try:
        await until(lambda: _stored(site, gateway) > before, timeout_s=START_S, every_s=0.001)
        first, began, cost = _stored(site, gateway), now(), cpu_s(site.aggregator.pid)
        await until(lambda: _stored(site, gateway) == last, timeout_s=120, every_s=0.001)
        seconds, spent = now() - began, cpu_s(site.aggregator.pid) - cost
    finally:
        await site.aggregator.stop()
    return {"readings_per_s": (last - first) / seconds, "cpu_us": spent / (last - first) * 1e6}


def _stored(site: Site, gateway: str) -> int:
    with closing(view(site.folder / "aggregator.db")) as database:
        row = database.execute("SELECT head FROM epochs WHERE gateway = ?", (gateway,)).fetchone()
    return -1 if row is None else int(row[0])


def _bare_topic() -> str:
    return topic(_BARE, Channel.REPLY)


async def _publish(site: Site, gateway: str, messages: Sequence[Message]) -> None:
    """Publish as the gateway, and return when the broker has acknowledged all."""
    await asyncio.to_thread(_publish_all, site, gateway, messages)


def _publish_all(site: Site, gateway: str, messages: Sequence[Message]) -> None:
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    context = ssl.create_default_context(cafile=str(site.ca.root))
    context.load_cert_chain(site.ca.folder / f"{gateway}.pem", site.ca.folder / f"{gateway}.key")
    client.tls_set_context(context)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", site.broker.port)
    client.loop_start()
    sent = [client.publish(each.topic, each.payload, qos=1) for each in messages]
    for each in sent:
        each.wait_for_publish(60)
    client.disconnect()
    client.loop_stop()
