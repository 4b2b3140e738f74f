"""The genealogy as arrays: it grows with the edges that come, and is traced without a depth cap.

Edges and items are numbers here, from 0; who they are is looked up for what is shown. An item that
was made again long after everything known of its earlier life has two *places*, so that a lot
number used again years later does not join two histories.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aggregator.model.binding.fact import FOREVER
from aggregator.model.genealogy.edge import FLOW, EdgeKind
from aggregator.model.genealogy.layer import Layer, Side
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


class Graph:
    """All edges in force; it never changes: what comes later makes another (``grown``)."""

    __slots__ = ("_columns", "_lives", "into", "items", "out")

    def __init__(self, columns: Columns, items: Ints, lives: _Lives, sides: list[Side]) -> None:
        """Keep what ``build`` or ``grown`` has made."""
        self._columns, self._lives = columns, lives
        self.items = items  # by place
        self.into, self.out = sides

    @property
    def earliest(self) -> Ints:
        """Each edge's start, less its uncertainty."""
        return self._columns.earliest

    @property
    def latest(self) -> Ints:
        """Each edge's end, and its uncertainty."""
        return self._columns.latest

    def places(self, item: int) -> list[int]:
        """Return the places of an item, in order of time."""
        return self._lives.several.get(item) or [int(self._lives.places[item])]

    def of_kinds(self, kinds: frozenset[EdgeKind]) -> Bools:
        """Return which edges are of one of the kinds."""
        return _are(self._columns.kinds, kinds)

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
        places = np.array([place], dtype=np.int64)
        return np.concatenate([side.edges_of(places)[0] for side in (self.into, self.out)])

    def grown(self, columns: Columns) -> Graph:
        """Return the graph of ``columns``, which are this one's and what came since.

        It is what ``build`` would make, and costs what came since: all edges are gone through
        only where the lives of an item may part otherwise, or where much has come.
        """
        old, known, edges = self.into.layers[0].stop, self.earliest.size, columns.earliest.size
        if edges - old > max(_NEWER_MAX, old // _NEWER_PART):
            return build(columns)
        fresh = [_since(rows, known) for rows in (columns.into, columns.out)]
        gone = np.flatnonzero(columns.gone[:known] & ~self._columns.gone)
        parts = np.concatenate([side.places_of(gone)[0] for side in (self.into, self.out)])
        touched = np.concatenate([fresh[0][:, 1], fresh[1][:, 1], self.items[parts]])
        lives = self._lives.grown(columns, fresh[1], self.items.size)
        if lives.may_part(touched):
            return build(columns)
        new = np.arange(self._lives.places.size, columns.items, dtype=np.int64)
        sides = []
        for side, rows in ((self.into, columns.into), (self.out, columns.out)):
            newer = _since(rows, old)
            newer = newer[~columns.gone[newer[:, 0]]]
            pairs = np.stack([newer[:, 0], lives.places[newer[:, 1]]], axis=1)
            layers = (side.layers[0], Layer.of(pairs, old, edges))
            sides.append(Side(layers=layers, gone=columns.gone))
        return Graph(columns, np.concatenate([self.items, new]), lives, sides)


_NEWER_MAX: Final = 10_000
_NEWER_PART: Final = 16
"""All is built anew when more edges came than this, and than this part of those before."""


def build(columns: Columns) -> Graph:
    """Return the graph of all edges of ``columns`` but those that are gone."""
    into = columns.into[~columns.gone[columns.into[:, 0]]]
    out = columns.out[~columns.gone[columns.out[:, 0]]]
    nobody = np.empty(0, dtype=np.int64)
    lives = _Lives(first=nobody, last=nobody, places=nobody, several={}).grown(columns, out, 0)
    items, several = _parted(columns, lives, into, out)
    edges = columns.kinds.size
    return Graph(
        columns,
        items,
        _Lives(first=lives.first, last=lives.last, places=lives.places, several=several),
        [
            Side(layers=(Layer.of(pairs, 0, edges, places=items.size),), gone=None)
            for pairs in (into, out)
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lives:
    """When items were made, and their places; arrays have one entry an item."""

    first: Ints  # time at which it was first made, or earlier
    last: Ints  # time at which it was last made, or later; -1: never
    places: Ints  # its first place
    several: Mapping[int, list[int]]  # places of items that have more than one

    def grown(self, columns: Columns, out: Ints, places: int) -> _Lives:
        """Return the lives with outputs of more edges; new items' places follow ``places``."""
        new = columns.items - self.first.size
        first = np.concatenate([self.first, np.full(new, FOREVER, dtype=np.int64)])
        last = np.concatenate([self.last, np.full(new, -1, dtype=np.int64)])
        made = out[_are(columns.kinds[out[:, 0]], _MAKING) & ~columns.gone[out[:, 0]]]
        np.minimum.at(first, made[:, 1], columns.earliest[made[:, 0]])
        np.maximum.at(last, made[:, 1], columns.earliest[made[:, 0]])
        added = np.arange(places, places + new, dtype=np.int64)
        return _Lives(
            first=first,
            last=last,
            places=np.concatenate([self.places, added]),
            several=self.several,
        )

    def may_part(self, items: Ints) -> bool:
        """Tell whether one of ``items`` has several lives, or was made over so long a time."""
        long = (self.last[items] >= 0) & (self.last[items] - self.first[items] > REUSE)
        return bool(long.any()) or not self.several.keys().isdisjoint(items.tolist())


_MAKING: Final = FLOW | {EdgeKind.USE}


def _parted(
    columns: Columns, lives: _Lives, into: Ints, out: Ints
) -> tuple[Ints, dict[int, list[int]]]:
    """Give the items that were made again, long after, a place for each life.

    Puts places in the stead of items into the rows ``into`` and ``out``; returns the items by
    place, and the places of those that have several.
    """
    items = [np.arange(columns.items, dtype=np.int64)]
    several: dict[int, list[int]] = {}
    makes = _are(columns.kinds, _MAKING)
    size = columns.items
    for item in np.flatnonzero((lives.last >= 0) & (lives.last - lives.first > REUSE)).tolist():
        places = _part(columns, item, (into, out), makes, size)
        if len(places) > 1:
            several[item] = places
            size += len(places) - 1
            items.append(np.full(len(places) - 1, item, dtype=np.int64))
    return np.concatenate(items), several


def _part(
    columns: Columns, item: int, sides: tuple[Ints, Ints], makes: Bools, free: int
) -> list[int]:
    """Give each life of an item a place, from ``free`` on; put them into the rows."""
    rows = sorted(
        (int(columns.earliest[edge]), not is_out, int(edge), at, is_out)
        for is_out in (True, False)
        for at in np.flatnonzero(sides[is_out][:, 1] == item).tolist()
        for edge in (sides[is_out][at, 0],)
    )
    places, reach = [item], -1
    for earliest, _, edge, at, is_out in rows:
        if is_out and makes[edge] and 0 <= reach < earliest - REUSE:
            places.append(free + len(places) - 1)
        # What uses it up is a trace of its life, and so is a carrier that lets it go.
        reach = max(reach, min(int(columns.latest[edge]), FOREVER))
        sides[is_out][at, 1] = places[-1]
    return places


def _are(kinds: Ints, wanted: frozenset[EdgeKind]) -> Bools:
    found: Bools = np.array([kind in wanted for kind in KINDS])[kinds]
    return found


def _since(rows: Ints, edge: int) -> Ints:
    """Return the rows of the edges from ``edge`` on."""
    return rows[np.searchsorted(rows[:, 0], edge) :]
