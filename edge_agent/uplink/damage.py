"""What the disk does not give back of the epoch, and how the epoch ends with it.

A bundle that cannot be read stops no other: it is passed over, counted, and declared as a gap in
the next bundle. But no receipt ever goes beyond it, and nothing behind it would be freed. So once
all that can be read was sent, the buffer is set aside whole, as evidence, and a new epoch opens.
The same holds for a buffer that takes no receipts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from edge_agent import metrics
from edge_agent.errors import BufferDamagedError, BundleUnreadableError
from edge_agent.storage import Storage
from protocols.wire.header import OpeningReason
from protocols.wire.reading import Gap

_log = structlog.get_logger("uplink")
_LOOK_S: Final = 1.0


class Sending(Protocol):
    """What is asked of the sender."""

    idle: asyncio.Event  # set while all that was sealed is with the broker

    @property
    def head(self) -> int:
        """The number of the last bundle that is to be sent."""

    @property
    def receipted(self) -> int:
        """The number up to which receipts have come."""


class Damage:
    """What was found of it in this epoch."""

    def __init__(self, storage: Storage, declare: Callable[[Gap], None]) -> None:
        """``declare`` has a gap sealed with the next bundle."""
        self.alert = ""  # for a person; stays until the agent starts again
        self.unreadable: set[int] = set()
        self._storage = storage
        self._declare = declare
        self._found = asyncio.Event()
        self._no_receipts = False

    async def passed_over(self, number: int, error: BundleUnreadableError) -> None:
        """Take note of a bundle that cannot be sent, once."""
        if number in self.unreadable:
            return
        self.unreadable.add(number)
        metrics.bundles_unreadable.inc()
        self._tell(f"bundle {number} was passed over: {error}")
        gap = await self._storage.run(lambda buffer: buffer.unreadable(number))
        self._declare(gap)
        self._found.set()

    def refused_receipt(self, error: BufferDamagedError) -> None:
        """Take note that a receipt can be neither judged nor stored."""
        if not self._no_receipts:
            self._tell(f"no receipt can be kept: {error}")
        self._no_receipts = True
        self._found.set()

    async def leave(self, sending: Sending) -> None:
        """Return when a new epoch was opened: something is damaged, and all the rest was sent.

        While receipts still come nearer to what is unreadable they are waited for.
        """
        while True:
            await self._found.wait()
            await sending.idle.wait()
            ahead = [number for number in self.unreadable if number > sending.receipted]
            if not (ahead or self._no_receipts):
                self._found.clear()  # it could be read after all
                continue
            all_came = self._no_receipts or sending.receipted >= min(ahead) - 1
            if all_came and await self._storage.renew(OpeningReason.BUFFER_LOST, head=sending.head):
                return
            await asyncio.sleep(_LOOK_S)

    def over(self) -> None:
        """Begin anew: another epoch is open."""
        self.unreadable.clear()
        self._no_receipts = False
        self._found.clear()

    def _tell(self, text: str) -> None:
        self.alert = text
        _log.error(
            "buffer damaged",
            error=text,
            epoch=self._storage.buffer.epoch.hex(),
            hint="look at the disk; the buffer is set aside once the rest was sent",
        )
