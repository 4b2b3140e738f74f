"""Items, edges and traces: what leads where, at what time, and what is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from aggregator.errors import InvalidError
from aggregator.model.binding.fact import FOREVER
from aggregator.model.genealogy.balance import BalanceState, of_edge, of_item
from aggregator.model.genealogy.edge import (
    Edge,
    EdgeId,
    EdgeKind,
    Part,
    from_document,
    quantity,
    to_document,
)
from aggregator.model.genealogy.item import (
    Item,
    ItemKind,
    check_item,
    lot_of,
    parse_item,
    scanned_item,
)
from aggregator.model.genealogy.trace import Direction, back, forward
from protocols.wire.reading import SECOND
from tests.genealogies import DAY, GTIN, OTHER_GTIN, T0, Made, carrier, edge, lot, unit, weighed


@pytest.mark.parametrize(
    ("text", "item"),
    [
        (f"(01){GTIN}(10)L-1", f"lot:(01){GTIN}(10)L-1"),
        (f"(01){GTIN}(10)L-1(21)S7", f"unit:(01){GTIN}(21)S7"),
        (f"https://id.gs1.org/01/{GTIN}/10/l-1", f"lot:(01){GTIN}(10)l-1"),
        (f"https://id.gs1.org/01/{GTIN}/10/L-1/21/S7", f"unit:(01){GTIN}(21)S7"),
        ("(00)095060001343520000", "carrier:(00)095060001343520000"),
    ],
)
@pytest.mark.req(18)
def test_what_a_label_says_names_an_item(text: str, item: str) -> None:
    found = scanned_item(text)
    assert str(found) == item
    assert parse_item(item) == found


@pytest.mark.parametrize("text", ["", "L-1", "(01)123", f"(01){GTIN}", "https://x.example/a/b"])
def test_a_label_that_names_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidError) as raised:
        scanned_item(text)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("lot", "L-1"),
        ("lot", f"(01){GTIN}(10)L-1#R1"),
        ("sublot", f"(01){GTIN}(10)L-1"),
        ("unit", f"(01){GTIN}(10)L-1"),
        ("carrier", "box 7"),
        ("carrier", "(00)095060001343520004"),
        ("operator", ""),
        ("operator", "li\nwei"),
        ("planet", "earth"),
    ],
)
def test_a_key_of_another_form_is_refused(kind: str, key: str) -> None:
    with pytest.raises(InvalidError) as raised:
        check_item(kind, key)
    assert raised.value.hint


def test_a_sublot_knows_its_lot() -> None:
    part = check_item("sublot", f"(01){GTIN}(10)L-1#R1")
    assert lot_of(part) == lot_of(lot("L-1"))
    assert lot_of(unit("S7")) is None


A, B, C, D = (lot(name) for name in "ABCD")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: edge([A], [A], 0),
        lambda: edge([A, A], [B], 0),
        lambda: edge([], [B], 0),
        lambda: edge([A], [], 0),
        lambda: edge([A], [B], 0, lasts=None),
        lambda: edge([A], [B], 5, lasts=-1),
        lambda: edge([A, B], [C], 0, kind=EdgeKind.SPLIT),
        lambda: edge([A], [B, C], 0, kind=EdgeKind.MERGE),
        lambda: edge([carrier(1)], [A], 0),
        lambda: edge([A], [carrier(1)], 0),
        lambda: edge([A], [B], 0, kind=EdgeKind.AGGREGATION),
        lambda: edge([A], [B], 0, kind=EdgeKind.USE),
        lambda: edge([], [], 0, kind=EdgeKind.WITHDRAWAL),
        lambda: replace(edge([A], [B], 0), supersedes=EdgeId("e-1")),
        lambda: replace(edge([A], [B], 0), tolerance=Decimal(2)),
        lambda: quantity("0", "kg"),
        lambda: quantity("much", "kg"),
        lambda: quantity("NaN", "kg"),
    ],
)
def test_an_edge_that_contradicts_itself_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(InvalidError):
        wrong()


def test_an_edge_is_its_document_and_its_name_is_what_it_says() -> None:
    said = weighed([(A, "1.50")], [(B, "1.5")], tolerance="0.02")
    assert from_document(to_document(said)) == said
    assert replace(said, recorded=7).id == said.id
    assert replace(said, text="mixing").id != said.id


def came_of(made: Made, item: Item, since: int = 0, until: int = FOREVER) -> set[Item]:
    found = forward(made.graph, made.places(item), since=since, until=until)
    return made.named(found.places.tolist()) - {item}


def came_from(made: Made, item: Item) -> set[Item]:
    return made.named(back(made.graph, made.places(item)).places.tolist()) - {item}


@pytest.mark.req(14)
def test_a_split_inherits_the_history_up_to_the_split() -> None:
    made = Made(
        [
            edge([A], [C], 0),
            edge([C], [lot("C1")], DAY, kind=EdgeKind.SPLIT),
            edge([B], [C], 2 * DAY),  # topped up after the split
            edge([C], [lot("C2")], 3 * DAY, kind=EdgeKind.SPLIT),
        ]
    )
    assert came_from(made, lot("C1")) == {A, C}
    assert came_from(made, lot("C2")) == {A, B, C}
    assert came_of(made, B) == {C, lot("C2")}


@pytest.mark.req(14)
def test_a_merge_keeps_every_parent() -> None:
    made = Made([edge([A, B, C], [D], 0, kind=EdgeKind.MERGE)])
    assert came_from(made, D) == {A, B, C}
    assert all(came_of(made, item) == {D} for item in (A, B, C))


def test_a_carrier_leads_only_to_what_it_held_at_that_time() -> None:
    box = carrier(1)
    made = Made(
        [
            edge([box], [A], 0, kind=EdgeKind.ASSOCIATION, lasts=DAY),
            edge([box], [B], 3 * DAY, kind=EdgeKind.ASSOCIATION, lasts=None),
            edge([A], [C], 4 * DAY),
            edge([B], [D], 5 * DAY),
        ]
    )
    assert came_of(made, box, since=T0, until=T0 + DAY) == {A, C}
    assert came_of(made, box, since=T0 + 2 * DAY) == {B, D}
    assert came_of(made, A) == {C}, "a carrier carries no doubt from one lot to the next"
    assert came_from(made, D) == {B, box}


def test_a_sensor_in_doubt_leads_to_what_was_made_with_it_then() -> None:
    sensor = check_item("signal", "gw-01/press-1/temperature")
    made = Made(
        [
            edge([sensor], [A], 0, kind=EdgeKind.USE, lasts=DAY),
            edge([sensor], [B], 2 * DAY, kind=EdgeKind.USE, lasts=DAY),
            edge([A], [C], DAY),
            edge([B], [D], 4 * DAY),
        ]
    )
    assert came_of(made, sensor, since=T0 + 2 * DAY) == {B, D}
    assert came_of(made, sensor) == {A, B, C, D}
    assert came_from(made, C) == {A, sensor}


def test_uncertain_times_reach_rather_more() -> None:
    sure = Made([edge([A], [B], 10), edge([B], [C], 5)])
    doubt = Made([edge([A], [B], 10, uncertainty=3), edge([B], [C], 5, uncertainty=3)])
    assert came_of(sure, A) == {B}
    assert came_of(doubt, A) == {B, C}
    assert came_from(doubt, C) == {A, B}


def test_a_lot_number_used_again_years_later_is_another_lot() -> None:
    year = 365 * DAY
    made = Made(
        [
            edge([A], [C], 0),
            edge([C], [lot("OLD")], 300 * DAY),  # long on the shelf, and still the same lot
            edge([B], [C], 4 * year),
            edge([C], [lot("NEW")], 4 * year + DAY),
        ]
    )
    assert len(made.places(C)) == 2
    assert came_from(made, lot("NEW")) == {B, C}
    assert came_from(made, lot("OLD")) == {A, C}
    assert came_of(made, A) == {C, lot("OLD")}
    first, second = (made.graph.life(place) for place in made.places(C))
    assert first == (T0, T0 + 300 * DAY)
    assert second == (T0 + 4 * year, T0 + 4 * year + DAY)


def test_one_lot_id_of_two_products_is_two_lots() -> None:
    made = Made([edge([A], [lot("L")], 0), edge([B], [lot("L", OTHER_GTIN)], 0)])
    assert came_of(made, A) == {lot("L")}
    assert came_from(made, lot("L", OTHER_GTIN)) == {B}


def test_there_is_no_depth_at_which_a_trace_ends() -> None:
    items = [lot(f"L{at}") for at in range(3_000)]
    made = Made([edge([one], [two], at) for at, (one, two) in enumerate(itertools.pairwise(items))])
    found = forward(made.graph, made.places(items[0]))
    assert (len(found), found.depth) == (3_000, 2_999)
    way = found.way(made.numbers[items[-1]])
    assert [step.edge for step in way] == list(range(2_999))
    assert len(back(made.graph, made.places(items[-1]))) == 3_000


def test_a_row_says_when_and_how_it_was_reached() -> None:
    made = Made([edge([A], [B], SECOND, lasts=SECOND), edge([B], [C], 5 * SECOND)])
    origin, one, two = forward(made.graph, made.places(A), since=T0).rows()
    assert (origin.level, origin.time, origin.edge, origin.source) == (0, T0, None, None)
    assert (one.level, one.time, one.edge) == (1, T0 + SECOND, 0)
    assert (two.level, two.time, two.source) == (2, T0 + 5 * SECOND, one.place)
    found = back(made.graph, made.places(C))
    assert found.direction is Direction.BACK
    assert [row.time for row in found.rows()] == [FOREVER, T0 + 5 * SECOND, T0 + 2 * SECOND]
    assert found.edges().tolist() == [0, 1]


def test_mass_balance_is_exact_and_knows_its_tolerance() -> None:
    assert of_edge(weighed([(A, "0.1"), (B, "0.2")], [(C, "0.3")])).state is BalanceState.BALANCED
    lost = weighed([(A, "10")], [(B, "9.7")], tolerance="0.02")
    assert (of_edge(lost).state, of_edge(lost).difference) == (BalanceState.OUTSIDE, Decimal("0.3"))
    assert of_edge(replace(lost, tolerance=Decimal("0.03"))).state is BalanceState.BALANCED
    assert of_edge(edge([A], [B], 0)).state is BalanceState.UNKNOWN
    grams = Part(item=B, quantity=quantity("9700", "g"))
    assert of_edge(replace(lost, outputs=(grams,))).state is BalanceState.UNKNOWN


def test_more_used_than_made_is_a_finding() -> None:
    edges: list[Edge] = [
        weighed([(A, "10")], [(B, "10")]),
        weighed([(B, "6")], [(C, "6")]),
        weighed([(B, "5")], [(D, "5")], 9),
    ]
    found = of_item(B, edges)
    assert (found.state, found.difference) == (BalanceState.OUTSIDE, Decimal(-1))
    assert of_item(B, edges[:2]).state is BalanceState.BALANCED
    assert of_item(A, edges).state is BalanceState.UNKNOWN, "nobody says how much was made of it"


def test_kinds_of_items_say_where_they_may_stand() -> None:
    assert {check_item(kind.value, _key(kind)).kind for kind in ItemKind} == set(ItemKind)


def _key(kind: ItemKind) -> str:
    return {
        ItemKind.LOT: f"(01){GTIN}(10)L",
        ItemKind.SUBLOT: f"(01){GTIN}(10)L#1",
        ItemKind.UNIT: f"(01){GTIN}(21)1",
        ItemKind.CARRIER: "30F4",
    }.get(kind, "anything")
