"""Use cases: say what became of what, and correct what was said.

Several edges are taken together or not at all, so that an import that fails can be sent again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

from aggregator import audit
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError, InvalidError, NotFoundError
from aggregator.model.binding.fact import FOREVER
from aggregator.model.genealogy.edge import (
    HOLDING,
    Edge,
    EdgeId,
    EdgeKind,
    from_document,
    to_document,
)
from aggregator.model.genealogy.graph import REUSE
from aggregator.model.genealogy.item import Item, identity
from aggregator.service.context import Context
from aggregator.store.base import Row, Transaction

EDGES_MAX: Final = 10_000
"""Edges in one import, at most."""

EDGES_SHOWN: Final = 1_000
"""Edges of one item that are shown, at most."""


async def add(context: Context, actor: Actor, edges: Sequence[Edge], *, why: str) -> list[Edge]:
    """Record ``edges``, all or none, and return them with their record time.

    Said twice, an edge is one. Raises InvalidError for one that closes a circle or uses what was
    not made yet; its message names the edge by its number in ``edges``, from 0.
    """
    require(actor, Act.WRITE_GENEALOGY)
    if not 1 <= len(edges) <= EDGES_MAX:
        raise InvalidError(f"give 1 to {EDGES_MAX} edges at a time")
    for at, edge in enumerate(edges):
        if edge.supersedes is not None or edge.kind is EdgeKind.USE:
            raise InvalidError(
                f"edge {at} is a correction or a use",
                hint="a correction names its edge in the address; uses are taken from records",
            )
    async with context.store.write() as tx:
        added = [await _add(context, tx, actor, edge) for edge in edges]
        new = [edge for edge, is_new in added if is_new]
        for at, (edge, is_new) in enumerate(added):
            if is_new:
                await _check(tx, edge, f"edge {at}" if len(edges) > 1 else "the edge")
        if new:
            await _audit(context, tx, actor, new, why=why)
        return [edge for edge, _ in added]


async def supersede(
    context: Context, actor: Actor, wrong: EdgeId, right: Edge | None, *, reason: str
) -> Edge:
    """Put ``right`` in the place of the edge ``wrong`` (None: nothing) and return what was added.

    Raises NotFoundError for an edge that is not there, ConflictError for one corrected already.
    """
    require(actor, Act.WRITE_GENEALOGY)
    async with context.store.write() as tx:
        return await correct(context, tx, actor, wrong, right, reason=reason)


async def correct(
    context: Context,
    tx: Transaction,
    actor: Actor,
    wrong: EdgeId,
    right: Edge | None,
    *,
    reason: str,
) -> Edge:
    """Supersede within the transaction of another use case, whose actor was let in there."""
    row = await tx.fetch_one("genealogy.edge", id=wrong)
    if row is None:
        raise NotFoundError(f"there is no edge {wrong}")
    if row["superseded_by"] is not None:
        raise ConflictError(
            f"the edge {wrong} was corrected already, by {row['superseded_by']}",
            hint="correct that one instead",
        )
    before = edge_of(row)
    edge = before if right is None else right
    correction = replace(
        edge,
        kind=EdgeKind.WITHDRAWAL if right is None else edge.kind,
        inputs=() if right is None else edge.inputs,
        outputs=() if right is None else edge.outputs,
        supersedes=wrong,
        reason=reason,
    )
    added, _ = await _add(context, tx, actor, correction, supersedes=row["edge"])
    if right is not None:
        await _check(tx, added, "the edge")
    await _audit(context, tx, actor, [added], why=reason, before=before)
    return added


async def add_derived(context: Context, tx: Transaction, actor: Actor, edge: Edge) -> Edge:
    """Record an edge that a record says, within the transaction that read it."""
    added, is_new = await _add(context, tx, actor, edge)
    if is_new:
        await _audit(context, tx, actor, [added], why="said by the batch record")
    return added


async def of_item(context: Context, actor: Actor, item: Item) -> list[Edge]:
    """Return the edges in force that an item is part of, oldest first."""
    require(actor, Act.READ_RECORDS)
    async with context.store.read() as tx:
        return await edges_with(tx, item)


async def known_number(tx: Transaction, item: Item) -> int | None:
    """Return the number that an item is kept under, by whichever of its names; None for none."""
    row = await tx.fetch_one("genealogy.item", kind=item.kind.value, key=identity(item))
    return None if row is None else int(row["item"])


async def edges_with(tx: Transaction, item: Item, count: int = EDGES_SHOWN) -> list[Edge]:
    """Return up to ``count`` edges in force that an item is part of, oldest first."""
    number = await known_number(tx, item)
    if number is None:
        return []
    return [edge_of(each) for each in await tx.fetch("genealogy.of_item", item=number, count=count)]


async def every_edge(tx: Transaction, item: Item) -> AsyncIterator[Edge]:
    """Yield all edges in force that an item is part of, oldest first, read page by page."""
    number = await known_number(tx, item)
    behind = {"earliest": -1, "edge": -1}
    while number is not None:
        rows = await tx.fetch("genealogy.of_item_after", item=number, count=EDGES_SHOWN, **behind)
        for row in rows:
            yield edge_of(row)
        if len(rows) < EDGES_SHOWN:
            return
        behind = {"earliest": rows[-1]["earliest"], "edge": rows[-1]["edge"]}


def edge_of(row: Row) -> Edge:
    """Return the edge that a row's document holds."""
    return from_document(json.loads(row["document"]))


async def _add(
    context: Context, tx: Transaction, actor: Actor, edge: Edge, *, supersedes: int | None = None
) -> tuple[Edge, bool]:
    """Return the edge as recorded, and whether it is new."""
    known = await tx.fetch_one("genealogy.edge", id=edge.id)
    if known is not None:
        if known["superseded_by"] is not None:
            raise ConflictError(
                f"the edge {edge.id} was said before and corrected by {known['superseded_by']}",
                hint="correct that one, if the first was right after all",
            )
        return edge_of(known), False
    edge = replace(edge, recorded=context.clock.now())
    size = await tx.fetch_one("genealogy.size")
    number = 0 if size is None else size["edges"]
    await tx.execute(
        "genealogy.add_edge",
        edge=number,
        id=edge.id,
        kind=edge.kind.value,
        earliest=edge.earliest,
        latest=edge.latest,
        supersedes=supersedes,
        recorded_time=edge.recorded,
        recorded_by=actor.name,
        document=audit.canonical(to_document(edge)),
    )
    for side, parts in enumerate((edge.inputs, edge.outputs)):
        items = dict.fromkeys([await _number(tx, part.item) for part in parts])
        rows = [{"edge": number, "side": side, "item": item} for item in items]
        await tx.execute_many("genealogy.add_part", rows)
    return edge, True


async def _number(tx: Transaction, item: Item) -> int:
    known = await known_number(tx, item)
    if known is not None:
        return known
    size = await tx.fetch_one("genealogy.size")
    number = 0 if size is None else int(size["items"])
    await tx.execute("genealogy.add_item", item=number, kind=item.kind.value, key=identity(item))
    return number


async def _check(tx: Transaction, edge: Edge, name: str) -> None:
    """Refuse an edge that contradicts the others; the transaction holds it already."""
    if edge.kind in (EdgeKind.USE, EdgeKind.WITHDRAWAL):
        return
    row = await tx.fetch_one("genealogy.edge", id=edge.id)
    number = 0 if row is None else row["edge"]
    low, high = max(edge.earliest - REUSE, 0), min(edge.latest, FOREVER - REUSE) + REUSE
    if edge.kind in HOLDING:
        low, high = edge.earliest, edge.latest  # a box may hold today what held it yesterday
    circle = await tx.fetch_one(
        "genealogy.circle", edge=number, low=low, high=high, holding=int(edge.kind in HOLDING)
    )
    if circle is not None:
        raise InvalidError(
            f"{name} leads {circle['kind']}:{circle['key']} back to itself",
            hint="rework makes a new sublot or a new lot; a carrier cannot be within itself",
        )
    early = None
    if edge.kind not in HOLDING:
        early = await tx.fetch_one("genealogy.used_before_made", edge=number, low=low, high=high)
    if early is not None:
        raise InvalidError(
            f"{name}: {early['kind']}:{early['key']} was used before any of it was made",
            hint="correct the times, or say how uncertain they are in `uncertainty`",
        )


async def _audit(
    context: Context,
    tx: Transaction,
    actor: Actor,
    edges: Sequence[Edge],
    *,
    why: str,
    before: Edge | None = None,
) -> None:
    """Write one entry; an edge's id is the hash of all it says, so ids stand for many edges."""
    (first, *rest) = edges
    entry = audit.Entry(
        who=actor.name,
        act=Act.WRITE_GENEALOGY.value,
        what=f"{len(edges)} genealogy edges" if rest else f"genealogy edge {first.id}",
        before=None if before is None else to_document(before),
        after=[edge.id for edge in edges] if rest else to_document(first),
        why=why,
    )
    await audit.record(tx, entry, context.clock)
