"""Row h: a trace over a genealogy of a million edges and fifty levels, forward and back.

Ours: the arrays in memory, built once from the store. Beside it: the same question asked of the
store by a recursive query, as one would without them.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import asyncpg

from aggregator.model.genealogy.graph import Graph
from aggregator.model.genealogy.trace import back, forward
from aggregator.store.base import Store
from aggregator.store.genealogy import GenealogyIndex
from aggregator.store.postgres import PostgresStore
from aggregator.store.sqlite import SqliteStore
from tests.bench.measure import Stopwatch
from tests.bench.scale import Scale
from tests.bench.table import Entry, Goal
from tests.servers import running_postgres

LEVELS: Final = 50
_SECOND: Final = 1_000_000_000
_QUERY: Final = """
WITH RECURSIVE reached (item) AS (
    SELECT item FROM genealogy_items WHERE item = {origin}
    UNION
    SELECT p.item FROM reached r
    JOIN genealogy_parts u ON u.item = r.item AND u.side = {near}
    JOIN genealogy_parts p ON p.edge = u.edge AND p.side = {far}
)
SELECT COUNT(*) FROM reached
"""


async def run(folder: Path, scale: Scale) -> list[Entry]:
    """Trace from the first lot and from the last, over both stores."""
    edges = 1_000_000 // scale.divisor
    entries = await _sqlite(folder / "genealogy.db", edges, scale.rounds)
    return entries + await _postgres(edges, scale.rounds)


class _Plant:
    """Lots in levels, each made of two of the level before: what a trace reaches fans out."""

    def __init__(self, edges: int) -> None:
        self.width = edges // LEVELS
        self.edges = self.width * LEVELS
        self.items = self.width * (LEVELS + 1)
        self.last = self.items - 1

    def item_rows(self) -> Iterator[tuple[int, str, str]]:
        for item in range(self.items):
            yield item, "lot", f"(01)09506000134352(10)L{item}"

    def edge_rows(self) -> Iterator[tuple[int, str, str, int, int, None, int, str, str]]:
        for edge in range(self.edges):
            at = edge // self.width * _SECOND
            yield edge, f"e-{edge}", "transformation", at, at + _SECOND // 2, None, 0, "bench", "{}"

    def part_rows(self) -> Iterator[tuple[int, int, int]]:
        chance = random.Random(1)
        for edge in range(self.edges):
            below = edge // self.width * self.width
            one = chance.randrange(self.width)
            other = (one + 1 + chance.randrange(self.width - 1)) % self.width
            yield edge, 0, below + one
            yield edge, 0, below + other
            yield edge, 1, edge + self.width


async def _sqlite(path: Path, edges: int, rounds: int) -> list[Entry]:
    plant = _Plant(edges)
    store = SqliteStore(path)
    await store.open()
    await store.migrate()
    with closing(sqlite3.connect(path)) as database:
        for insert, rows in (
            ("INSERT INTO genealogy_items VALUES (?, ?, ?)", plant.item_rows()),
            ("INSERT INTO genealogy_edges VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", plant.edge_rows()),
            ("INSERT INTO genealogy_parts VALUES (?, ?, ?)", plant.part_rows()),
        ):
            database.executemany(insert, rows)
        database.commit()

        async def ask(sql: str) -> int:
            return int((await asyncio.to_thread(_count, path, sql))[0])

        try:
            return await _measure("SQLite", store, plant, ask, rounds)
        finally:
            await store.close()


async def _postgres(edges: int, rounds: int) -> list[Entry]:
    plant = _Plant(edges)
    with running_postgres() as server:
        url = server.database()
        store = PostgresStore(url, timeout_seconds=120)
        await store.open()
        await store.migrate()
        connect: Any = asyncpg.connect  # not annotated
        connection = await connect(url)
        try:
            for table, rows in (
                ("items", plant.item_rows()),
                ("edges", plant.edge_rows()),
                ("parts", plant.part_rows()),
            ):
                await connection.copy_records_to_table(f"genealogy_{table}", records=rows)
            await connection.execute("ANALYZE")

            async def ask(sql: str) -> int:
                return int(await connection.fetchval(sql))

            return await _measure("PostgreSQL", store, plant, ask, rounds)
        finally:
            await connection.close()
            await store.close()


async def _measure(name: str, store: Store, plant: _Plant, ask: Any, rounds: int) -> list[Entry]:
    index = GenealogyIndex()
    with Stopwatch() as loading:
        async with store.read() as tx:
            graph = await index.graph(tx)
    what = f"{name}, {plant.edges / 1e6:g} M edges, {LEVELS} levels"
    entries = [Entry(row="h", what=f"{what}: arrays read once", figure="s", ours=loading.seconds)]
    for way, origin, near, far in (("forward", 0, 0, 1), ("back", plant.last, 1, 0)):
        ours, reached = [], 0
        for _ in range(rounds):
            with Stopwatch() as spent:
                reached = _trace(graph, way, origin)
            ours.append(spent.seconds)
        sql = _QUERY.format(origin=origin, near=near, far=far)
        with Stopwatch() as spent:
            counted = await ask(sql)
        if counted != reached:
            raise AssertionError(f"{name} reaches {counted} items {way}, the arrays {reached}")
        seconds = sorted(ours)[len(ours) // 2]
        entries.append(
            Entry(
                row="h",
                what=f"{what}: {way}, {reached:,} items reached",
                figure="s",
                ours=seconds,
                beside="recursive query, without times",
                theirs=spent.seconds,
                ratio=seconds / spent.seconds,
                goal=Goal(name="G11", text="at most 1 s", reached=seconds <= 1),
            )
        )
    seconds = await _after_a_write(store, index, plant, rounds)
    entries.append(
        Entry(
            row="h",
            what=f"{what}: forward, another edge having been added",
            figure="s",
            ours=seconds,
            goal=Goal(name="G11", text="at most 1 s", reached=seconds <= 1),
        )
    )
    return entries


async def _after_a_write(store: Store, index: GenealogyIndex, plant: _Plant, rounds: int) -> float:
    """Make another lot of the last one, and trace to it: the arrays are brought up to date."""
    spent = []
    for more in range(rounds):
        edge, item = plant.edges + more, plant.items + more
        async with store.write() as tx:
            await tx.execute(
                "genealogy.add_item", item=item, kind="lot", key=f"(01)09506000134352(10)L{item}"
            )
            await tx.execute(
                "genealogy.add_edge",
                edge=edge,
                id=f"e-{edge}",
                kind="transformation",
                earliest=LEVELS * _SECOND,
                latest=LEVELS * _SECOND,
                supersedes=None,
                recorded_time=0,
                recorded_by="bench",
                document="{}",
            )
            parts = [(edge, 0, plant.last), (edge, 1, item)]
            await tx.execute_many(
                "genealogy.add_part",
                [dict(zip(("edge", "side", "item"), part, strict=True)) for part in parts],
            )
        with Stopwatch() as watch:
            async with store.read() as tx:
                graph = await index.graph(tx)
            if item not in forward(graph, graph.places(plant.last)).places:
                raise AssertionError(f"the edge {edge} is not traced")
            _trace(graph, "forward", 0)
        spent.append(watch.seconds)
    return sorted(spent)[len(spent) // 2]


def _trace(graph: Graph, way: str, origin: int) -> int:
    """Trace, make the first page's rows and the way to the farthest item, as a page shows them."""
    ask = forward if way == "forward" else back
    found = ask(graph, graph.places(origin))
    found.rows(0, 1_000)
    found.way(int(found.places[-1]))
    return len(found)


def _count(path: Path, sql: str) -> Sequence[int]:
    with closing(sqlite3.connect(path)) as database:
        row: Sequence[int] = database.execute(sql).fetchone()
    return row
