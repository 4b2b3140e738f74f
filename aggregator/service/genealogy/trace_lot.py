"""Use case: trace an item forward or back, to any depth, with the way that shows each step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aggregator.access.roles import Act, Actor, require
from aggregator.errors import InvalidError, NotFoundError
from aggregator.model.binding.fact import FOREVER
from aggregator.model.genealogy.edge import HOLDING, Edge, EdgeId
from aggregator.model.genealogy.graph import Graph
from aggregator.model.genealogy.item import Item, check_item
from aggregator.model.genealogy.trace import Direction, Reached, Trace, back, forward
from aggregator.service.context import Context
from aggregator.service.genealogy.edges import edge_of, known_number
from aggregator.service.genealogy.uses import refresh
from aggregator.store.base import Transaction
from protocols.wire.reading import Nanoseconds

PAGE_MAX: Final = 1_000
"""Items in one page of a trace, at most; the trace itself has no bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be traced."""

    item: Item
    direction: Direction
    since: Nanoseconds = 0  # forward: in doubt from then on
    until: Nanoseconds = FOREVER  # back: as it was then; forward: in doubt until then


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedItem:
    """One item of the answer."""

    number: int  # the place in the answer, from 0, nearest first
    item: Item
    time: Nanoseconds  # forward: in doubt since; back: as it was at
    level: int  # 0: the origin
    source: int | None  # number of the item before it, where that is known
    source_item: Item | None
    edge: EdgeId | None  # by which it was reached
    kind: str  # of that edge; "" for the origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A page of a trace, and how much there is in all."""

    question: Question
    total: int  # items, the origin with them
    edges: int  # by which they were reached
    depth: int
    start: int  # number of the first item of this page
    items: tuple[TracedItem, ...]


async def trace(
    context: Context, actor: Actor, question: Question, *, start: int = 0, count: int = PAGE_MAX
) -> Answer:
    """Return a page of what the question's item became, or came of.

    Raises NotFoundError for an item that no edge names.
    """
    require(actor, Act.READ_RECORDS)
    if start < 0 or not 1 <= count <= PAGE_MAX:
        raise InvalidError(f"give a start from 0 and a count from 1 to {PAGE_MAX}")
    graph = await newest_graph(context)
    async with context.store.read() as tx:
        found = await spread(tx, graph, question)
        rows = found.rows(start, start + count)
        items = await _named(tx, graph, rows, start)
    return Answer(
        question=question,
        total=len(found),
        edges=int(found.edges().size),
        depth=found.depth,
        start=start,
        items=items,
    )


async def way_to(
    context: Context, actor: Actor, question: Question, to: Item
) -> list[tuple[Item, Edge, Item]]:
    """Return the steps from the question's item to ``to``: each edge says who vouches for it.

    Raises NotFoundError where the trace does not come there.
    """
    require(actor, Act.READ_RECORDS)
    graph = await newest_graph(context)
    async with context.store.read() as tx:
        found = await spread(tx, graph, question)
        wanted = set(graph.places(await number_of(tx, to)))
        place = next((each for each in found.places.tolist() if each in wanted), None)
        if place is None:
            raise NotFoundError(f"{question.item} does not lead to {to}")
        names = Names(tx)
        return [
            (
                await names.item(step.source),
                await names.edge(step.edge),
                await names.item(step.item),
            )
            for step in found.way(place)
        ]


async def newest_graph(context: Context) -> Graph:
    """Return the graph of all that is recorded, with what the newest records say.

    Every item and edge of it is seen by a transaction that begins afterwards.
    """
    await refresh(context)
    async with context.store.read() as tx:
        return await context.genealogy.graph(tx)


async def spread(tx: Transaction, graph: Graph, question: Question) -> Trace:
    """Return the whole trace as arrays; NotFoundError for an item that no edge names."""
    if question.until < question.since:
        raise InvalidError("the time to trace ends before it begins")
    places = graph.places(await number_of(tx, question.item))
    ask = forward if question.direction is Direction.FORWARD else back
    return ask(graph, places, since=question.since, until=question.until)


async def number_of(tx: Transaction, item: Item) -> int:
    """Return an item's number; NotFoundError for one that no edge names."""
    number = await known_number(tx, item)
    if number is None:
        raise NotFoundError(
            f"the genealogy does not know {item}",
            hint="see its key, letter by letter: case matters; or add the edges that name it",
        )
    return number


class Names:
    """What numbers stand for, each looked up once."""

    def __init__(self, tx: Transaction) -> None:
        """Look up within ``tx``."""
        self._tx = tx
        self._items: dict[int, Item] = {}
        self._edges: dict[int, Edge] = {}

    async def item(self, number: int) -> Item:
        """Return the item with this number."""
        if number not in self._items:
            row = await self._tx.fetch_one("genealogy.named", item=number)
            if row is None:
                raise NotFoundError(f"the genealogy has no item number {number}")
            self._items[number] = check_item(row["kind"], row["key"])
        return self._items[number]

    async def edge(self, number: int) -> Edge:
        """Return the edge with this number."""
        if number not in self._edges:
            row = await self._tx.fetch_one("genealogy.numbered", edge=number)
            if row is None:
                raise NotFoundError(f"the genealogy has no edge number {number}")
            self._edges[number] = edge_of(row)
        return self._edges[number]


def holders(graph: Graph, places: Iterable[int]) -> list[Reached]:
    """Return the carriers that hold or held one of ``places``, and those that held these."""
    return [row for row in back(graph, list(places), kinds=HOLDING).rows() if row.level]


async def _named(
    tx: Transaction, graph: Graph, rows: Sequence[Reached], start: int
) -> tuple[TracedItem, ...]:
    names = Names(tx)
    numbers = {row.place: start + at for at, row in enumerate(rows)}
    items = []
    for row in rows:
        source = None if row.source is None else int(graph.items[row.source])
        edge = None if row.edge is None else await names.edge(row.edge)
        items.append(
            TracedItem(
                number=numbers[row.place],
                item=await names.item(row.item),
                time=row.time,
                level=row.level,
                source=None if row.source is None else numbers.get(row.source),
                source_item=None if source is None else await names.item(source),
                edge=None if edge is None else edge.id,
                kind="" if edge is None else edge.kind.value,
            )
        )
    return tuple(items)
