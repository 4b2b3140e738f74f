"""The receipts of the epoch: opened, judged, written down, and what they cover freed."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Final

import structlog

from edge_agent import metrics
from edge_agent.buffer.buffer import (
    FREE_AT_ONCE,
    Buffer,
    Noted,
    StoredCheckpoint,
    StoredReceipt,
)
from edge_agent.clock import GatewayClock
from edge_agent.errors import BufferFullError, ReceiptRefusedError
from edge_agent.settings import BufferSettings
from edge_agent.storage import Storage
from edge_agent.uplink.receipts import Outcome, check_checkpoint, judge, went_back
from protocols.wire.checkpoint import NoteKey
from protocols.wire.errors import WireError
from protocols.wire.reading import SECOND, Nanoseconds
from protocols.wire.receipt import Receipt, open_receipt
from protocols.wire.seal import PublicKey

_log = structlog.get_logger("uplink")
_REST_S: Final = 10.0  # between two receipts stored: each page that a commit writes wears the flash
_HURRY_S: Final = 2.0  # the same where the buffer holds more than it shall
_FREE_S: Final = 60.0  # between two looks for what is past its retention, for the same reason
_REMEMBER_S: Final = 60.0  # between two memories written beside the buffer, for the same again
_OFFSETS: Final = 20  # receipts that a clock is compared by
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
        self._unwritten: Noted | None = None
        self._came = asyncio.Event()
        self._no_room = False  # the last receipt could not be written
        self._offsets: deque[Nanoseconds] = deque(maxlen=_OFFSETS)
        self._freed_at = -_FREE_S  # loop time: the first look is due
        self._keep_bytes = int(retention.bytes_max * retention.retention_share)

    @property
    def receipted(self) -> int:
        """The number up to which the aggregator has all bundles of this epoch; -1: none."""
        return -1 if self._known is None else self._known.number

    @property
    def known(self) -> Receipt | None:
        """The newest receipt of this epoch."""
        return self._known

    @property
    def clock_offset(self) -> Nanoseconds | None:
        """How far this gateway's clock is ahead of the aggregator's, at most; None: not known.

        The least of the last receipts' delays, which are never below it.
        """
        return min(self._offsets, default=None)

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
        if went_back(self._known, self._log_key, self._checkpoint):
            self.alert = "the aggregator was restored from a backup, and is being refilled"

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
            seen, log = self._checkpoint, self._log_key
            restored = went_back(self._known, log, seen)
            newer = check_checkpoint(receipt, log, seen, restored=restored)
            self._checkpoint = newer or self._checkpoint
            self._offsets.append(self._clock.gateway_time() - receipt.record_time)
            self._clock.raise_floor(receipt.record_time)
        if outcome in (Outcome.ADVANCE, Outcome.RESTORED):
            self._known = receipt  # lower where it was restored: what it lost is freed no more
            self._unwritten = Noted(
                receipt.epoch,
                StoredReceipt(receipt.number, data),
                self._checkpoint,
                self._clock.floor,
            )
            self._came.set()
        if outcome is Outcome.RESTORED:
            self.alert = f"the aggregator went back to bundle {receipt.number}"
            _log.error("aggregator was restored", number=receipt.number)
        return outcome, receipt.number

    async def keep(self) -> None:
        """Write receipts down and free what they cover, for as long as the agent runs.

        The newest goes along with the next append, and by itself only where none comes. One that
        the power takes away comes again: the broker retains it, and until then it freed nothing.

        BufferDamagedError where the buffer does not take them; it may be called again then.
        """
        loop = asyncio.get_running_loop()
        remembered = loop.time()
        while True:
            await self._came.wait()
            self._came.clear()
            if (noted := self._unwritten) is None:
                continue
            await self._storage.run(partial(Buffer.note, noted=noted))
            await asyncio.sleep(_HURRY_S if await self._crowded() else _REST_S)
            await self.write(noted)
            if loop.time() - remembered >= _REMEMBER_S:
                await self._storage.remember()
                remembered = loop.time()

    async def write(self, noted: Noted | None = None) -> None:
        """Write a receipt down, the newest if none is given, and free what it covers."""
        unwritten = noted or self._unwritten

        def store(buffer: Buffer) -> None:
            if unwritten is not None and unwritten.receipt != buffer.receipt:
                buffer.note(unwritten)
                buffer.store_noted()

        try:
            await self._storage.run(store)
            await self._free()
        except BufferFullError as error:
            # The disk itself is full. A gateway that can store nothing more gets no further
            # receipt either, so this one is kept and tried again until there is room.
            self._came.set()
            if not self._no_room:
                _log.error("receipt not written", error=str(error), hint=error.hint)
            self._no_room = True
        else:
            if self._no_room:
                _log.info("receipts are written again", number=self.receipted)
            self._no_room = False

    async def _crowded(self) -> bool:
        return await self._storage.run(Buffer.used_bytes) > self._keep_bytes

    async def _free(self) -> None:
        """Free what is past its retention, some of it together, and at once what is too much."""
        now = asyncio.get_running_loop().time()
        due = self._no_room or now - self._freed_at >= _FREE_S
        if not (due or await self._crowded()):
            return
        self._freed_at = now
        before = self._clock.gateway_time() - int(self._retention.retention_days * _DAY)

        def free(buffer: Buffer) -> int:
            return buffer.free(sealed_before=before, keep_bytes=self._keep_bytes)

        freed = FREE_AT_ONCE
        while freed == FREE_AT_ONCE:
            freed = await self._storage.run(free)
            metrics.bundles_freed.inc(freed)
