"""A gateway's work on its buffer, in a process of its own that may be killed at any instant.

The storage, the sealer and the receipt book are the agent's own; what is told over the pipe is
what the equipment would be told: readings up to a number are acknowledged. The value of every
reading is its own number, so that whoever finds it again knows which it is.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, NamedTuple, Self

from edge_agent.buffer.buffer import Buffer
from edge_agent.clock import GatewayClock, KernelClock
from edge_agent.errors import AgentError, BufferDamagedError
from edge_agent.sealing.inbox import Entry, Inbox
from edge_agent.sealing.sealer import Fingerprints, Sealer
from edge_agent.settings import BufferSettings, SealSettings
from edge_agent.storage import Storage
from edge_agent.uplink.receipt_book import ReceiptBook
from protocols.field.driver import Delivery
from protocols.wire.checkpoint import NoteKey
from protocols.wire.header import Epoch, GatewayId, OpeningReason
from protocols.wire.reading import Kind, Reading, SignalName
from protocols.wire.receipt import Receipt, seal_receipt
from tests.sealed import key_named

GATEWAY: Final = GatewayId("gw-01")
BYTES_MAX: Final = 8 << 20
AGGREGATOR: Final = key_named("aggregator")
READINGS_A_CUT: Final = 40

SAID_AND_DONE: Final = 3
"""Exit code of a load that ended with one of the agent's own errors, as an agent would."""


class Variant(Enum):
    """The agent as it is, or with one promise broken: negative controls of the rig."""

    FAITHFUL = "faithful"
    UNSYNCED = "unsynced"  # synchronous=OFF
    HASTY = "hasty"  # acknowledges before the commit


class Acknowledged(NamedTuple):
    """All readings of the epoch up to ``end`` (exclusive) are safe, the gateway says."""

    epoch: Epoch
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is to be done with the buffer in ``folder``: so many cuts, a receipt every few."""

    folder: Path
    cuts: int = 6
    cuts_a_receipt: int = 2
    renew_after: int | None = None  # cuts; the epoch is given up there and a new one opens
    pages_a_checkpoint: int = 40  # of the write-ahead log; the agent's own 4000 take too long
    bytes_max: int = BYTES_MAX
    raw_bytes: int = 0  # incompressible, that every reading carries with it
    variant: Variant = Variant.FAITHFUL

    @property
    def words(self) -> Path:
        """What the process says."""
        return self.folder.with_suffix(".log")


def work(load: Load, told: Connection, gate: Connection) -> None:
    """Wait at the gate, do the work, end with 0, or with SAID_AND_DONE on an error of the agent."""
    gate.recv_bytes()
    with load.words.open("a", encoding="utf-8", buffering=1) as words:
        sys.stdout = sys.stderr = words
        try:
            asyncio.run(_work(load, told))
        except AgentError:
            traceback.print_exc()
            sys.exit(SAID_AND_DONE)
        except Exception:  # noqa: BLE001 # told by the exit code, whatever it is
            traceback.print_exc()
            sys.exit(1)


class Gateway:
    """The agent's parts from the inbox to the receipts, put together as ``edge_agent.app`` does."""

    def __init__(self, load: Load, tell: Callable[[Acknowledged], None]) -> None:
        self._load = load
        self._tell = tell
        self._clock = GatewayClock(KernelClock(synchronised=True))
        self._inbox = Inbox(readings_max=100_000, cut_count=100_000, cut_bytes=1 << 20)
        self.storage = Storage(
            load.folder, gateway=GATEWAY, bytes_max=load.bytes_max, clock=self._clock
        )
        self._sealer = Sealer(
            inbox=self._inbox,
            storage=self.storage,
            clock=self._clock,
            key=key_named(GATEWAY),
            settings=SealSettings(),
            fingerprints=Fingerprints(bytes(32), bytes(32)),
            down=tuple,
            sealed=lambda _: None,
        )
        self._receipts = ReceiptBook(
            storage=self.storage,
            clock=self._clock,
            retention=BufferSettings(retention_days=0),
            aggregator=AGGREGATOR.public,
            log=NoteKey(name="lotproof.example/plant-1", key=key_named("log").public),
        )

    async def __aenter__(self) -> Self:
        try:
            await self.storage.open()
            await self.storage.run(self._tune)
            self._receipts.read()
        except AgentError:
            await self.storage.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.storage.close()

    async def deliver(self, *, urgent: bool = False) -> None:
        """Let equipment deliver readings that say their own number, and cut a bundle of them."""
        buffer = self.storage.buffer
        first = buffer.head.end_reading
        end = first + READINGS_A_CUT
        readings = tuple(
            Reading(
                signal=SignalName("press-1/counter"),
                kind=Kind.INT,
                value=number,
                gateway_time=self._clock.gateway_time(),
                raw=os.urandom(self._load.raw_bytes),
            )
            for number in range(first, end)
        )
        acknowledge = partial(self._tell, Acknowledged(buffer.epoch, end))
        if self._load.variant is Variant.HASTY:
            acknowledge()
        delivery = Delivery(readings=readings, urgent=urgent)
        self._inbox.offer(Entry(delivery=delivery, committed=acknowledge))
        await self._sealer.cut()

    async def receive(self) -> None:
        """Let the aggregator's word come that it has all but the last bundle."""
        buffer = self.storage.buffer
        number = max(0, buffer.head.number - 1)
        leaf = await self.storage.run(lambda opened: opened.leaf(number))
        if leaf is None and number > buffer.receipt.number:
            raise BufferDamagedError(f"bundle {number}, not receipted yet, is gone")
        if leaf is not None:
            receipt = Receipt(
                gateway=buffer.gateway,
                epoch=buffer.epoch,
                number=number,
                leaf=leaf,
                position=number,
                checkpoint="",
                record_time=self._clock.gateway_time(),
            )
            await self._receipts.take(seal_receipt(receipt, AGGREGATOR))
        await self._receipts.write()

    async def renew(self) -> None:
        """Give the epoch up, as where the aggregator contradicts it."""
        await self.storage.renew(OpeningReason.ROLLBACK)
        self._receipts.read()

    def _tune(self, buffer: Buffer) -> None:
        # The test reaches into the buffer here so that the product needs no switch for it.
        # A lock that cannot be had is waited for: not here for the five seconds of the product.
        pragmas = [
            f"wal_autocheckpoint = {self._load.pages_a_checkpoint}",
            "busy_timeout = 100",
        ]
        if self._load.variant is Variant.UNSYNCED:
            pragmas.append("synchronous = OFF")
        for pragma in pragmas:
            buffer._connection.execute(f"PRAGMA {pragma}")


async def _work(load: Load, told: Connection) -> None:
    async with Gateway(load, told.send) as gateway:
        for cut in range(1, load.cuts + 1):
            await gateway.deliver()
            if cut % load.cuts_a_receipt == 0:
                await gateway.receive()
            if cut == load.renew_after:
                await gateway.renew()
