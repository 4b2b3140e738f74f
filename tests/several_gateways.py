"""A plant of two gateways and two presses, whose lots share bundles; a gateway may begin anew."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from aggregator.ingest.verify import Message
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.store import registry
from protocols.wire.header import Opening, OpeningReason
from protocols.wire.reading import SECOND, Kind, Reading, SignalName, Status
from protocols.wire.topics import Channel, topic
from tests.recorded_plant import (
    AREA,
    ENGINEER,
    GTIN,
    RecordedPlant,
    bundles_of,
    recorded_plant,
)
from tests.sealed import START, SealedGateway

OTHER_PRESS: Final = f"{AREA}/line-2/press-2"
CANARY: Final = "formula of another customer"
"""A value that only the other lot's signals have."""

OTHER_SIGNALS: Final = ("press-2/recipe-note", "press-2/plate-temperature")

MASTER: Final[tuple[tuple[EntityKind, dict[str, Any]], ...]] = (
    (EntityKind.EQUIPMENT, {"path": OTHER_PRESS}),
    *(
        (
            EntityKind.SIGNAL,
            {"gateway": "gw-02", "signal": signal, "equipment": path, "value_kind": kind}
            | {"unit": unit, "role": role},
        )
        for signal, path, kind, unit, role in (
            ("cleanroom-1/humidity", AREA, "float64", "%", "variable"),
            ("press-2/plate-temperature", OTHER_PRESS, "float64", "Cel", "variable"),
            ("press-2/recipe-note", OTHER_PRESS, "text", "", "variable"),
            ("press-2/lot-id", OTHER_PRESS, "text", "", "lot_id"),
        )
    ),
    (
        EntityKind.LIMIT,
        {"gtin": GTIN, "gateway": "gw-02", "gap_max_s": 3, "parameter": "humidity"}
        | {"signal": "cleanroom-1/humidity", "unit": "%", "action_high": 60},
    ),
    (EntityKind.LOT, {"gtin": GTIN, "lot": "X-9", "material": "Sterile barrier pouch"}),
)


@dataclass(slots=True, kw_only=True)
class TwoGateways:
    """A plant, and the second gateway of it."""

    plant: RecordedPlant
    room: SealedGateway

    async def take_from(self, gateway: SealedGateway, bundles: Sequence[bytes]) -> None:
        """Take in what a gateway sealed, in the order given."""
        name = topic(gateway.name, Channel.BUNDLE)
        await self.plant.intake.accept([Message(name, data) for data in bundles])

    async def approve(self, gateway: str) -> None:
        """Vouch for the newest epoch of a gateway."""
        async with self.plant.context.store.write() as tx:
            await registry.approve_epoch(tx, gateway, by="test", now=2)


@asynccontextmanager
async def two_gateways(folder: Path, url: str = "") -> AsyncIterator[TwoGateways]:
    """Open a plant of two gateways with its master data, before anything was sealed."""
    async with recorded_plant(folder, url) as plant:
        room = SealedGateway("gw-02")
        async with plant.context.store.write() as tx:
            await registry.add_gateway(tx, "gw-02", room.key.public, by="test", now=1)
        settings = plant.context.settings
        master = settings.master.model_copy(update={"approval": ()})
        context = replace(plant.context, settings=settings.model_copy(update={"master": master}))
        for kind, data in MASTER:
            document = master_data.parse(kind, data)
            await master_data.put(context, ENGINEER, document, expected_version=None, why="set up")
        yield TwoGateways(plant=plant, room=room)


def press_bundles(site: TwoGateways) -> list[bytes]:
    """Seal what the first gateway reads: L-1 and L-2 at the first press."""
    return bundles_of(site.plant)


def room_bundles(gateway: SealedGateway, first: int = 0, stop: int = 160) -> list[bytes]:
    """Seal what the second gateway reads: the room, and X-9 at the other press, in one bundle."""
    sealed = []
    for start in range(first, stop, 5):
        readings = [reading for at in range(start, start + 5) for reading in _second(at)]
        gateway.time = START + (start + 5) * SECOND
        sealed.append(gateway.seal(readings, sealed_time=gateway.time))
    return sealed


def begun_anew(old: SealedGateway) -> SealedGateway:
    """Return the gateway after its buffer was lost: its new epoch names the old one's end."""
    fresh = SealedGateway(old.name, seed=2, key=old.key)
    opening = Opening(
        reason=OpeningReason.BUFFER_LOST, previous_epoch=old.epoch, previous_head=old.previous
    )
    fresh.time = old.time
    fresh.opens_with = opening
    return fresh


def _second(at: int) -> list[Reading]:
    return [
        _reading("cleanroom-1/humidity", at, 45 + at % 7 / 10),
        _reading("press-2/plate-temperature", at, 987.625 + at),
        _reading("press-2/recipe-note", at, f"{CANARY} {at}"),
        _reading("press-2/lot-id", at, "X-9"),
    ]


def _reading(signal: str, at: int, value: float | str) -> Reading:
    time = START + at * SECOND
    return Reading(
        signal=SignalName(signal),
        kind=Kind.TEXT if isinstance(value, str) else Kind.FLOAT64,
        value=value,
        gateway_time=time + 1_500_000,
        source_time=time,
        status=Status.GOOD,
    )
