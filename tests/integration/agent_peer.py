"""A broker, a gateway's settings, and a giver of receipts who believes nothing: the agent's peers.

The giver stands where the aggregator does, with the wire's own code: it opens every bundle under
the gateway's key, places it in its chain, and seals a receipt that names what it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Self

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge_agent.fsck import Report, check
from edge_agent.keys import load
from plant.broker import Broker
from plant.ca import Credentials, PlantCA
from plant.clock import utc_now
from plant.process import Process, ask, our_command
from plant.running import Running
from protocols.wire.bundle import check_columns, open_body, open_header, split_bundle
from protocols.wire.chain import Chain, Link, Verdict, step
from protocols.wire.checkpoint import Checkpoint, NoteKey, sign_checkpoint
from protocols.wire.control.command import CommandKind, SettingsCommand, seal_command
from protocols.wire.header import Epoch, GatewayId, Header
from protocols.wire.life import Life, open_life
from protocols.wire.reading import SECOND, Reading
from protocols.wire.receipt import EpochState, Receipt, seal_receipt
from protocols.wire.seal import PublicKey
from protocols.wire.tlog import leaf_hash, root
from protocols.wire.topics import Channel, parse_topic, topic
from tests.sealed import key_named

GATEWAY = GatewayId("gw-01")
ORIGIN = "lotproof.example/test"
PATIENCE = 90.0
_ON_THE_WAY_S = 3.0  # of what the broker took before the agent ended


async def until(condition: Callable[[], object], why: str, *, seconds: float = PATIENCE) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 -- what arrives has no event
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(why)


class ReceiptGiver:
    """What an aggregator must do, and a test may make it leave undone."""

    def __init__(self, port: int, credentials: Credentials) -> None:
        self.key = key_named("aggregator")
        self.log_key = key_named("log")
        self.gateway_key: PublicKey | None = None
        self.gives = True  # receipts
        self.record_time = int(utc_now().timestamp()) * SECOND
        self.headers: dict[tuple[Epoch, int], Header] = {}
        self.leaves: dict[tuple[Epoch, int], bytes] = {}
        self.readings: list[Reading] = []
        self.chains: dict[Epoch, Chain] = {}
        self.verdicts: list[Verdict] = []
        self.arrivals: list[tuple[Channel, Epoch, int]] = []
        self.lives: list[Life] = []
        self.problems: list[str] = []
        self.log_leaves: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._port = port
        self._ready = asyncio.Event()
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="aggregator")
        context = ssl.create_default_context(cafile=str(credentials.ca))
        context.load_cert_chain(credentials.certificate, credentials.key)
        client.tls_set_context(context)
        client.reconnect_delay_set(0.1, 0.5)  # type: ignore[arg-type]  # takes fractions as well
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        self._client = client

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._client.connect, "127.0.0.1", self._port, 5)
        self._client.loop_start()
        await asyncio.wait_for(self._ready.wait(), PATIENCE)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        # paho closes its pair of sockets when it is collected: let no circle put that off.
        self._client.on_connect = self._client.on_subscribe = self._client.on_message = None

    def head(self) -> int:
        """Return the head of the newest epoch."""
        return next(reversed(self.chains.values())).head if self.chains else -1

    def give(self, receipt: Receipt) -> None:
        """Publish a receipt, whatever it says."""
        self._client.publish(
            topic(GATEWAY, Channel.RECEIPT), seal_receipt(receipt, self.key), qos=1, retain=True
        )

    def command(self, version: int, document: object, **changes: object) -> None:
        """Publish settings, whatever they say."""
        fields: dict[str, object] = {
            "gateway": GATEWAY,
            "version": version,
            "kind": CommandKind.APPLY,
            "document": json.dumps(document),
            "record_time": self.record_time,
            "trial_seconds": 60,  # it ends as soon as the sources are up
            "persons": ("li.wei", "chen.jie"),
        }
        command = SettingsCommand(**{**fields, **changes})  # type: ignore[arg-type]
        self._client.publish(
            topic(GATEWAY, Channel.COMMAND), seal_command(command, self.key), qos=1, retain=True
        )

    def receipt(self, epoch: Epoch, **changes: object) -> Receipt:
        """Return the receipt that the chain of ``epoch`` deserves, ``changes`` applied."""
        chain = self.chains[epoch]
        self.record_time += 1_000_000
        fields: dict[str, object] = {
            "gateway": GATEWAY,
            "epoch": epoch,
            "number": chain.head,
            "leaf": chain.head_leaf,
            "position": len(self.log_leaves) - 1,
            "checkpoint": self.checkpoint(),
            "record_time": self.record_time,
            "state": EpochState.TRUSTED,
        }
        return Receipt(**{**fields, **changes})  # type: ignore[arg-type]

    def checkpoint(self) -> str:
        found = Checkpoint(origin=ORIGIN, size=len(self.log_leaves), root=root(self.log_leaves))
        return sign_checkpoint(found, self.log_key).decode()

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        channels = (Channel.BUNDLE, Channel.BACKLOG, Channel.LIFE)
        client.subscribe([(topic("+", channel), 1) for channel in channels])

    def _on_subscribe(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ready.set)

    def _on_message(self, _c: mqtt.Client, _u: object, message: mqtt.MQTTMessage) -> None:
        self._loop.call_soon_threadsafe(self._take, message.topic, bytes(message.payload))

    def _take(self, name: str, data: bytes) -> None:
        _, channel = parse_topic(name)
        if self.gateway_key is None:
            self.problems.append("came before the key was known")
            return
        try:
            if channel is Channel.LIFE:
                self.lives.append(open_life(data, self.gateway_key))
                return
            bundle = split_bundle(data)
            header = open_header(bundle.sealed_header, self.gateway_key)
            columns = check_columns(header, open_body(header, bundle.body))
        except Exception as error:  # noqa: BLE001 -- the test asks for problems
            self.problems.append(f"{channel}: {error!r}")
            return
        self.arrivals.append((channel, header.epoch, header.number))
        leaf = leaf_hash(bundle.sealed_header)
        place = header.epoch, header.number
        chain = self.chains.setdefault(header.epoch, Chain())
        verdict, chain = step(chain, Link.of(header, leaf), self.leaves.get(place))
        self.chains[header.epoch] = chain
        self.verdicts.append(verdict)
        if verdict in (Verdict.NEXT, Verdict.AHEAD):
            self.headers[place] = header
            self.leaves[place] = leaf
            self.log_leaves.append(leaf)
            self.readings += [reading for column in columns for reading in column.readings()]
        if self.gives:
            self.give(self.receipt(header.epoch))


class AgentProcess(Process):
    """The agent as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = folder / "agent.toml"
        self.data_dir = folder / "data"
        command = our_command("edge_agent", "run", "--settings", str(self.settings))
        super().__init__("agent", command, folder / "agent.log")

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def fsck(self) -> Report:
        key = load(self.data_dir / "seal.key").public
        return check(self.data_dir, key, aggregator=key_named("aggregator").public)


class Plant(Running):
    """A broker, its certificates, one gateway and the giver of receipts, as a context.

    The agent is started by the test, and ends with it.
    """

    def __init__(self, folder: Path, *, embedded: bool = False) -> None:
        self.folder = folder
        self.ca = PlantCA(folder / "pki", now=utc_now())
        self.broker = Broker(folder / "broker", self.ca.issue("broker"), embedded=embedded)
        self.gateway = self.ca.issue_gateway(GATEWAY)
        self.agent = AgentProcess(folder)
        self.giver = ReceiptGiver(self.broker.port, self.ca.issue("aggregator"))
        self._running = contextlib.AsyncExitStack()

    async def _begin(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.broker)
            await stack.enter_async_context(self.giver)
            stack.push_async_callback(self.agent.kill)
            self._running = stack.pop_all()

    async def _end(self) -> None:
        await self._running.aclose()

    def write_settings(self, sources: str, **tables: dict[str, object]) -> None:
        """Write the agent's settings: quick to cut, quick to come back."""
        log = NoteKey(name=ORIGIN, key=key_named("log").public).to_text()
        written: dict[str, dict[str, object]] = {
            "gateway": {"id": GATEWAY, "data_dir": str(self.agent.data_dir)},
            "seal": {"age_max_s": 0.1, "heartbeat_s": 0.5},
            "uplink": {
                "host": "127.0.0.1",
                "port": self.broker.port,
                "ca": str(self.gateway.ca),
                "certificate": str(self.gateway.certificate),
                "key": str(self.gateway.key),
                "keepalive_s": 2,
                "timeout_s": 3.0,
                "backoff_max_s": 0.5,
                "receipt_wait_s": 0.3,
                "resend_after_s": 1.0,
                "life_s": 1.0,
            },
            "aggregator": {"seal_key": key_named("aggregator").public.to_text(), "log_key": log},
            "collect": {"backoff_min_s": 0.05, "backoff_max_s": 0.2},
        }
        for name, table in tables.items():
            written[name] = {**written.get(name, {}), **table}
        text = ""
        for name, table in written.items():
            text += f"[{name}]\n"
            for key, value in table.items():
                shown = f'"{value}"' if isinstance(value, str) else str(value).lower()
                text += f"{key} = {shown}\n"
        self.agent.settings.write_text(text + sources, encoding="utf-8")

    async def stop_with_all_arrived(self) -> Report:
        """Stop the agent and return what its sound buffer holds, all of which arrived.

        A stop hands over what it can in its few seconds, to a broker that may lose what it took:
        what is missing then comes with the next start, as in a plant.
        """
        async with asyncio.timeout(2 * PATIENCE):
            while True:
                await self.agent.stop()
                report = self.agent.fsck()
                assert not report.problems
                if await self._arrived(report.head):
                    return report
                await self.agent.start()
                await until(lambda head=report.head: self.giver.head() > head, "it never came")  # type: ignore[misc]

    async def _arrived(self, head: int) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ON_THE_WAY_S):
                while self.giver.head() != head:  # noqa: ASYNC110 -- what arrives has no event
                    await asyncio.sleep(0.02)
                return True
        return False

    async def make_key(self) -> None:
        """Make the seal key by the command that a person uses, and tell the giver."""
        command = our_command("edge_agent", "key", "--settings", str(self.agent.settings))
        self.giver.gateway_key = PublicKey.from_text(await ask(command))


def replay_source(
    folder: Path,
    *,
    rows: int,
    period_ms: int,
    signals: int = 3,
    name: str = "recorded",
    prefix: str = "signal-",
) -> str:
    """Return a source that plays a file of ``rows``; the value of column c in row r is r."""
    names = [f"{prefix}{number}" for number in range(signals)]
    lines = ["time," + ",".join(names)]
    start = 1_790_000_000_000
    lines += [f"{start + row * period_ms}," + ",".join([str(row)] * signals) for row in range(rows)]
    path = folder / f"{name}.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    text = f"""
[[source]]
name = "{name}"
driver = "replay"
file = "{path}"
time_unit = "ms"
"""
    for signal in names:
        text += f'[[source.signals]]\nname = "{signal}"\nkind = "int"\n'
    return text
