"""A store with a small plant, real sealed bundles and master data, for tests of records."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aggregator.access.roles import Actor, Role
from aggregator.ingest.intake import Intake
from aggregator.ingest.verify import Message
from aggregator.service.context import Context
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.store import registry
from protocols.wire.checkpoint import NoteKey
from protocols.wire.reading import SECOND, Kind, Reading, SignalName, Status, TagRead
from protocols.wire.topics import Channel, topic
from tests.rigs.context import running_context
from tests.sealed import START, SealedGateway
from verifier.policy import Policy

QA: Final = Actor(name="qa.li", roles=frozenset({Role.QA}))
ENGINEER: Final = Actor(name="engineer", roles=frozenset({Role.ENGINEER}))
OPERATOR: Final = Actor(name="operator", roles=frozenset({Role.OPERATOR}))
GTIN: Final = "09506000134352"
AREA: Final = "acme/suzhou/cleanroom-1"
PRESS: Final = f"{AREA}/line-1/press-1"
LOT_SECONDS: Final = 60
"""Length of each lot; the first begins ten seconds after ``START``."""

MASTER: Final[tuple[tuple[EntityKind, dict[str, Any]], ...]] = (
    *((EntityKind.EQUIPMENT, {"path": path}) for path in (AREA, PRESS)),
    *(
        (
            EntityKind.SIGNAL,
            {"gateway": "gw-01", "signal": signal, "equipment": path, "value_kind": kind}
            | {"unit": unit, "role": role},
        )
        for signal, path, kind, unit, role in (
            ("press-1/plate-temperature", PRESS, "float64", "Cel", "variable"),
            ("press-1/seal-pressure", PRESS, "float64", "bar", "variable"),
            ("press-1/lot-id", PRESS, "text", "", "lot_id"),
            ("cleanroom-1/temperature", AREA, "float64", "Cel", "variable"),
            ("portal-1/tag-reads", PRESS, "tag_read", "", "tag_reads"),
        )
    ),
    (EntityKind.MATERIAL, {"gtin": GTIN, "name": "Sterile barrier pouch"}),
    *(
        (
            EntityKind.LIMIT,
            {"gtin": GTIN, "gateway": "gw-01", "gap_max_s": 3, **limit},
        )
        for limit in (
            {
                "parameter": "plate temperature",
                "signal": "press-1/plate-temperature",
                "unit": "Cel",
                "alert_low": 115,
                "alert_high": 125,
                "action_high": 130,
            },
            {
                "parameter": "seal pressure",
                "signal": "press-1/seal-pressure",
                "unit": "bar",
                "action_low": 3.5,
                "action_high": 4.5,
            },
            {
                "parameter": "room temperature",
                "signal": "cleanroom-1/temperature",
                "unit": "Cel",
                "action_low": 18,
                "action_high": 25,
                "criticality": "key",
            },
        )
    ),
    *(
        (EntityKind.LOT, {"gtin": GTIN, "lot": lot, "material": "Sterile barrier pouch"})
        for lot in ("L-1", "L-2")
    ),
    (
        EntityKind.WORK_ORDER,
        {"order": "WO-1", "lots": [{"gtin": GTIN, "lot": lot} for lot in ("L-1", "L-2")]},
    ),
    *(
        (
            EntityKind.JOB,
            {"job": f"J-{at}", "order": "WO-1", "gtin": GTIN, "lot": f"L-{at}"}
            | {"operation": "heat sealing", "equipment": PRESS},
        )
        for at in (1, 2)
    ),
)


@dataclass(slots=True, kw_only=True)
class RecordedPlant:
    """A plant whose gateway has sealed bundles into a store."""

    context: Context
    gateway: SealedGateway
    intake: Intake

    async def take(self, bundles: Sequence[bytes]) -> None:
        """Take bundles in, in the order given."""
        name = topic(self.gateway.name, Channel.BUNDLE)
        await self.intake.accept([Message(name, data) for data in bundles])

    def policy(self) -> Policy:
        """Return what an auditor believes of this site."""
        keys, origin = self.context.keys, self.context.settings.log.origin
        return Policy(
            aggregator=(keys.seal.public,),
            log=NoteKey(name=origin, key=keys.log.public),
            gateways={},
        )


@asynccontextmanager
async def recorded_plant(folder: Path, url: str = "") -> AsyncIterator[RecordedPlant]:
    """Open a store (by default SQLite in ``folder``) with the plant's master data and a gateway."""
    gateway = SealedGateway("gw-01")
    async with running_context(folder, url) as context:
        store = context.store
        async with store.write() as tx:
            await registry.add_gateway(tx, "gw-01", gateway.key.public, by="test", now=1)
        for kind, data in MASTER:
            document = master_data.parse(kind, data)
            await master_data.put(context, ENGINEER, document, expected_version=None, why="set up")
        yield RecordedPlant(
            context=context, gateway=gateway, intake=Intake(store, context.keys, context.clock)
        )


def bundles_of(
    plant: RecordedPlant, *, first: int = 0, seconds: int = 160, each: int = 5
) -> list[bytes]:
    """Seal a line's life from second ``first``: lots L-1 and L-2, one excursion, then silence."""
    sealed = []
    for since in range(first, seconds, each):
        second = range(since, min(since + each, seconds))
        readings = [reading for at in second for reading in _second(at)]
        plant.gateway.time = START + second.stop * SECOND
        sealed.append(plant.gateway.seal(readings, sealed_time=plant.gateway.time))
    return sealed


def _second(at: int) -> list[Reading]:
    wave = math.sin(at / 7)
    temperature = 120 + wave + (12 - abs(at - 40) if abs(at - 40) < 8 else 0)
    found = [
        _reading("press-1/plate-temperature", at, round(temperature, 3)),
        _reading("press-1/seal-pressure", at, round(4 + wave / 20, 4)),
    ]
    if at % 2 == 0:
        found.append(_reading("cleanroom-1/temperature", at, round(21 + wave / 5, 3), 0.5))
    lot = {0: "L-1", 1: "L-2"}.get((at - 10) // LOT_SECONDS, "")
    found.append(_reading("press-1/lot-id", at, lot, kind=Kind.TEXT))
    return found


def _reading(
    signal: str, at: int, value: float | str, later: float = 0.0, kind: Kind = Kind.FLOAT64
) -> Reading:
    time = START + at * SECOND + round(later * SECOND)
    return Reading(
        signal=SignalName(signal),
        kind=kind,
        value=value,
        gateway_time=time + 1_500_000,
        source_time=time,
        status=Status.GOOD,
    )


def sighting(epc: str, at: float) -> Reading:
    """Return one tag read of a carrier at the press."""
    time = START + round(at * SECOND)
    read = TagRead(
        epc=bytes.fromhex(epc),
        epc_bits=96,
        antenna=1,
        rssi=-4_200,
        first_seen=time,
        last_seen=time,
        count=1,
    )
    return Reading(
        signal=SignalName("portal-1/tag-reads"),
        kind=Kind.TAG_READ,
        value=read,
        gateway_time=time,
        source_time=time,
    )
