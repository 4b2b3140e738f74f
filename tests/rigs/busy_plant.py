"""A plant where something of every kind waits for a person, for tests of the console's pages."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from aggregator.access.roles import Actor, Role
from aggregator.model.binding.fact import Authority, Fact, FactId, FactKind
from aggregator.model.integration.event import EventType
from aggregator.model.master.equipment import EquipmentPath
from aggregator.model.master.lot import check_lot_key
from aggregator.service import assemble_record, facts
from aggregator.service.binding import rebind
from aggregator.service.context import Context
from aggregator.service.integration import imports, receivers
from aggregator.service.integration.items import Changes
from aggregator.service.integration.receivers import PAUSED
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.settings import MasterKind, MasterSettings
from protocols.wire.reading import SECOND
from tests.approving_plant import Site, relaxed, site_of
from tests.personal import ADMIN, Person, person
from tests.recorded_plant import AREA, ENGINEER, GTIN, PRESS, QA
from tests.sealed import START

OVEN: Final = f"{AREA}/line-1/oven-1"
MES: Final = Actor(name="mes", roles=frozenset({Role.INTEGRATION}))
MISFIT: Final = json.dumps({"order": "WO-7", "lots": [{"gtin": "09506000134353", "lot": "L-9"}]})
"""An order whose GTIN has a wrong check digit; with 2 at its end it fits."""


@dataclass(slots=True, kw_only=True)
class BusyPlant:
    """The plant and its people, with the ids of what waits."""

    site: Site
    engineer: Person
    misfit: str
    receiver: str
    unended: FactId

    @property
    def context(self) -> Context:
        """The context that the pages are served over."""
        return self.site.context


@contextlib.asynccontextmanager
async def busy_plant(folder: Path) -> AsyncIterator[BusyPlant]:
    """Yield a plant with a misfit, a dead letter, a job without an end, a proposal, late facts."""
    async with site_of(folder) as site:
        floor = site.floor
        alone = relaxed(floor.context)
        await rebind.rebind(floor.context)  # what has come up to now is in the record
        await assemble_record.assemble_record(floor.context, QA, GTIN, "L-1")
        engineer = await person(alone, floor.clock, "zhou.bo", "Zhou Bo 周波", Role.ENGINEER)
        floor.context = engineer.context = _asking(floor.context)
        yield BusyPlant(
            site=site,
            engineer=engineer,
            misfit=await _misfit(site.context),
            receiver=await _receiver(alone),
            unended=await _unended(site.context),
        )


def _asking(context: Context) -> Context:
    """Return the context of a site where limits take two persons."""
    master = MasterSettings(approval=(MasterKind.LIMIT,))
    return replace(context, settings=context.settings.model_copy(update={"master": master}))


async def _misfit(context: Context) -> str:
    channel = await imports.channel_named(context, "orders")
    terms = channel.terms(Changes.REFUSE, "a test")
    (judged,) = await imports.take_all(context, MES, channel, MISFIT, terms)
    assert judged.misfit is not None
    return judged.misfit


async def _receiver(context: Context) -> str:
    """Add a receiver, and let one event be given up for it."""
    found, _ = await receivers.add(
        context,
        ADMIN,
        name="QMS",
        url="https://qms.example/hook",
        types=(EventType.MASTER_PROPOSED, EventType.MASTER_CREATED),
        why="a test",
    )
    limit = await master_data.get(context, QA, EntityKind.LIMIT, f"{GTIN}/seal pressure")
    document = limit.document.model_copy(update={"action_high": 4.6})
    version = limit.version
    await master_data.put(
        _asking(context), ENGINEER, document, expected_version=version, why="the new press"
    )
    async with context.store.write() as tx:
        position = found.position + 1
        await tx.execute(
            "receivers.give_up",
            receiver=found.id,
            sequence=position,
            attempts=12,
            error="answered 500",
            given_up_time=context.clock.now(),
        )
        await tx.execute(
            "receivers.advance", id=found.id, position=position, error="", paused=PAUSED
        )
    return found.id


async def _unended(context: Context) -> FactId:
    """Let a lot stay in the oven for good, another one after it, and L-1 come late to the press."""
    for kind, data in (
        (EntityKind.EQUIPMENT, {"path": OVEN}),
        (EntityKind.LOT, {"gtin": GTIN, "lot": "L-3"}),
        (EntityKind.LOT, {"gtin": GTIN, "lot": "L-4"}),
    ):
        document = master_data.parse(kind, data)
        await master_data.put(context, ENGINEER, document, expected_version=None, why="a test")
    first = await _say(context, OVEN, "L-3", 20)
    await _say(context, OVEN, "L-4", 50)
    await _say(context, PRESS, "L-1", 131, 150)
    assert first.id is not None
    return first.id


async def _say(context: Context, place: str, lot: str, start: int, end: int | None = None) -> Fact:
    fact = Fact(
        kind=FactKind.OCCUPANCY,
        start=START + start * SECOND,
        end=None if end is None else START + end * SECOND,
        authority=Authority.OPERATOR,
        source="operator",
        equipment=EquipmentPath(place),
        lot=check_lot_key(GTIN, lot),
    )
    return await facts.add(context, replace(QA, name="operator"), fact, why="seen")
