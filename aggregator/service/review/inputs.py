"""What went into a lot: a lot is not released while one of its inputs is held or rejected."""

from __future__ import annotations

from aggregator.model.genealogy.item import lot_item
from aggregator.model.genealogy.trace import Direction
from aggregator.model.master.lot import LotKey, check_lot_key
from aggregator.service.context import Context
from aggregator.service.genealogy.trace_lot import Question, newest_graph, spread


async def stopped_inputs(context: Context, key: LotKey) -> tuple[LotKey, ...]:
    """Return the lots that went into a lot, at any depth, and are held or rejected."""
    async with context.store.read() as tx:
        stopped = [
            check_lot_key(row["gtin"], row["lot"]) for row in await tx.fetch("review.stopped")
        ]
    if not stopped:
        return ()
    graph = await newest_graph(context)
    async with context.store.read() as tx:
        items = [lot_item(each) for each in (key, *stopped)]
        own, *others = [
            await tx.fetch_one("genealogy.item", kind=item.kind.value, key=item.key)
            for item in items
        ]
        if own is None:
            return ()
        question = Question(item=items[0], direction=Direction.BACK)
        reached = set((await spread(tx, graph, question)).places.tolist())
    return tuple(
        lot
        for lot, row in zip(stopped, others, strict=True)
        if row is not None and lot != key and reached & set(graph.places(row["item"]))
    )
