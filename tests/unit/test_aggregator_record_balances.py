"""Which tolerance the steps that made a lot are held against: what is split or merged is whole."""

from __future__ import annotations

from decimal import Decimal

import pytest

from aggregator.model.genealogy.balance import BalanceState
from aggregator.model.genealogy.edge import Edge, EdgeKind, Part, quantity
from aggregator.model.genealogy.item import lot_item
from aggregator.model.master.lot import Material, check_gtin, check_lot_key
from aggregator.model.master.recipe import Recipe
from aggregator.model.record.circumstances import Circumstances

GTIN = check_gtin("09506000134352")
LOT, REST, WHOLE = (check_lot_key(GTIN, lot) for lot in ("L-1", "L-9", "L-0"))
RECIPE = Recipe(gtin=GTIN, revision="A", tolerance=Decimal("0.5"))


def step(kind: EdgeKind, out: str) -> Edge:
    """Return a step that 10 kg went into, and ``out`` kg came out of."""
    five = Part(item=lot_item(REST), quantity=quantity("5", "kg"))
    split, merge = kind is EdgeKind.SPLIT, kind is EdgeKind.MERGE
    into = Part(item=lot_item(WHOLE), quantity=quantity("5" if merge else "10", "kg"))
    own = Decimal(out) - 5 if split else Decimal(out)
    made = Part(item=lot_item(LOT), quantity=quantity(str(own), "kg"))
    return Edge(
        kind=kind,
        start=1,
        end=2,
        inputs=(into, five) if merge else (into,),
        outputs=(made, five) if split else (made,),
        source="mes",
    )


@pytest.mark.req(11)
@pytest.mark.parametrize("kind", [EdgeKind.SPLIT, EdgeKind.MERGE])
@pytest.mark.parametrize(
    ("out", "material", "state"),
    [
        ("10", "0", BalanceState.BALANCED),
        ("9.9", "0", BalanceState.OUTSIDE),
        ("9.9", "0.01", BalanceState.BALANCED),
        ("9.8", "0.01", BalanceState.OUTSIDE),
        ("10.1", "0.01", BalanceState.BALANCED),
        ("10.2", "0.01", BalanceState.OUTSIDE),
    ],
)
def test_a_split_and_a_merge_add_up_by_the_materials_tolerance(
    kind: EdgeKind, out: str, material: str, state: BalanceState
) -> None:
    declared = Material(gtin=GTIN, name="Pouch", tolerance=Decimal(material))
    found = Circumstances(flows=(step(kind, out),), recipe=RECIPE, material=declared)
    (made,) = found.steps(LOT)
    assert (made.tolerance, made.balance.state) == (Decimal(material), state)


@pytest.mark.parametrize("kind", [EdgeKind.SPLIT, EdgeKind.MERGE])
def test_what_the_recipe_lets_go_missing_in_making_may_not_in_a_split(kind: EdgeKind) -> None:
    undeclared = Material(gtin=GTIN, name="Pouch")
    found = Circumstances(flows=(step(kind, "6"),), recipe=RECIPE, material=undeclared)
    (made,) = found.steps(LOT)
    assert (made.tolerance, made.balance.state) == (None, BalanceState.OUTSIDE)


@pytest.mark.parametrize("kind", [EdgeKind.TRANSFORMATION, EdgeKind.REWORK])
def test_making_loses_what_the_recipe_allows(kind: EdgeKind) -> None:
    declared = Material(gtin=GTIN, name="Pouch", tolerance=Decimal("0.01"))
    found = Circumstances(flows=(step(kind, "6"),), recipe=RECIPE, material=declared)
    (made,) = found.steps(LOT)
    assert (made.tolerance, made.balance.state) == (Decimal("0.5"), BalanceState.BALANCED)
