"""The genealogy as arrays: built once from all edges, and traced without a depth cap.

Edges and items are numbers here, from 0; who they are is looked up for what is shown. An item that
was made again long after everything known of its earlier life has two *places*, so that a lot
number used again years later does not join two histories.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aggregator.model.binding.fact import FOREVER
from aggregator.model.genealogy.edge import FLOW, EdgeKind
from protocols.wire.reading import SECOND, Nanoseconds

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
KINDS: Final = tuple(EdgeKind)

REUSE: Final = 365 * 86_400 * SECOND
"""A lot that is made again so long after its last trace of life is another lot of the same name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """All edges, column by column; shapes: (edges,), and (parts, 2) with rows of (edge, item)."""

    kinds: Ints  # index in KINDS
    earliest: Ints
    latest: Ints
    gone: Bools  # superseded, or a withdrawal
    into: Ints  # rows in order of edges
    out: Ints
    items: int  # how many there are


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of all edges, found by edge and by place."""

    edge_starts: Ints  # edge e's places: places[edge_starts[e]:edge_starts[e + 1]]
    places: Ints
    place_starts: Ints  # place p's edges: edges[place_starts[p]:place_starts[p + 1]]
    edges: Ints


class Graph:
    """All edges in force; it never changes."""

    __slots__ = ("_by_item", "earliest", "into", "items", "kinds", "latest", "out")

    def __init__(self, columns: Columns) -> None:
        """Build the arrays, without the edges that are gone."""
        self.kinds, self.earliest, self.latest = columns.kinds, columns.earliest, columns.latest
        into = columns.into[~columns.gone[columns.into[:, 0]]]
        out = columns.out[~columns.gone[columns.out[:, 0]]]
        self._by_item: dict[int, list[int]] = {}  # places of items that have several
        self.items: Ints = np.arange(columns.items, dtype=np.int64)  # by place
        self._part_lives(into, out)
        self.into, self.out = (
            _side(pairs, self.kinds.size, self.items.size) for pairs in (into, out)
        )

    def places(self, item: int) -> list[int]:
        """Return the places of an item, in order of time."""
        return self._by_item.get(item, [item])

    def of_kinds(self, kinds: frozenset[EdgeKind]) -> Bools:
        """Return which edges are of one of the kinds."""
        wanted = np.array([kind in kinds for kind in KINDS])
        found: Bools = wanted[self.kinds]
        return found

    def life(self, place: int) -> tuple[Nanoseconds, Nanoseconds] | None:
        """Return the earliest and the latest time known of a place; None where there is none.

        What still lasts has FOREVER as its end.
        """
        own = self.edges_of(place)
        if not own.size:
            return None
        return int(self.earliest[own].min()), int(self.latest[own].max())

    def edges_of(self, place: int) -> Ints:
        """Return the edges that a place is part of, on either side."""
        return np.concatenate(
            [
                side.edges[side.place_starts[place] : side.place_starts[place + 1]]
                for side in (self.into, self.out)
            ]
        )

    def _part_lives(self, into: Ints, out: Ints) -> None:
        """Give the items that were made again, long after, a place for each life."""
        makes = self.of_kinds(FLOW | {EdgeKind.USE})
        made = out[makes[out[:, 0]]]
        first = np.full(self.items.size, FOREVER, dtype=np.int64)
        last = np.full(self.items.size, -1, dtype=np.int64)
        np.minimum.at(first, made[:, 1], self.earliest[made[:, 0]])
        np.maximum.at(last, made[:, 1], self.earliest[made[:, 0]])
        for item in np.flatnonzero((last >= 0) & (last - first > REUSE)).tolist():
            self._part(item, into, out, makes)

    def _part(self, item: int, into: Ints, out: Ints, makes: Bools) -> None:
        rows = sorted(
            (int(self.earliest[edge]), not is_out, int(edge), at, is_out)
            for is_out, pairs in ((True, out), (False, into))
            for at in np.flatnonzero(pairs[:, 1] == item).tolist()
            for edge in (pairs[at, 0],)
        )
        places, reach = [item], -1
        for earliest, _, edge, at, is_out in rows:
            if is_out and makes[edge] and 0 <= reach < earliest - REUSE:
                places.append(self.items.size)
                self.items = np.append(self.items, item)
            # What uses it up is a trace of its life, and so is a carrier that lets it go.
            reach = max(reach, min(int(self.latest[edge]), FOREVER))
            (out if is_out else into)[at, 1] = places[-1]
        if len(places) > 1:
            self._by_item[item] = places


def gathered(starts: Ints, values: Ints, keys: Ints) -> tuple[Ints, Ints]:
    """Return the values of all ``keys``, one after another, and for each which key it is of."""
    first = starts[keys]
    count = starts[keys + 1] - first
    which = np.repeat(np.arange(keys.size), count)
    at = np.arange(which.size) + np.repeat(first - np.cumsum(count) + count, count)
    return values[at], which


def _side(pairs: Ints, edges: int, places: int) -> Side:
    order = np.argsort(pairs[:, 1], kind="stable")
    return Side(
        edge_starts=_starts(pairs[:, 0], edges),
        places=np.ascontiguousarray(pairs[:, 1]),
        place_starts=_starts(pairs[:, 1], places),
        edges=pairs[order, 0],
    )


def _starts(keys: Ints, count: int) -> Ints:
    found = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.bincount(keys, minlength=count), out=found[1:])
    return found
