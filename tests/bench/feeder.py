"""Chains of sealed bundles as long as wanted, and a store that takes them in."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from aggregator.clock import SystemClock
from aggregator.ingest.indexer import Indexer
from aggregator.ingest.intake import Intake
from aggregator.ingest.verify import Message
from aggregator.store.keys import load_keys
from aggregator.store.registry import add_gateway
from aggregator.store.sqlite import SqliteStore
from protocols.wire.bundle import seal_bundle
from protocols.wire.chain import Verdict
from protocols.wire.header import Counters, Opening, OpeningReason
from protocols.wire.seal import PublicKey
from protocols.wire.topics import Channel, topic
from tests.bench.process_data import line_readings
from tests.sealed import SealedGateway

GROUP: Final = 256
"""Messages that are committed together, as the aggregator is set."""

_BODIES: Final = 16


class Feeder:
    """Seals one chain; its bodies are a few real ones, taken in turn.

    What the intake does for a bundle does not depend on whether its body came before: it verifies
    the seal, hashes and inflates the body, and takes the columns apart without reading them.
    """

    def __init__(self, gateway: str, *, readings: int, signals: int) -> None:
        """Put so many ``readings`` of so many ``signals`` in each bundle."""
        self.gateway = SealedGateway(gateway)
        self.readings = readings
        self._topic = topic(gateway, Channel.BUNDLE)
        seconds = list(line_readings(signals, _BODIES * readings // signals))
        each = readings // signals
        self._pool = [
            self.gateway.draft([r for second in seconds[at : at + each] for r in second])
            for at in range(0, len(seconds), each)
        ]

    def bundles(self, count: int) -> list[Message]:
        """Return the next bundles of the chain as the messages in which they come."""
        return [Message(self._topic, self._next()) for _ in range(count)]

    def _next(self) -> bytes:
        gateway = self.gateway
        body, drafted = self._pool[gateway.number % len(self._pool)]
        end = gateway.first_reading + drafted.count
        header = replace(
            drafted,
            number=gateway.number,
            previous=gateway.previous,
            first_reading=gateway.first_reading,
            counters=Counters(read=end, sealed=end),
            opening=Opening(reason=OpeningReason.NEW) if gateway.number == 0 else None,
        )
        return gateway.advance(seal_bundle(header, body, gateway.key), header).encode()


class Intaking:
    """A store in a folder of its own, with its intake; ``close`` leaves the files."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.folder = folder
        self.store = SqliteStore(folder / "aggregator.db")
        self.clock = SystemClock()
        self.keys = load_keys(folder / "keys")
        self.intake = Intake(self.store, self.keys, self.clock)

    async def open(self, gateways: dict[str, PublicKey]) -> None:
        """Make the store and register the gateways."""
        await self.store.open()
        await self.store.migrate()
        async with self.store.write() as tx:
            for gateway, key in gateways.items():
                await add_gateway(tx, gateway, key, by="bench", now=self.clock.now())

    async def accept(self, messages: Sequence[Message]) -> None:
        """Take messages in, group by group; RuntimeError unless every one was stored."""
        for at in range(0, len(messages), GROUP):
            accepted = await self.intake.accept(messages[at : at + GROUP])
            for outcome in accepted.outcomes:
                if outcome is not Verdict.NEXT:
                    raise RuntimeError(f"a bundle was not stored: {outcome}")

    async def index(self) -> None:
        """Build all segments that there are to be built."""
        await Indexer(self.store, self.clock).catch_up()

    async def close(self) -> None:
        """Close the store."""
        await self.store.close()
