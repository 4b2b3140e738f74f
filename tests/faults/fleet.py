"""A fleet of gateways whose broker is away for a week, in simulated time.

Each gateway is the agent's own parts: buffer on disk, sealer, uplink with its states, window and
budget. Simulated are the clock, the equipment, and the line to the broker; what stands behind the
broker opens every bundle, places it in its chain and seals receipts, as an aggregator does.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import edge_agent.uplink.uplink
from edge_agent.clock import BUILT, GatewayClock
from edge_agent.errors import LineError
from edge_agent.life import LifeStatements
from edge_agent.sealing.inbox import Entry, Inbox
from edge_agent.sealing.sealer import Fingerprints, Sealer
from edge_agent.settings import BufferSettings, SealSettings, UplinkSettings
from edge_agent.storage import Storage
from edge_agent.uplink.receipt_book import ReceiptBook
from edge_agent.uplink.uplink import Uplink
from protocols.field.driver import Delivery
from protocols.wire.bundle import open_header, split_bundle
from protocols.wire.chain import Chain, Link, Verdict, step
from protocols.wire.checkpoint import Checkpoint, NoteKey, sign_checkpoint
from protocols.wire.header import Epoch, GatewayId
from protocols.wire.life import SettingsReport, SettingsState
from protocols.wire.reading import SECOND, Kind, Nanoseconds, Reading, SignalName
from protocols.wire.receipt import EpochState, Receipt, seal_receipt
from protocols.wire.seal import PublicKey
from protocols.wire.tlog import leaf_hash
from protocols.wire.topics import Channel, parse_topic, topic
from tests.faults.simulated_time import SimulatedClock, SimulatedLoop
from tests.sealed import key_named

ORIGIN: Final = "lotproof.example/fleet"
BUDGET: Final = 1024
"""Bytes a second of backlog: the least that the settings take."""
PERIOD_S: Final = 300.0
"""Between two bundles."""
READINGS: Final = 200
"""In a bundle."""
_TRIP_S: Final = 0.05
_START: Final = BUILT + 30 * 86_400 * SECOND


@dataclass(slots=True)
class Received:
    """What came of one gateway."""

    chain: Chain = field(default_factory=Chain)
    epoch: Epoch | None = None
    bundles: int = 0
    repeats: int = 0
    readings: int = 0
    live_delay_max_s: float = 0.0
    backlog_bytes: int = 0
    over_budget: list[str] = field(default_factory=list)
    backlog_from: float | None = None
    backlog_until: float = 0.0
    _sent: deque[tuple[float, int]] = field(default_factory=deque)
    _minute: int = 0

    def spend(self, now: float, size: int) -> None:
        """Note backlog that came; more than a minute's budget within a minute is told."""
        self.backlog_bytes += size
        self.backlog_from = now if self.backlog_from is None else self.backlog_from
        self.backlog_until = now
        self._sent.append((now, size))
        self._minute += size
        while self._sent[0][0] <= now - 60:
            self._minute -= self._sent.popleft()[1]
        # A second's budget is saved up, and the last bundle may overdraw it.
        if self._minute > BUDGET * 61 + size:
            self.over_budget.append(f"{self._minute} bytes in the minute before {now:.0f} s")


class Aggregator:
    """The far end: believes nothing, and answers every bundle with a receipt."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.reachable = False
        self.received: dict[GatewayId, Received] = {}
        self._loop = loop
        self._key = key_named("aggregator")
        self._log_key = key_named("log")
        self._keys: dict[GatewayId, PublicKey] = {}
        self._answers: dict[GatewayId, Callable[[str, bytes], None]] = {}
        self._taken = 0

    def knows(self, gateway: GatewayId) -> None:
        self._keys[gateway] = key_named(gateway).public
        self.received[gateway] = Received()

    def listen(self, gateway: GatewayId, answer: Callable[[str, bytes], None]) -> None:
        self._answers[gateway] = answer

    def take(self, name: str, payload: bytes) -> None:
        """Take a message as it arrives."""
        gateway, channel = parse_topic(name)
        if channel not in (Channel.BUNDLE, Channel.BACKLOG):
            return
        gateway = GatewayId(gateway)
        found, now = self.received[gateway], self._loop.time()
        bundle = split_bundle(payload)
        header = open_header(bundle.sealed_header, self._keys[gateway])
        assert found.epoch in (None, header.epoch), "an epoch was given up"
        found.epoch = header.epoch
        link = Link.of(header, leaf_hash(bundle.sealed_header))
        if header.number <= found.chain.head or header.number in found.chain.waiting:
            found.repeats += 1
        else:
            verdict, found.chain = step(found.chain, link, None)
            assert verdict in (Verdict.NEXT, Verdict.AHEAD)
            found.bundles += 1
            found.readings += header.count
        if channel is Channel.BUNDLE:
            delay = now - (header.sealed_time - _START) / SECOND
            found.live_delay_max_s = max(found.live_delay_max_s, delay)
        else:
            found.spend(now, len(payload))
        self._answer(gateway, found)

    def _answer(self, gateway: GatewayId, found: Received) -> None:
        answer = self._answers.get(gateway)
        if answer is None or found.epoch is None or found.chain.head < 0:
            return
        self._taken += 1
        note = Checkpoint(
            origin=ORIGIN, size=self._taken, root=hashlib.sha256(str(self._taken).encode()).digest()
        )
        receipt = Receipt(
            gateway=gateway,
            epoch=found.epoch,
            number=found.chain.head,
            leaf=found.chain.head_leaf,
            position=self._taken - 1,
            checkpoint=sign_checkpoint(note, self._log_key).decode(),
            record_time=_START + int(self._loop.time() * SECOND),
            state=EpochState.TRUSTED,
        )
        sealed = seal_receipt(receipt, self._key)
        self._loop.call_later(_TRIP_S, answer, topic(gateway, Channel.RECEIPT), sealed)


class SimulatedLine:
    """The line to the broker, in the place of ``edge_agent.uplink.mqtt.MqttLine``."""

    def __init__(
        self,
        aggregator: Aggregator,
        _settings: UplinkSettings,
        *,
        client_id: str,
        received: Callable[[str, bytes], None],
        acknowledged: Callable[[int], None],
        **_: object,
    ) -> None:
        self._aggregator = aggregator
        self._gateway = GatewayId(client_id)
        self._received = received
        self._acknowledged = acknowledged
        self._loop = asyncio.get_running_loop()
        self._messages = 0

    async def connect(self, _answer_s: float) -> None:
        await asyncio.sleep(_TRIP_S)
        if not self._aggregator.reachable:
            raise LineError("the broker is away", hint="wait for it")

    async def subscribe(self, *_topics: str) -> None:
        await asyncio.sleep(_TRIP_S)
        self._aggregator.listen(self._gateway, self._received)

    def publish(self, name: str, payload: bytes, **_: object) -> int:
        self._messages += 1
        self._loop.call_later(_TRIP_S, self._aggregator.take, name, payload)
        self._loop.call_later(_TRIP_S, self._acknowledged, self._messages)
        return self._messages

    async def close(self) -> None:
        await asyncio.sleep(0)


class Gateway:
    """One agent without its process."""

    def __init__(self, folder: Path, name: str, loop: SimulatedLoop) -> None:
        self.name = GatewayId(name)
        boot = hashlib.sha256(name.encode()).digest()[:16]
        self._clock = GatewayClock(SimulatedClock(loop, start=_START, boot=boot))
        self._key = key_named(name)
        self._folder = folder
        self._hold = asyncio.Event()
        self.storage = Storage(folder, gateway=self.name, bytes_max=64 * 2**20, clock=self._clock)
        self.read = 0

    async def run(self, *, offset_s: float) -> None:
        """Read, seal and forward until cancelled."""
        await self.storage.open()
        self._clock.anchor()
        seal = SealSettings(age_max_s=PERIOD_S, heartbeat_s=3600)
        inbox = Inbox(readings_max=50_000, cut_count=seal.count_max, cut_bytes=seal.bytes_max)
        uplink = Uplink(
            storage=self.storage,
            receipts=ReceiptBook(
                storage=self.storage,
                clock=self._clock,
                retention=BufferSettings(),
                aggregator=key_named("aggregator").public,
                log=NoteKey(name=ORIGIN, key=key_named("log").public),
            ),
            statements=LifeStatements(
                storage=self.storage,
                clock=self._clock,
                key=self._key,
                sources=tuple,
                settings=_in_force,
            ),
            settings=_uplink_settings(),
            declare=inbox.declare,
            commanded=lambda _: None,
        )
        sealer = Sealer(
            inbox=inbox,
            storage=self.storage,
            clock=self._clock,
            key=self._key,
            settings=seal,
            fingerprints=Fingerprints(settings=bytes(32), dictionary=bytes(32)),
            down=tuple,
            sealed=uplink.sealed,
        )
        try:
            async with asyncio.TaskGroup() as parts:
                for part in (uplink.run(), sealer.run(), self._equipment(inbox, offset_s)):
                    parts.create_task(part)
        finally:
            await self.storage.close()

    async def _equipment(self, inbox: Inbox, offset_s: float) -> None:
        """Bring readings at a steady pace; gateways do not beat in time."""
        await asyncio.sleep(offset_s)
        while True:
            now = self._clock.gateway_time()
            readings = tuple(self._reading(now, at) for at in range(READINGS))
            self.read += len(readings)
            entry = Entry(delivery=Delivery(readings=readings), committed=lambda: None)
            assert inbox.offer(entry)
            await asyncio.sleep(PERIOD_S)

    def _reading(self, now: Nanoseconds, at: int) -> Reading:
        return Reading(
            signal=SignalName(f"press/signal-{at % 20}"),
            kind=Kind.FLOAT64,
            value=round(120 + (now // SECOND * 7919 + at * 104_729) % 997 / 100, 2),
            gateway_time=now,
            source_time=now - (READINGS - at) * SECOND,
        )


def connect_to(aggregator: Aggregator, patch: Callable[[object, str, object], None]) -> None:
    """Let every uplink speak to ``aggregator``; ``patch`` is pytest's ``monkeypatch.setattr``."""
    patch(edge_agent.uplink.uplink, "MqttLine", partial(SimulatedLine, aggregator))


def _uplink_settings() -> UplinkSettings:
    return UplinkSettings(
        host="broker",
        ca=Path("ca.pem"),
        certificate=Path("gateway.pem"),
        key=Path("gateway.key"),
        backlog_bytes_per_s=BUDGET,
        backoff_max_s=300,
        life_s=300,
    )


def _in_force() -> SettingsReport:
    return SettingsReport(hash=bytes(32), version=0, state=SettingsState.IN_FORCE, offered=0)
