"""Traces equal a naive closure on any graph; splitting and merging conserve mass."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.binding.fact import FOREVER
from aggregator.model.genealogy.balance import BalanceState, of_edge, of_item
from aggregator.model.genealogy.edge import Edge, EdgeKind, from_document, to_document
from aggregator.model.genealogy.item import Item
from aggregator.model.genealogy.trace import Step, back, forward
from tests.genealogies import T0, Made, closure, closure_back, edge, lot, weighed

ITEMS = [lot(f"L{number}") for number in range(12)]


@st.composite
def edges_of_a_dag(draw: st.DrawFn) -> list[Edge]:
    """Edges lead from items of a lower number to those of a higher one, at any time."""
    found = []
    for _ in range(draw(st.integers(1, 25))):
        cut = draw(st.integers(1, len(ITEMS) - 1))
        inputs = draw(st.lists(st.sampled_from(ITEMS[:cut]), min_size=1, max_size=3, unique=True))
        outputs = draw(st.lists(st.sampled_from(ITEMS[cut:]), min_size=1, max_size=3, unique=True))
        found.append(
            edge(
                inputs,
                outputs,
                draw(st.integers(0, 30)),
                lasts=draw(st.integers(0, 5)),
                uncertainty=draw(st.integers(0, 2)),
            )
        )
    return found


times = st.one_of(st.just(0), st.integers(T0, T0 + 30))


@given(edges=edges_of_a_dag(), since=times, until=st.one_of(st.just(FOREVER), times))
def test_forward_is_the_naive_closure(edges: list[Edge], since: int, until: int) -> None:
    made = Made(edges)
    origin = edges[0].inputs[0].item
    until = max(since, until)
    found = forward(made.graph, made.places(origin), since=since, until=until)
    assert {made.items[row.item]: row.time for row in found.rows()} == closure(
        edges, origin, since=since, until=until
    )
    for row in found.rows():
        check_way(made, found.way(row.place), origin, made.items[row.item])


@given(edges=edges_of_a_dag(), until=st.one_of(st.just(FOREVER), times))
def test_back_is_the_naive_closure(edges: list[Edge], until: int) -> None:
    made = Made(edges)
    origin = edges[0].outputs[0].item
    found = back(made.graph, made.places(origin), until=until)
    assert {made.items[row.item]: row.time for row in found.rows()} == closure_back(
        edges, origin, until=until
    )


@given(edges=edges_of_a_dag(), order=st.randoms(use_true_random=False))
def test_the_order_in_which_edges_came_is_all_the_same(edges: list[Edge], order: object) -> None:
    shuffled = list(edges)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    origin = edges[0].inputs[0].item
    answers = []
    for each in (edges, shuffled):
        made = Made(each)
        rows = forward(made.graph, made.places(origin)).rows()
        answers.append({(made.items[row.item], row.time, row.level) for row in rows})
    assert answers[0] == answers[1]


@given(edges=edges_of_a_dag())
def test_an_edge_survives_its_document(edges: list[Edge]) -> None:
    assert [from_document(to_document(each)) for each in edges] == edges


@given(data=st.data(), grams=st.integers(2, 10**9))
def test_splitting_and_merging_conserve_mass(data: st.DataObject, grams: int) -> None:
    """Whatever is split and merged: what is left of all lots is what there was."""
    left: dict[Item, Decimal] = {ITEMS[0]: Decimal(grams).scaleb(-3)}
    edges: list[Edge] = []
    for number, item in enumerate(ITEMS[1:-1], start=1):
        whole = sorted(each for each, kg in left.items() if kg > 0)
        sources = data.draw(st.lists(st.sampled_from(whole), min_size=1, max_size=2, unique=True))
        taken = {
            each: Decimal(data.draw(st.integers(1, int(left[each].scaleb(3))))).scaleb(-3)
            for each in sources
        }
        for each, kg in taken.items():
            left[each] -= kg
        left[item] = sum(taken.values(), Decimal(0))
        kind = EdgeKind.SPLIT if len(sources) == 1 else EdgeKind.MERGE
        inputs = [(each, str(kg)) for each, kg in taken.items()]
        edges.append(weighed(inputs, [(item, str(left[item]))], number, kind=kind))
    assert sum(left.values()) == Decimal(grams).scaleb(-3)
    assert all(of_edge(each).state is BalanceState.BALANCED for each in edges)
    for item in ITEMS[1:-1]:
        found = of_item(item, edges)
        assert found.state is BalanceState.BALANCED
        assert found.difference == left[item]


def check_way(made: Made, way: list[Step], origin: Item, target: Item) -> None:
    """Assert that each step is an edge that leads on from the step before."""
    at = origin
    for step in way:
        source, number, item = step
        assert made.items[source] == at
        own = made.edges[number]
        assert at in {part.item for part in own.inputs}
        at = made.items[item]
        assert at in {part.item for part in own.outputs}
    assert at == target
