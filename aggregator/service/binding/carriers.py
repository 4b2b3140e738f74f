"""Which carriers held which lots, by facts, by the genealogy, and by units that are of a lot."""

from __future__ import annotations

from collections.abc import Iterable

from aggregator.model.binding.fact import FOREVER, Authority, Fact, FactKind
from aggregator.model.genealogy.edge import HOLDING, Edge, EdgeId
from aggregator.model.genealogy.holding import associations, carriers
from aggregator.model.genealogy.item import Item, ItemKind
from aggregator.model.master.carrier import called
from aggregator.model.master.lot import LotKey, Unit
from aggregator.service.facts import fact_of
from aggregator.service.genealogy.edges import edge_of, known_number
from aggregator.service.master.documents import EntityKind
from aggregator.service.master.versions import versioned
from aggregator.store.base import Transaction
from protocols.wire.dossier.series import Interval
from protocols.wire.reading import Nanoseconds

EDGES_MAX = 100_000
"""Edges of one item that are looked at, at most."""


async def associations_between(
    tx: Transaction, times: Interval, as_of: Nanoseconds = FOREVER
) -> tuple[Fact, ...]:
    """Return what the genealogy says of carriers within some time."""
    rows = await tx.fetch("genealogy.holding", start=times.start, stop=times.end, as_of=as_of)
    return associations([edge_of(row) for row in rows])


async def lots_in(tx: Transaction, carrier: str, times: Interval) -> set[LotKey]:
    """Return the lots that a carrier held within some time."""
    rows = await tx.fetch("facts.between", start=times.start, stop=times.end, as_of=FOREVER)
    facts = (
        *(fact_of(row) for row in rows),
        *await associations_between(tx, times),
        *await units_called(tx, [called(carrier)]),
    )
    return {
        fact.lot
        for fact in facts
        if fact.kind is FactKind.ASSOCIATION
        and fact.carrier is not None
        and called(fact.carrier) == called(carrier)
        and fact.lot is not None
    }


async def units_called(tx: Transaction, names: Iterable[str]) -> tuple[Fact, ...]:
    """Return which lots units are of, by master data: a unit with a tag brings its lot."""
    found = []
    for name in sorted(set(names)):
        if not name.startswith("("):
            continue  # no unit is known by its bits
        row = await tx.fetch_one("master.current", kind=EntityKind.UNIT.value, key=name)
        unit = None if row is None else versioned(row).document.model()
        if isinstance(unit, Unit) and unit.lot is not None:
            found.append(
                Fact(
                    kind=FactKind.ASSOCIATION,
                    start=0,
                    end=None,
                    authority=Authority.OPERATOR,
                    source=f"unit {unit.id}",
                    lot=unit.lot,
                    carrier=unit.id,
                )
            )
    return tuple(found)


async def associations_of(
    tx: Transaction, edges: list[Edge], as_of: Nanoseconds = FOREVER
) -> tuple[Fact, ...]:
    """Return what the genealogy says of the carriers in ``edges``, and of those around them."""
    found: dict[EdgeId, Edge] = {each.id: each for each in edges if each.kind in HOLDING}
    waiting = list(found.values())
    while waiting:
        for carrier in carriers(waiting.pop().inputs):
            for edge in await edges_as_of(tx, Item(ItemKind.CARRIER, carrier), as_of):
                inner = {called(each) for each in carriers(edge.outputs)}
                around = edge.kind in HOLDING and called(carrier) in inner
                if around and edge.id not in found:
                    found[edge.id] = edge
                    waiting.append(edge)
    return associations(found.values())


async def edges_as_of(tx: Transaction, item: Item, as_of: Nanoseconds = FOREVER) -> list[Edge]:
    """Return the edges that an item is part of, as was known at a record time."""
    number = await known_number(tx, item)
    if number is None:
        return []
    rows = await tx.fetch("genealogy.of_item_as_of", item=number, as_of=as_of, count=EDGES_MAX)
    return [edge_of(each) for each in rows]
