"""The genealogy that grew is the one built at once; a circle is refused in any order of edges."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.access.roles import Actor, Role
from aggregator.errors import InvalidError
from aggregator.model.genealogy import graph as graphs
from aggregator.model.genealogy.edge import Edge, EdgeKind
from aggregator.model.genealogy.graph import KINDS, REUSE, Columns, Graph, build
from aggregator.model.genealogy.trace import Reached, back, forward
from aggregator.service.genealogy import edges
from tests.genealogies import edge, lot
from tests.rigs.context import running_context

QA = Actor(name="qa", roles=frozenset({Role.QA}))
ITEMS = 8
ROWS = st.lists(st.integers(0, ITEMS - 1), max_size=3, unique=True)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[EdgeKind, int, int, list[int], list[int], int]]:
    """Edges as they came, over years: kind, times, inputs, outputs, the edge they correct or -1."""
    found: list[tuple[EdgeKind, int, int, list[int], list[int], int]] = []
    for number in range(draw(st.integers(1, 24))):
        kind = draw(st.sampled_from(KINDS))
        start = draw(st.integers(0, 6)) * (REUSE // 2 + 1) + draw(st.integers(0, 9))
        bare = kind is EdgeKind.WITHDRAWAL
        taken = {each[5] for each in found}
        free = [-1, *(each for each in range(number) if each not in taken)]
        found.append(
            (
                kind,
                start,
                start + draw(st.integers(0, 5)),
                [] if bare else draw(ROWS),
                [] if bare else draw(ROWS),
                draw(st.sampled_from(free)) if bare or draw(st.booleans()) else -1,
            )
        )
    return found


def columns_of(
    history: Sequence[tuple[EdgeKind, int, int, list[int], list[int], int]],
) -> Columns:
    """Give the columns of edges; items are numbered as they are first named."""
    numbers: dict[int, int] = {}
    sides: tuple[list[tuple[int, int]], ...] = ([], [])
    gone = np.array([kind is EdgeKind.WITHDRAWAL for kind, *_ in history], dtype=np.bool_)
    for at, (_, _, _, inputs, outputs, wrong) in enumerate(history):
        for side, items in zip(sides, (inputs, outputs), strict=True):
            side.extend((at, numbers.setdefault(item, len(numbers))) for item in items)
        if wrong >= 0:
            gone[wrong] = True
    into, out = (np.array(sorted(side), dtype=np.int64).reshape(-1, 2) for side in sides)
    return Columns(
        kinds=np.array([KINDS.index(kind) for kind, *_ in history], dtype=np.int64),
        earliest=np.array([each[1] for each in history], dtype=np.int64),
        latest=np.array([each[2] for each in history], dtype=np.int64),
        gone=gone,
        into=into,
        out=out,
        items=len(numbers),
    )


def told(graph: Graph, items: int) -> list[list[tuple[object, ...]]]:
    """Say all that can be traced, places named by their items and lives."""
    names = {
        place: (item, life)
        for item in range(items)
        for life, place in enumerate(graph.places(item))
    }

    def row(each: Reached) -> tuple[object, ...]:
        source = None if each.source is None else names[each.source]
        return names[each.place], each.time, each.level, each.edge, source

    return [
        sorted(map(row, ask(graph, [place]).rows()), key=repr)
        for place in names
        for ask in (forward, back)
    ]


@pytest.mark.req(14)
@given(history=histories(), sizes=st.lists(st.integers(1, 5), min_size=24, max_size=24))
def test_a_graph_that_grew_is_the_one_that_is_built(
    history: list[tuple[EdgeKind, int, int, list[int], list[int], int]], sizes: list[int]
) -> None:
    grown, at = build(columns_of([])), 0
    for size in sizes:
        at = min(at + size, len(history))
        columns = columns_of(history[:at])
        grown = grown.grown(columns)
        assert told(grown, columns.items) == told(build(columns), columns.items)


def test_what_came_since_is_small_and_then_all_is_built_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(graphs, "_NEWER_MAX", 3)
    history = [(EdgeKind.TRANSFORMATION, at, at, [at], [at + 1], -1) for at in range(9)]
    graph, layers = build(columns_of([])), []
    for at in range(1, 10):
        graph = graph.grown(columns_of(history[:at]))
        layers.append([layer.stop for layer in graph.into.layers])
        assert len(forward(graph, [0])) == at + 1
    assert layers == [[0, 1], [0, 2], [0, 3], [4], [4, 5], [4, 6], [4, 7], [8], [8, 9]]


@settings(max_examples=12)
@given(chance=st.randoms(use_true_random=False), length=st.integers(2, 6))
def test_a_circle_is_refused_in_whatever_order_its_edges_come(
    chance: random.Random, length: int
) -> None:
    """And by exactly one edge: all others are taken."""
    lots = [lot(f"L{number}") for number in range(length + 3)]
    ring = [edge([lots[at]], [lots[(at + 1) % length]], 0) for at in range(length)]
    beside = [edge([lots[0]], [each], 0) for each in lots[length:]]
    said = [*ring, *beside]
    chance.shuffle(said)

    async def say() -> list[tuple[Edge, str]]:
        refused: list[tuple[Edge, str]] = []
        with tempfile.TemporaryDirectory() as folder:
            async with running_context(Path(folder)) as context:
                for each in said:
                    try:
                        await edges.add(context, QA, [each], why="test")
                    except InvalidError as error:
                        refused.append((each, str(error)))
        return refused

    ((refused, why),) = asyncio.run(say())
    assert refused in ring
    assert "back to itself" in why
