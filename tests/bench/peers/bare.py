"""Clients without anything of ours, each a process of its own.

``python -m tests.bench.peers.bare <client> ...``: they read, decode and count, and keep nothing.
Each prints one JSON object of what it did.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import psutil  # type: ignore[import-untyped]  # it has no types

_PER_REQUEST: Final = 125  # registers; the most that one request may ask for


def main() -> None:
    """Run the client that was asked for."""
    parser = argparse.ArgumentParser()
    clients = parser.add_subparsers(required=True)
    for name, client in (("modbus", modbus), ("opcua", opcua), ("mqtt", mqtt)):
        arguments = clients.add_parser(name)
        arguments.set_defaults(client=client)
        arguments.add_argument("--port", type=int, required=True)
        arguments.add_argument("--count", type=int, default=0)
        arguments.add_argument("--seconds", type=float, default=0.0)
        arguments.add_argument("--period", type=float, default=1.0)
        arguments.add_argument("--pki", type=Path)
        arguments.add_argument("--topic")
    asked = parser.parse_args()
    asked.client(asked)


def modbus(asked: argparse.Namespace) -> None:
    """Poll ``count`` holding registers every ``period`` seconds, for ``seconds``."""
    from pymodbus.client import AsyncModbusTcpClient

    async def run(seen: _Seen) -> None:
        client = AsyncModbusTcpClient("127.0.0.1", port=asked.port)
        await client.connect()
        due = time.perf_counter()
        seen.begin()
        while time.perf_counter() < seen.began + asked.seconds:
            for first in range(0, asked.count, _PER_REQUEST):
                wanted = min(_PER_REQUEST, asked.count - first)
                answer = await client.read_holding_registers(first, count=wanted, device_id=1)
                seen.count += len(answer.registers)
            due += asked.period
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        seen.end()
        client.close()

    _report(run)


def opcua(asked: argparse.Namespace) -> None:
    """Subscribe to ``count`` variables, publishing every ``period`` seconds; count values."""
    from asyncua import Client, ua

    async def run(seen: _Seen) -> None:
        class Handler:
            """Called by asyncua for each value."""

            def datachange_notification(self, *_: object) -> None:
                seen.count += 1

        async with Client(f"opc.tcp://127.0.0.1:{asked.port}/bench/") as client:
            subscription = await client.create_subscription(asked.period * 1000, Handler())
            variables = [
                client.get_node(f"ns=2;i={number}") for number in range(1, asked.count + 1)
            ]
            for at in range(0, len(variables), 500):
                await subscription.subscribe_data_change(
                    variables[at : at + 500],
                    queuesize=1000,
                    sampling_interval=ua.Double(asked.period * 1000),
                )
            seen.begin()
            await asyncio.sleep(asked.seconds)
            seen.end()

    _report(run)


def mqtt(asked: argparse.Namespace) -> None:
    """Take ``count`` messages of a kept session; with none, only make that session."""
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    seen, done, subscribed = _Seen(), threading.Event(), threading.Event()

    def on_connect(client: Client, _data: Any, _flags: Any, _reason: Any, _props: Any) -> None:
        client.subscribe(asked.topic, qos=1)

    def on_subscribe(*_: Any) -> None:
        subscribed.set()

    def on_message(_client: Client, _data: Any, message: MQTTMessage) -> None:
        if seen.count == 0:
            seen.begin()
        seen.count += 1
        if seen.count >= asked.count:
            seen.end()
            done.set()

    client = Client(
        CallbackAPIVersion.VERSION2, client_id="bench-bare", protocol=MQTTProtocolVersion.MQTTv5
    )
    context = ssl.create_default_context(cafile=str(asked.pki / "ca.pem"))
    context.load_cert_chain(asked.pki / "aggregator.pem", asked.pki / "aggregator.key")
    client.tls_set_context(context)
    client.on_connect, client.on_message = on_connect, on_message
    client.on_subscribe = on_subscribe
    kept = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    kept.SessionExpiryInterval = 3600
    kept.ReceiveMaximum = 1024
    client.connect("127.0.0.1", asked.port, clean_start=False, properties=kept)
    client.loop_start()
    (done if asked.count else subscribed).wait(60)
    client.disconnect()
    client.loop_stop()
    sys.stdout.write(json.dumps(seen.figures()) + "\n")


class _Seen:
    """What was counted between begin and end."""

    def __init__(self) -> None:
        self.count = 0
        self.began = self.seconds = self.cpu_s = 0.0

    def begin(self) -> None:
        self.count = 0
        self.began, self.cpu_s = time.perf_counter(), time.process_time()

    def end(self) -> None:
        self.seconds = time.perf_counter() - self.began
        self.cpu_s = time.process_time() - self.cpu_s

    def figures(self) -> dict[str, float]:
        memory = psutil.Process().memory_info().rss / 1e6
        return {
            "count": self.count,
            "seconds": self.seconds,
            "cpu_s": self.cpu_s,
            "rss_mb": memory,
        }


def _report(run: Callable[[_Seen], Awaitable[None]]) -> None:
    async def whole() -> None:
        seen = _Seen()
        await run(seen)
        sys.stdout.write(json.dumps(seen.figures()) + "\n")

    asyncio.run(whole())


if __name__ == "__main__":
    main()
