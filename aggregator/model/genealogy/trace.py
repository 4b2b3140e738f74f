"""Trace: everything that came of an item, or that it came of, with the way that shows it.

Time decides what is reached. Forward from an item that is in doubt since a time, only what was
made of it after that time; backward from an item as it was at a time, only what had gone into it by
then: so a lot that was split off inherits its parent's history up to the split. Where the times
are not certain, what may have been reached is reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np

from aggregator.model.binding.fact import FOREVER
from aggregator.model.genealogy.edge import EdgeKind
from aggregator.model.genealogy.graph import Graph, Ints
from aggregator.model.genealogy.layer import Side
from protocols.wire.reading import Nanoseconds


class Direction(StrEnum):
    """Which way."""

    FORWARD = "forward"  # what came of it
    BACK = "back"  # what it came of


class Step(NamedTuple):
    """One step of a way: ``edge`` led from the item ``source`` to ``item``; all are numbers."""

    source: int
    edge: int
    item: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """One place that a trace came to."""

    place: int
    item: int
    time: Nanoseconds  # forward: in doubt since; back: as it was at (FOREVER: at any time)
    level: int  # steps from the origin, in the order of the search; 0: the origin
    edge: int | None  # the last step; None for the origin
    source: int | None  # the place before it


class Trace:
    """What was reached; rows are made when they are asked for."""

    __slots__ = ("_graph", "_levels", "_order", "_sources", "_times", "_via", "direction")

    def __init__(
        self,
        graph: Graph,
        direction: Direction,
        *,
        times: Ints,
        via: Ints,
        sources: Ints,
        levels: Ints,
    ) -> None:
        """Keep the arrays, each by place."""
        self.direction = direction
        self._graph = graph
        self._times = times
        self._via = via
        self._sources = sources
        self._levels = levels
        found = np.flatnonzero(levels >= 0)
        self._order: Ints = found[np.argsort(levels[found], kind="stable")]

    def __len__(self) -> int:
        return int(self._order.size)

    @property
    def depth(self) -> int:
        """Steps to the farthest place."""
        return int(self._levels[self._order[-1]]) if self._order.size else 0

    @property
    def places(self) -> Ints:
        """All places reached, the origin first."""
        return self._order

    def rows(self, start: int = 0, stop: int | None = None) -> list[Reached]:
        """Return what was reached, nearest first."""
        return [self.row(place) for place in self._order[start:stop].tolist()]

    def row(self, place: int) -> Reached:
        """Return what is known of one place that was reached."""
        via, source = int(self._via[place]), int(self._sources[place])
        time = int(self._times[place])
        return Reached(
            place=place,
            item=int(self._graph.items[place]),
            time=time if self.direction is Direction.FORWARD else -time,
            level=int(self._levels[place]),
            edge=None if via < 0 else via,
            source=None if source < 0 else source,
        )

    def way(self, place: int) -> list[Step]:
        """Return the steps from the origin to a place that was reached: the evidence."""
        steps, seen = [], {place}
        while (via := int(self._via[place])) >= 0:
            source = int(self._sources[place])
            items = self._graph.items
            steps.append(Step(source=int(items[source]), edge=via, item=int(items[place])))
            if source in seen:  # a carrier that was held by what it held before
                break
            seen.add(source)
            place = source
        return steps[::-1]

    def edges(self) -> Ints:
        """Return every edge by which something was reached, in the order they were added."""
        used = np.unique(self._via[self._order])
        return used[used >= 0]


def forward(
    graph: Graph,
    origins: list[int],
    *,
    since: Nanoseconds = 0,
    until: Nanoseconds = FOREVER,
    kinds: frozenset[EdgeKind] = frozenset(EdgeKind),
) -> Trace:
    """Return what came of the places ``origins``, which are in doubt from ``since`` to ``until``.

    What was made of them within that time is in doubt for good.
    """
    return _spread(
        graph,
        Direction.FORWARD,
        _Times(low=graph.earliest, high=graph.latest, into=graph.into, out=graph.out),
        origins,
        begin=since,
        end=until,
        kinds=kinds,
    )


def back(
    graph: Graph,
    origins: list[int],
    *,
    since: Nanoseconds = 0,
    until: Nanoseconds = FOREVER,
    kinds: frozenset[EdgeKind] = frozenset(EdgeKind),
) -> Trace:
    """Return what the places ``origins`` came of, as they were at ``until``.

    Of what had gone into the origins themselves, only what did from ``since`` on.
    """
    return _spread(
        graph,
        Direction.BACK,
        _Times(low=-graph.latest, high=-graph.earliest, into=graph.out, out=graph.into),
        origins,
        begin=-until,
        end=-since,
        kinds=kinds,
    )


NEVER: Final = FOREVER
"""Later than any time, or before any where time runs backward."""


class _Times(NamedTuple):
    """The graph as it is looked at: backward, the same with time and sides turned round."""

    low: Ints
    high: Ints
    into: Side
    out: Side


def _spread(
    graph: Graph,
    direction: Direction,
    seen: _Times,
    origins: list[int],
    *,
    begin: int,
    end: int,
    kinds: frozenset[EdgeKind],
) -> Trace:
    """Go on, level by level, until no place is reached earlier than before.

    Each level is a few operations on whole arrays, so that it costs what it touches.
    """
    size = len(graph.items)
    times = np.full(size, NEVER, dtype=np.int64)
    via, sources, levels = (np.full(size, -1, dtype=np.int64) for _ in range(3))
    front = np.unique(np.array(origins, dtype=np.int64))
    times[front], levels[front] = begin, 0
    wanted = graph.of_kinds(kinds)
    level = 0
    while front.size:
        level += 1
        edges, which = seen.into.edges_of(front)
        source = front[which]
        touched = wanted[edges] & (seen.high[edges] >= times[source])
        if level == 1:
            touched &= seen.low[edges] <= end
        edges, source = edges[touched], source[touched]
        arrival = np.maximum(seen.low[edges], times[source])
        first = _first_of(edges, arrival)  # an edge is gone along once, at its earliest
        edges, source, arrival = edges[first], source[first], arrival[first]
        places, which = seen.out.places_of(edges)
        at = arrival[which]
        sooner = (at < times[places]) & (levels[places] != 0)
        places, which, at = places[sooner], which[sooner], at[sooner]
        first = _first_of(places, at)
        front, which = places[first], which[first]
        times[front], via[front], sources[front] = at[first], edges[which], source[which]
        levels[front] = np.where(levels[front] < 0, level, levels[front])
    return Trace(graph, direction, times=times, via=via, sources=sources, levels=levels)


def _first_of(keys: Ints, times: Ints) -> Ints:
    """Return where each key stands with its smallest time."""
    order = np.lexsort((times, keys))
    ordered = keys[order]
    first: Ints = order[np.concatenate([[True], ordered[1:] != ordered[:-1]])[: keys.size]]
    return first
