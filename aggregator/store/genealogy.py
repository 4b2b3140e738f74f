"""The genealogy as arrays in memory, brought up to date from the store when it is traced.

The rows are the truth; the arrays can be made again from them at any time. About 60 bytes an edge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import numpy as np

from aggregator.model.genealogy.edge import EdgeKind
from aggregator.model.genealogy.graph import KINDS, Columns, Graph, Ints, build
from aggregator.store.base import Row, Transaction


class GenealogyIndex:
    """The newest graph, and the columns that it was built from."""

    def __init__(self) -> None:
        """Begin with nothing; the first trace reads everything."""
        self._columns = _nothing()
        self._graph = build(self._columns)
        self._turn = asyncio.Lock()

    async def graph(self, tx: Transaction) -> Graph:
        """Return the graph of everything committed before ``tx`` began, or a newer one.

        Not to be called in a transaction that has added edges: it may still roll back.
        """
        async with self._turn:
            size = await tx.fetch_one("genealogy.size")
            items, edges = (0, 0) if size is None else (size["items"], size["edges"])
            known = self._columns.kinds.size
            if edges <= known and items <= self._columns.items:
                return self._graph
            columns = self._columns
            for after in range(known - 1, edges - 1, _PAGE):
                part = await _page(tx, after, min(after + _PAGE, edges - 1), items)
                columns = await asyncio.to_thread(_joined, columns, part)
            self._graph = await asyncio.to_thread(self._graph.grown, columns)
            self._columns = columns
            return self._graph


_PAGE: Final = 250_000
_CODES: Final = {kind.value: code for code, kind in enumerate(KINDS)}
_GONE: Final = _CODES[EdgeKind.WITHDRAWAL.value]


class _Part:
    """Columns of one page, and which older edges it supersedes."""

    __slots__ = ("columns", "superseded")

    def __init__(self, columns: Columns, superseded: Ints) -> None:
        self.columns = columns
        self.superseded = superseded


async def _page(tx: Transaction, after: int, last: int, items: int) -> _Part:
    rows = await tx.fetch("genealogy.edges_after", after=after, last=last)
    into, out = [
        await tx.fetch_one("genealogy.parts_after", after=after, last=last, side=side)
        for side in (0, 1)
    ]
    return await asyncio.to_thread(_part, rows, into, out, items)


def _part(rows: Sequence[Row], into: Row | None, out: Row | None, items: int) -> _Part:
    edges, supersedes = _column(rows, "edge"), _column(rows, "supersedes")
    kinds = np.fromiter((_CODES[row["kind"]] for row in rows), np.int64, len(rows))
    if edges.size and edges[-1] - edges[0] != edges.size - 1:
        raise ValueError("the edges of the genealogy are not numbered without gaps")
    columns = Columns(
        kinds=kinds,
        earliest=_column(rows, "earliest"),
        latest=_column(rows, "latest"),
        gone=kinds == _GONE,
        into=_pairs(into),
        out=_pairs(out),
        items=items,
    )
    return _Part(columns, supersedes[supersedes >= 0])


def _joined(old: Columns, part: _Part) -> Columns:
    new = part.columns
    gone = np.concatenate([old.gone, new.gone])
    gone[part.superseded] = True
    return Columns(
        kinds=np.concatenate([old.kinds, new.kinds]),
        earliest=np.concatenate([old.earliest, new.earliest]),
        latest=np.concatenate([old.latest, new.latest]),
        gone=gone,
        into=np.concatenate([old.into, new.into]),
        out=np.concatenate([old.out, new.out]),
        items=max(old.items, new.items),
    )


def _nothing() -> Columns:
    none = np.zeros(0, dtype=np.int64)
    pairs = np.zeros((0, 2), dtype=np.int64)
    gone = np.zeros(0, dtype=np.bool_)
    return Columns(
        kinds=none, earliest=none, latest=none, gone=gone, into=pairs, out=pairs, items=0
    )


def _column(rows: Sequence[Row], name: str) -> Ints:
    return np.fromiter((row[name] for row in rows), np.int64, len(rows))


def _pairs(row: Row | None) -> Ints:
    """Return rows of (edge, item) in order of edges from the text of a page."""
    text = "" if row is None else row["pairs"] or ""
    found = np.fromstring(text, dtype=np.int64, sep=" ").reshape(-1, 2)
    return found[np.lexsort((found[:, 1], found[:, 0]))]
