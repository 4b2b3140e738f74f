"""Who is part of what, as arrays: a layer of many edges, and a small one of those that came since.

Pairs of (edge, place) are found from both ends; a question is about many edges or places at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Found = tuple[Ints, Ints]
"""What was found of all that was asked for, one after another, and for each the place in that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The parts of the edges numbered from ``first`` to before ``stop``, on one side."""

    first: int
    stop: int
    edge_starts: Ints  # edge e's places: places[edge_starts[e - first]:edge_starts[e - first + 1]]
    places: Ints
    known: Ints | None  # places in rising order; None: all there are, from 0 on
    place_starts: Ints  # the n-th known place's edges: edges[place_starts[n]:place_starts[n + 1]]
    edges: Ints

    @classmethod
    def of(cls, pairs: Ints, first: int, stop: int, *, places: int | None = None) -> Layer:
        """Return the layer of rows (edge, place), in order of edges.

        With the number of ``places`` it has room for each of them, else for those that it has.
        """
        order = np.argsort(pairs[:, 1], kind="stable")
        if places is None:
            known, at = np.unique(pairs[:, 1], return_inverse=True)
            starts = _starts(at, known.size)
        else:
            known, starts = None, _starts(pairs[:, 1], places)
        return cls(
            first=first,
            stop=stop,
            edge_starts=_starts(pairs[:, 0] - first, stop - first),
            places=np.ascontiguousarray(pairs[:, 1]),
            known=known,
            place_starts=starts,
            edges=pairs[order, 0],
        )

    def edges_of(self, places: Ints) -> Found:
        """Return the edges of each place, in rising order."""
        if self.known is None:
            return _gathered(self.place_starts, self.edges, places)
        at = np.searchsorted(self.known, places)
        here = at < self.known.size
        here[here] = self.known[at[here]] == places[here]
        return _gathered(self.place_starts, self.edges, np.where(here, at, -1))

    def places_of(self, edges: Ints) -> Found:
        """Return the places of each edge."""
        return _gathered(self.edge_starts, self.places, edges - self.first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of all edges: a layer, and those that came after it."""

    layers: tuple[Layer, ...]  # in order of their edges
    gone: Bools | None  # edges that are in a layer and no longer in force; None: none is

    def edges_of(self, places: Ints) -> Found:
        """Return the edges in force of each place; of one place in rising order."""
        edges, which = _joined([layer.edges_of(places) for layer in self.layers])
        if self.gone is not None:
            held = ~self.gone[edges]
            edges, which = edges[held], which[held]
        return edges, which

    def places_of(self, edges: Ints) -> Found:
        """Return the places of each edge."""
        return _joined([layer.places_of(edges) for layer in self.layers])


def _gathered(starts: Ints, values: Ints, keys: Ints) -> Found:
    """Return the values of all ``keys``, and which key each is of; a key outside has none."""
    held = (keys >= 0) & (keys < starts.size - 1)
    asked = None if held.all() else np.flatnonzero(held)
    keys = keys if asked is None else keys[asked]
    first = starts[keys]
    count = starts[keys + 1] - first
    which = np.repeat(np.arange(keys.size), count)
    at = np.arange(which.size) + np.repeat(first - np.cumsum(count) + count, count)
    return values[at], which if asked is None else asked[which]


def _joined(found: list[Found]) -> Found:
    if len(found) == 1:
        return found[0]
    values, which = zip(*found, strict=True)
    return np.concatenate(values), np.concatenate(which)


def _starts(keys: Ints, count: int) -> Ints:
    found = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.bincount(keys, minlength=count), out=found[1:])
    return found
