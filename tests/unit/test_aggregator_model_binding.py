"""Rules of binding one by one: descent, residence, presence, and the end of what nobody ended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aggregator.errors import InvalidError
from aggregator.model.binding.closing import Activity, Evidence, closings
from aggregator.model.binding.descent import Descent, Portion, ancestors
from aggregator.model.binding.fact import Authority, Fact, FactKind
from aggregator.model.genealogy.edge import EdgeKind
from aggregator.model.genealogy.holding import associations
from aggregator.model.master.equipment import Equipment, EquipmentPath, Occupancy, Residence
from aggregator.model.master.lot import LotKey, check_lot_key
from aggregator.model.master.read_point import PresenceRule
from protocols.wire.reading import SECOND
from tests.cases.record_case import GTIN, UNIT, at
from tests.genealogies import T0, carrier, edge, lot

PRESS = EquipmentPath(UNIT)
ONE, TWO, THREE, FOUR = (check_lot_key(GTIN, f"L-{number}") for number in (1, 2, 3, 4))


def began(lot: LotKey | None, start: float, **changes: Any) -> Fact:
    fact = Fact(
        kind=FactKind.OCCUPANCY,
        start=at(start),
        end=None,
        authority=Authority.OPERATOR,
        source="mes",
        equipment=PRESS,
        lot=lot,
    )
    return replace(fact, **changes)


def came_of(child: Portion | LotKey, parent: Portion | LotKey, until: float) -> Descent:
    both = (each if isinstance(each, Portion) else Portion(each) for each in (child, parent))
    return Descent(child=next(both), parent=next(both), until=at(until))


def reaches(lot: LotKey, *descents: Descent) -> dict[tuple[str, str], int]:
    return {
        (portion.lot.lot, portion.part): (until.time - at(0)) // SECOND
        for portion, until in ancestors(lot, descents).items()
    }


def test_of_two_ways_to_one_ancestor_the_longer_history_counts() -> None:
    ways = [
        came_of(TWO, ONE, 10),
        came_of(THREE, ONE, 20),
        came_of(FOUR, TWO, 30),
        came_of(FOUR, THREE, 15),
    ]
    expected = {("L-1", ""): 15, ("L-2", ""): 30, ("L-3", ""): 15}
    assert reaches(FOUR, *ways) == expected
    assert reaches(FOUR, *reversed(ways)) == expected


def test_of_another_part_of_a_lot_nothing_is_inherited() -> None:
    ways = [
        came_of(Portion(TWO, "B"), ONE, 10),
        came_of(THREE, Portion(TWO, "A"), 20),
    ]
    assert reaches(THREE, *ways) == {("L-2", "A"): 20}
    assert ("L-1", "") in reaches(THREE, came_of(TWO, ONE, 10), ways[1])


def test_a_circle_of_descents_comes_to_an_end() -> None:
    assert reaches(ONE, came_of(ONE, TWO, 10), came_of(TWO, ONE, 20)) == {("L-2", ""): 10}


def test_a_pallet_holds_what_is_in_the_boxes_on_it_while_both_last() -> None:
    box, pallet = carrier(1), carrier(2)
    into = edge([box], [lot("L-1")], 10, kind=EdgeKind.AGGREGATION, lasts=20)
    onto = edge([pallet], [box], 20, kind=EdgeKind.ASSOCIATION, lasts=None)
    found = associations([onto, into])
    assert {(fact.carrier, fact.start - T0, fact.until - T0) for fact in found} == {
        (box.key, 10, 30),
        (pallet.key, 20, 30),
    }
    assert {fact.lot for fact in found} == {ONE}
    late = edge([pallet], [box], 30, kind=EdgeKind.ASSOCIATION, lasts=None)
    assert [fact.carrier for fact in associations([late, into])] == [box.key]


def test_a_residence_time_belongs_to_flow_and_flow_has_one() -> None:
    Equipment(path=PRESS, occupancy=Occupancy.CONTINUOUS, residence=Residence(offset=10, spread=3))
    with pytest.raises(InvalidError, match="residence time"):
        Equipment(path=PRESS, occupancy=Occupancy.CONTINUOUS)
    with pytest.raises(InvalidError, match="residence time"):
        Equipment(path=PRESS, residence=Residence(offset=10))
    with pytest.raises(InvalidError, match="spread"):
        Residence(offset=10, spread=11)


def test_figures_of_presence_do_not_contradict_each_other() -> None:
    with pytest.raises(InvalidError, match="exit timeout"):
        PresenceRule(exit_timeout=60 * SECOND)
    with pytest.raises(InvalidError, match="one read"):
        PresenceRule(reads_min=0)


def test_the_next_lot_shows_when_the_one_before_was_out() -> None:
    (closing,) = closings([began(TWO, 40, end=at(50)), began(ONE, 0)], {}, {}, idle=1)
    assert (closing.fact.lot, closing.end, closing.evidence) == (ONE, at(40), Evidence.NEXT)


def test_a_weaker_word_ends_nothing_and_neither_does_another_lot_of_a_load() -> None:
    plan = began(TWO, 40, authority=Authority.SCHEDULE, end=at(50))
    assert closings([began(ONE, 0), plan], {}, {}, idle=1) == ()
    both = [began(ONE, 0), began(TWO, 40, end=at(50))]
    assert closings(both, {PRESS: Occupancy.SHARED}, {}, idle=1) == ()


def test_idle_is_what_seals_prove_and_never_a_clock() -> None:
    idle = 600 * SECOND
    alive = {PRESS: Activity(last=at(100), through=at(699))}
    assert closings([began(ONE, 0)], {}, alive, idle=idle) == ()
    proved = {PRESS: Activity(last=at(100), through=at(700))}
    (closing,) = closings([began(ONE, 0)], {}, proved, idle=idle)
    assert (closing.end, closing.evidence) == (at(100) + 1, Evidence.IDLE)
    before = {PRESS: Activity(last=at(-5), through=at(700))}
    assert closings([began(ONE, 0)], {}, before, idle=idle) == (), "it has not begun to work yet"
