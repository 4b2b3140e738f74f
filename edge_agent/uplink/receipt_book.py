"""The receipts of the epoch: opened, judged, written down, and what they cover freed."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from edge_agent import metrics
from edge_agent.buffer import FREE_AT_ONCE, Buffer, StoredCheckpoint, StoredReceipt
from edge_agent.clock import GatewayClock
from edge_agent.errors import BufferFullError, ReceiptRefusedError
from edge_agent.settings import BufferSettings
from edge_agent.storage import Storage
from edge_agent.uplink.receipts import Outcome, check_checkpoint, judge
from protocols.wire.checkpoint import NoteKey
from protocols.wire.errors import WireError
from protocols.wire.reading import SECOND
from protocols.wire.receipt import Receipt, open_receipt
from protocols.wire.seal import PublicKey

_log = structlog.get_logger("uplink")
_REST_S: Final = 2.0  # between two receipts written: each write wears the flash
_REMEMBER_S: Final = 60.0  # between two memories written beside the buffer, for the same reason
_DAY: Final = 86_400 * SECOND


class ReceiptBook:
    """What the aggregator has of our chain, as far as it sealed it."""

    def __init__(
        self,
        *,
        storage: Storage,
        clock: GatewayClock,
        retention: BufferSettings,
        aggregator: PublicKey,
        log: NoteKey,
    ) -> None:
        self.alert = ""  # what a person must look at; empty where nothing
        self._storage = storage
        self._clock = clock
        self._retention = retention
        self._aggregator = aggregator
        self._log_key = log
        self._known: Receipt | None = None
        self._checkpoint: StoredCheckpoint | None = None
        self._unwritten: StoredReceipt | None = None
        self._came = asyncio.Event()
        self._no_room = False  # the last receipt could not be written

    @property
    def receipted(self) -> int:
        """The number up to which the aggregator has all bundles of this epoch; -1: none."""
        return -1 if self._known is None else self._known.number

    def read(self) -> None:
        """Take what the buffer holds: at the start, and where a new epoch was opened."""
        buffer = self._storage.buffer
        self._unwritten = None
        self._known = None
        self._checkpoint = buffer.checkpoint or self._checkpoint
        if buffer.receipt.sealed:
            try:
                self._known = open_receipt(buffer.receipt.sealed, self._aggregator)
            except WireError as error:
                # The aggregator's key was changed in the settings: its next receipt counts.
                _log.warning("stored receipt does not open", error=str(error))

    async def take(self, data: bytes) -> tuple[Outcome, int]:
        """Return what became of a receipt, and its number; ReceiptRefusedError if refused."""
        try:
            receipt = open_receipt(data, self._aggregator)
        except WireError as error:
            raise ReceiptRefusedError(
                f"a receipt does not open: {error}",
                hint="compare aggregator.seal_key with what the aggregator prints",
            ) from error
        buffer = self._storage.buffer
        own_leaf = await self._storage.run(lambda open_: open_.leaf(receipt.number))
        outcome = judge(
            receipt,
            gateway=buffer.gateway,
            epoch=buffer.epoch,
            head=buffer.head.number,
            own_leaf=own_leaf,
            known=self._known,
        )
        if outcome in (Outcome.ADVANCE, Outcome.REPEAT):
            newer = check_checkpoint(receipt, self._log_key, self._checkpoint)
            self._checkpoint = newer or self._checkpoint
            self._clock.raise_floor(receipt.record_time)
        if outcome in (Outcome.ADVANCE, Outcome.RESTORED):
            self._known = receipt  # lower where it was restored: what it lost is freed no more
            self._unwritten = StoredReceipt(receipt.number, data)
            self._came.set()
        if outcome is Outcome.RESTORED:
            self.alert = f"the aggregator went back to bundle {receipt.number}"
            _log.error("aggregator was restored", number=receipt.number)
        return outcome, receipt.number

    async def keep(self) -> None:
        """Write receipts down and free what they cover, for as long as the agent runs."""
        loop = asyncio.get_running_loop()
        remembered = loop.time()
        while True:
            await self._came.wait()
            self._came.clear()
            await self.write()
            if loop.time() - remembered >= _REMEMBER_S:
                await self._storage.remember()
                remembered = loop.time()
            await asyncio.sleep(_REST_S)

    async def write(self) -> None:
        """Write the newest receipt down and free what it covers."""
        unwritten = self._unwritten
        if unwritten is None or self._known is None:
            return
        floor = self._clock.floor
        keep_bytes = int(self._retention.bytes_max * self._retention.retention_share)
        before = self._clock.gateway_time() - int(self._retention.retention_days * _DAY)

        def store(buffer: Buffer) -> None:
            buffer.receive(unwritten, self._checkpoint, floor=floor)

        def free(buffer: Buffer) -> int:
            return buffer.free(sealed_before=before, keep_bytes=keep_bytes)

        try:
            await self._storage.run(store)
            while freed := await self._storage.run(free):
                metrics.bundles_freed.inc(freed)
                if freed < FREE_AT_ONCE:
                    break
        except BufferFullError as error:
            # The disk itself is full. A gateway that can store nothing more gets no further
            # receipt either, so this one is kept and tried again until there is room.
            self._came.set()
            if not self._no_room:
                _log.error("receipt not written", error=str(error), hint=error.hint)
            self._no_room = True
        else:
            if self._unwritten is unwritten:  # else a newer one came meanwhile
                self._unwritten = None
            if self._no_room:
                _log.info("receipts are written again", number=unwritten.number)
            self._no_room = False
