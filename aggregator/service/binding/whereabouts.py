"""Where a lot may have been: the stretches of time in which anything speaks of it."""

from __future__ import annotations

from collections.abc import Iterable

from aggregator.model.binding.descent import Descent, ancestors
from aggregator.model.binding.fact import FOREVER, FactKind
from aggregator.model.binding.locate import Plant
from aggregator.model.genealogy.descent import descents as descents_by
from aggregator.model.genealogy.edge import Edge, EdgeId
from aggregator.model.genealogy.item import Item, lot_item, lot_of
from aggregator.model.master.carrier import called
from aggregator.model.master.equipment import Equipment, SignalSpec
from aggregator.model.master.lot import LotKey
from aggregator.model.series import Series
from aggregator.service.binding.carriers import associations_of, edges_as_of
from aggregator.service.binding.sightings import lots_of_id, seen, units_seen
from aggregator.service.facts import fact_of
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.store.base import Transaction
from protocols.wire.dossier.series import Interval
from protocols.wire.reading import Kind, Nanoseconds


async def whereabouts(
    tx: Transaction,
    key: LotKey,
    descents: Iterable[Descent] = (),
    as_of: Nanoseconds = FOREVER,
) -> list[Interval]:
    """Return every stretch in which facts or readings may speak of the lot, merged, in order.

    ``descents`` say what it came out of: up to then, what speaks of those speaks of it.
    """
    found = await _of_lot(tx, key, as_of)
    for portion, until in ancestors(key, descents).items():
        found += [
            Interval(each.start, min(each.end, until.time))
            for each in await _of_lot(tx, portion.lot, as_of)
            if each.start < until.time
        ]
    return merged(found)


async def descents_of(
    tx: Transaction, key: LotKey, as_of: Nanoseconds = FOREVER
) -> tuple[Descent, ...]:
    """Return what a lot came out of, however far back, as was known at a record time."""
    found: dict[tuple[object, ...], Descent] = {}
    lots, waiting = {key}, [key]
    while waiting:
        lot = waiting.pop()
        for each in await _of_family(tx, lot, as_of):
            if each.child.lot == lot:
                found[(each.edge, each.child, each.parent)] = each
                if each.parent.lot not in lots:
                    lots.add(each.parent.lot)
                    waiting.append(each.parent.lot)
    return tuple(found[name] for name in sorted(found, key=str))


async def offspring(tx: Transaction, key: LotKey) -> set[LotKey]:
    """Return the lots that came out of a lot and have its history, however far on."""
    found, waiting = {key}, [key]
    while waiting:
        lot = waiting.pop()
        for each in await _of_family(tx, lot, FOREVER):
            if each.parent.lot == lot and each.child.lot not in found:
                found.add(each.child.lot)
                waiting.append(each.child.lot)
    return found - {key}


async def plant_at(tx: Transaction, at: Nanoseconds) -> Plant:
    """Return equipment and signals as the master data say of a time, without any lot."""
    equipment = await master_data.models_at(tx, EntityKind.EQUIPMENT, at)
    signals = await master_data.models_at(tx, EntityKind.SIGNAL, at)
    return Plant(
        equipment=tuple(each for each in equipment if isinstance(each, Equipment)),
        signals=tuple(each for each in signals if isinstance(each, SignalSpec)),
        lots=(),
    )


async def lots_called(tx: Transaction, series: Iterable[Series]) -> tuple[LotKey, ...]:
    """Return every lot that a lot id within some series may mean: of all GTINs that have it."""
    said = {
        str(value).strip()
        for each in series
        if each.kind is not Kind.TAG_READ
        for value in set(each.values[each.present].tolist())
    }
    return tuple(sorted([key for lot in sorted(said) for key in await lots_of_id(tx, lot)]))


def merged(stretches: Iterable[Interval]) -> list[Interval]:
    """Return the union of stretches, in order."""
    union: list[Interval] = []
    for start, end in sorted(stretches):
        if union and start <= union[-1].end:
            union[-1] = Interval(union[-1].start, max(union[-1].end, end))
        else:
            union.append(Interval(start, end))
    return union


async def _of_lot(tx: Transaction, key: LotKey, as_of: Nanoseconds) -> list[Interval]:
    rows = await tx.fetch("facts.of_lot", gtin=key.gtin, lot=key.lot, as_of=as_of)
    facts = [fact_of(row) for row in rows]
    found = [Interval(fact.start, fact.until) for fact in facts if fact.kind is FactKind.OCCUPANCY]
    for said in (key.lot, str(key)):
        found += [Interval(each.start, each.end) for each in await seen(tx, said)]
    found += [Interval(each.start, each.end) for each in await units_seen(tx, key)]
    held = await associations_of(tx, await _edges_of_family(tx, key, as_of), as_of)
    for fact in (*facts, *(fact for fact in held if fact.lot == key)):
        if fact.kind is FactKind.ASSOCIATION and fact.carrier is not None:
            found += [
                Interval(max(each.start, fact.start), min(each.end, fact.until))
                for each in await seen(tx, called(fact.carrier))
                if each.start < fact.until and fact.start < each.end
            ]
    return found


async def _of_family(tx: Transaction, lot: LotKey, as_of: Nanoseconds) -> list[Descent]:
    """Return the descents that name a lot or a part of it."""
    edges = await _edges_of_family(tx, lot, as_of)
    return [each for edge in edges for each in descents_by(edge)]


async def _edges_of_family(tx: Transaction, lot: LotKey, as_of: Nanoseconds) -> list[Edge]:
    """Return the edges that name a lot or a part of it."""
    items: set[Item] = {lot_item(lot)}
    waiting = [lot_item(lot)]
    found: dict[EdgeId, Edge] = {}
    while waiting:
        for edge in await edges_as_of(tx, waiting.pop(), as_of):
            found[edge.id] = edge
            own = {part.item for part in (*edge.inputs, *edge.outputs) if lot_of(part.item) == lot}
            waiting += own - items
            items |= own
    return list(found.values())
