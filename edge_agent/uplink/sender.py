"""Sends what the window says over one connection."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Protocol

from edge_agent import metrics
from edge_agent.buffer.buffer import Appended
from edge_agent.errors import BundleUnreadableError
from edge_agent.storage import Storage
from edge_agent.uplink.damage import Damage
from edge_agent.uplink.window import Window
from protocols.wire.bundle import Bundle
from protocols.wire.topics import Channel, topic

_FRESH_MAX: Final = 64


class Line(Protocol):
    """What the sender needs of a connection."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Hand a message over and return its id; LineError when the line is gone."""


class Fresh:
    """Bundles in memory on their way from the commit to the broker."""

    def __init__(self) -> None:
        self._bundles: OrderedDict[int, Bundle] = OrderedDict()

    def add(self, bundles: Sequence[Appended]) -> None:
        """Keep the newest; the disk has all."""
        for added in bundles:
            self._bundles[added.number] = added.bundle
        while len(self._bundles) > _FRESH_MAX:
            self._bundles.popitem(last=False)

    def pop(self, number: int) -> Bundle | None:
        """Return a bundle and forget it."""
        return self._bundles.pop(number, None)

    def clear(self) -> None:
        """Forget all."""
        self._bundles.clear()


class Sender:
    """One connection's sending."""

    def __init__(
        self, *, line: Line, window: Window, storage: Storage, fresh: Fresh, damage: Damage
    ) -> None:
        self.window = window
        self.idle = asyncio.Event()  # all that was sealed has been handed to the broker
        self._line = line
        self._storage = storage
        self._fresh = fresh
        self._inflight: set[int] = set()
        self._damage = damage
        self._stirred = asyncio.Event()
        self._gateway = storage.buffer.gateway
        self._epoch = storage.buffer.epoch

    @property
    def head(self) -> int:
        """The number of the last bundle that is to be sent."""
        return self.window.head

    @property
    def receipted(self) -> int:
        """The number up to which receipts have come."""
        return self.window.receipted

    async def run(self) -> None:
        """Send until cancelled; LineError when the line is gone."""
        loop = asyncio.get_running_loop()
        while True:
            self._stirred.clear()
            sending = self.window.next(loop.time())
            if sending.number is None:
                if not self._inflight and self.window.all_sent:
                    self.idle.set()
                await self._wait(sending.wait_s)
                continue
            self.idle.clear()
            bundle = await self._bundle(sending.number)
            size = 0
            if bundle is not None:
                payload = bundle.encode()
                size = len(payload)
                self._inflight.add(
                    self._line.publish(topic(self._gateway, sending.channel), payload)
                )
                metrics.bundles_sent.labels(sending.channel.value).inc()
            self.window.sent(sending, size, loop.time())
            if sending.channel is Channel.BACKLOG:
                await asyncio.sleep(0)  # reading a long backlog must not starve the sources

    def acknowledged(self, message: int) -> None:
        """Note the broker's acknowledgement: it makes room, and proves nothing."""
        if message in self._inflight:
            self._inflight.remove(message)
            self.window.inflight -= 1
            self._stirred.set()

    def stir(self) -> None:
        """Look again: there is more to send, or a receipt came."""
        self._stirred.set()

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            pass

    async def _bundle(self, number: int) -> Bundle | None:
        """Return a bundle; None where it cannot be read: it is named, and the others go on."""
        if (fresh := self._fresh.pop(number)) is not None:
            return fresh
        try:
            return await self._storage.run(lambda buffer: buffer.bundle(number))
        except BundleUnreadableError as error:
            if self._storage.buffer.epoch == self._epoch:  # else it was asked of another's numbers
                await self._damage.passed_over(number, error)
            return None
