"""A gateway's line without sources and broker: inbox, sealer and storage on a real disk."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_agent.buffer.buffer import Appended, Buffer, Noted, StoredReceipt
from edge_agent.clock import BUILT, GatewayClock, Wall
from edge_agent.fsck import Report, check
from edge_agent.sealing.inbox import Entry, Inbox
from edge_agent.sealing.sealer import Fingerprints, Sealer
from edge_agent.settings import SealSettings
from edge_agent.storage import Storage
from protocols.field.driver import Delivery, Shed
from protocols.wire.bundle import check_columns, open_body, open_header
from protocols.wire.header import GatewayId, Header
from protocols.wire.reading import SECOND, Gap, Kind, Reading, SignalName, Value
from tests.sealed import key_named

GATEWAY = GatewayId("gw-01")
KEY = key_named("gw-01")
NOW = BUILT + 1000 * SECOND


@dataclass
class SetClock:
    """A clock that a test sets; it holds what ``ClockSource`` asks."""

    wall_time: int = NOW
    since_boot: int = 5 * SECOND
    synchronised: bool = True
    uncertainty: int = 0
    boot: bytes = bytes(16)

    def boot_id(self) -> bytes:
        return self.boot

    def monotonic(self) -> int:
        return self.since_boot

    def wall(self) -> Wall:
        return Wall(self.wall_time, self.synchronised, self.uncertainty)

    def advance(self, nanoseconds: int) -> None:
        self.wall_time += nanoseconds
        self.since_boot += nanoseconds


@dataclass
class Line:
    """The line's parts, and what came out of it."""

    inbox: Inbox
    storage: Storage
    clock: GatewayClock
    source: SetClock
    sealer: Sealer
    sealed: list[Appended]
    down: list[Gap]
    committed: list[str] = field(default_factory=list)

    def offer(
        self, *readings: Reading, urgent: bool = False, classes: Mapping[str, Shed] | None = None
    ) -> bool:
        delivery = Delivery(readings=readings, urgent=urgent)
        mark = f"press-1 {len(readings)}"
        return self.inbox.offer(
            Entry(
                delivery=delivery,
                committed=lambda: self.committed.append(mark),
                classes=classes or {},
            )
        )

    def reading(self, value: Value | None = 1.0, *, signal: str = "a", **changes: Any) -> Reading:
        fields: dict[str, Any] = {
            "signal": SignalName(signal),
            "kind": Kind.FLOAT64,
            "value": value,
            "gateway_time": self.clock.gateway_time(),
        }
        return Reading(**{**fields, **changes})

    def headers(self, after: int = -1) -> list[Header]:
        return [
            open_header(added.bundle.sealed_header, KEY.public)
            for added in self.sealed
            if added.number > after
        ]

    def readings(self) -> list[Reading]:
        found: list[Reading] = []
        for added in self.sealed:
            header = open_header(added.bundle.sealed_header, KEY.public)
            columns = check_columns(header, open_body(header, added.bundle.body))
            found += [reading for column in columns for reading in column.readings()]
        return found


@contextlib.asynccontextmanager
async def line_in(
    folder: Path,
    *,
    bytes_max: int = 8 << 20,
    readings_max: int = 10_000,
    source: SetClock | None = None,
) -> AsyncIterator[Line]:
    """Yield a line whose buffer lies in ``folder``; it is opened, and made if it is not there."""
    source = source or SetClock()
    clock = GatewayClock(source)
    storage = Storage(folder, gateway=GATEWAY, bytes_max=bytes_max, clock=clock)
    inbox = Inbox(readings_max=readings_max, cut_count=1000, cut_bytes=1 << 18)
    sealed: list[Appended] = []
    down: list[Gap] = []

    def take_down() -> Sequence[Gap]:
        found = list(down)
        down.clear()
        return found

    sealer = Sealer(
        inbox=inbox,
        storage=storage,
        clock=clock,
        key=KEY,
        settings=SealSettings(age_max_s=0.05, heartbeat_s=0.2),
        fingerprints=Fingerprints(bytes(32), bytes(32)),
        down=take_down,
        sealed=sealed.extend,
    )
    try:
        await storage.open()
        clock.anchor()
        yield Line(
            inbox=inbox,
            storage=storage,
            clock=clock,
            source=source,
            sealer=sealer,
            sealed=sealed,
            down=down,
        )
    finally:
        await storage.close()


def receive(buffer: Buffer, receipt: StoredReceipt) -> None:
    """Store a receipt at once."""
    buffer.note(Noted(buffer.epoch, receipt))
    buffer.store_noted()


def fsck(folder: Path) -> Report:
    """Return what fsck says of the buffer in ``folder``."""
    return check(folder, KEY.public, aggregator=key_named("aggregator").public)
