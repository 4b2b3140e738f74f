"""Each folder ``genealogy_*`` is one way in which traces go wrong, and what ours says instead."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from aggregator.model.genealogy.edge import Edge
from aggregator.model.genealogy.item import Item, check_item
from aggregator.model.genealogy.trace import back, forward
from tests.genealogies import DAY, Made, edge

CASES = sorted(Path(__file__).parent.glob("genealogy_*/case.json"))
Links = list[tuple[str, str]]


def links_of(edges: list[Edge], direction: str) -> Links:
    """Return what leads to what, as a table of parents and children has it."""
    pairs = [
        (one.item.key, other.item.key)
        for each in edges
        for one in each.inputs
        for other in each.outputs
    ]
    return pairs if direction == "forward" else [(child, parent) for parent, child in pairs]


def walk(links: Links, start: str, levels: int = 1_000) -> set[str]:
    found, front = {start}, {start}
    for _ in range(levels):
        front = {child for parent, child in links if parent in front} - found
        found |= front
    return found - {start}


def ten_levels(edges: list[Edge], item: str, direction: str) -> set[str]:
    """Stop after ten levels, as a recursive query with a guard does."""
    return walk(links_of(edges, direction), item, levels=10)


def first_input(edges: list[Edge], item: str, direction: str) -> set[str]:
    """Keep one parent a lot."""
    single = [(each.inputs[0].item.key, out.item.key) for each in edges for out in each.outputs]
    return walk([(child, parent) for parent, child in single], item)


def lot_id_alone(edges: list[Edge], item: str, direction: str) -> set[str]:
    """Know lots by their id, of whatever product."""
    links = [(_lot_id(one), other) for one, other in links_of(edges, direction)]
    return {other for one, other in links if one == _lot_id(item)}


def no_times(edges: list[Edge], item: str, direction: str) -> set[str]:
    """Follow every link, whenever it was."""
    return walk(links_of(edges, direction), item)


RULES: Final[Mapping[str, Callable[[list[Edge], str, str], set[str]]]] = {
    rule.__name__: rule for rule in (ten_levels, first_input, lot_id_alone, no_times)
}


@pytest.mark.parametrize("path", CASES, ids=[path.parent.name for path in CASES])
def test_a_trace_says_what_the_case_says(path: Path) -> None:
    case, edges = load(path)
    made, item = Made(edges), lot_named(case["item"])
    ask = forward if case["direction"] == "forward" else back
    found = made.named(ask(made.graph, made.places(item)).places.tolist()) - {item}
    assert {each.key for each in found} == set(case["expected"]), case["says"]


@pytest.mark.parametrize("path", CASES, ids=[path.parent.name for path in CASES])
def test_the_case_tells_the_naive_trace_from_ours(path: Path) -> None:
    case, edges = load(path)
    said = RULES[case["naive"]["rule"]](edges, case["item"], case["direction"])
    assert said == set(case["naive"]["gives"]), "the case states what the naive rule gives"
    assert said != set(case["expected"])


def load(path: Path) -> tuple[dict[str, Any], list[Edge]]:
    case = json.loads(path.read_text(encoding="utf-8"))
    edges = [
        edge([lot_named(key) for key in into], [lot_named(key) for key in out], day * DAY)
        for into, out, day in case["edges"]
    ]
    return case, edges


def lot_named(key: str) -> Item:
    return check_item("lot", key)


def _lot_id(key: str) -> str:
    return key.partition("(10)")[2]
