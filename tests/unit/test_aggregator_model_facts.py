"""Facts and what they say together: corrections, authority, conflicts, carriers."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aggregator.errors import InvalidError
from aggregator.model.binding.fact import FOREVER, Authority, Fact, FactKind, in_force
from aggregator.model.binding.occupancy import occupied
from aggregator.model.binding.presence import dwells
from aggregator.model.master.equipment import EquipmentPath, Occupancy
from aggregator.model.master.lot import LotKey, check_lot_key
from aggregator.model.master.read_point import PresenceRule
from aggregator.model.record.assemble import assemble
from aggregator.model.record.document import encode_record
from protocols.wire.reading import SECOND, Doubt, Status, TagRead
from tests.cases.record_case import GTIN, UNIT, Arrived, at, inputs_of, series_of

PRESS = EquipmentPath(UNIT)
ONE, TWO = (check_lot_key(GTIN, lot) for lot in ("L-1", "L-2"))


def fact(lot: LotKey | None, start: float, end: float | None, **changes: Any) -> Fact:
    said = Fact(
        kind=FactKind.OCCUPANCY,
        start=at(start),
        end=None if end is None else at(end),
        authority=Authority.OPERATOR,
        source="mes",
        equipment=PRESS,
        lot=lot,
        recorded=at(0),
    )
    return replace(said, **changes)


def windows_of(*facts: Fact, mode: Occupancy = Occupancy.EXCLUSIVE) -> list[tuple[str, int, int]]:
    found = occupied(facts, {PRESS: mode}, edge_tolerance=0)
    return [
        (
            window.lot.lot,
            (window.start.time - at(0)) // SECOND,
            -1 if window.end.time == FOREVER else (window.end.time - at(0)) // SECOND,
        )
        for window in found.windows
    ]


def test_a_fact_said_twice_is_one_fact() -> None:
    first, again = fact(ONE, 0, 10), fact(ONE, 0, 10, recorded=at(99))
    assert first.id == again.id
    assert in_force([again, first]) == (first,), "the first time that it was said counts"
    assert first.id != fact(ONE, 0, 11).id


def test_a_correction_counts_from_when_it_was_recorded() -> None:
    wrong = fact(ONE, 0, 10)
    right = fact(ONE, 0, 20, supersedes=wrong.id, reason="clock", recorded=at(50))
    assert in_force([wrong, right]) == (right,)
    assert in_force([wrong, right], as_of=at(49)) == (wrong,)


def test_a_withdrawal_leaves_nothing() -> None:
    wrong = fact(ONE, 0, 10)
    gone = replace(wrong, kind=FactKind.WITHDRAWAL, supersedes=wrong.id, reason="never was")
    assert in_force([gone, wrong]) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"start": at(11)},
        {"equipment": None},
        {"supersedes": "f-1"},
        {"kind": FactKind.ASSOCIATION},
        {"kind": FactKind.WITHDRAWAL},
        {"uncertainty": -1},
    ],
)
def test_a_fact_that_says_nothing_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        replace(fact(ONE, 0, 10), **changes)


def test_windows_touch_and_do_not_overlap() -> None:
    assert windows_of(fact(ONE, 0, 10), fact(TWO, 10, 20)) == [("L-1", 0, 10), ("L-2", 10, 20)]


def test_facts_of_one_lot_join() -> None:
    assert windows_of(fact(ONE, 0, 10), fact(ONE, 5, 15), fact(ONE, 15, None)) == [("L-1", 0, -1)]


def test_higher_authority_decides_where_it_speaks() -> None:
    controller = fact(TWO, 4, 6, authority=Authority.CONTROLLER)
    found = occupied([fact(ONE, 0, 10), controller], {}, edge_tolerance=0)
    assert windows_of(fact(ONE, 0, 10), controller) == [
        ("L-1", 0, 4),
        ("L-2", 4, 6),
        ("L-1", 6, 10),
    ]
    (conflict,) = found.conflicts
    assert (conflict.lots, conflict.others) == ((TWO,), (ONE,))
    assert conflict.facts == tuple(sorted([fact(ONE, 0, 10).id, controller.id]))


def test_edges_within_the_tolerance_are_no_conflict() -> None:
    controller = fact(ONE, 2, 8, authority=Authority.CONTROLLER)
    idle = [
        fact(None, low, high, authority=Authority.CONTROLLER) for low, high in ((-9, 2), (8, 20))
    ]
    facts = [fact(ONE, 0, 10), controller, *idle]
    assert not occupied(facts, {}, edge_tolerance=2 * SECOND).conflicts
    assert len(occupied(facts, {}, edge_tolerance=SECOND).conflicts) == 2


def test_a_shared_load_holds_many_lots() -> None:
    facts = (fact(ONE, 0, 10), fact(TWO, 0, 10))
    assert windows_of(*facts, mode=Occupancy.SHARED) == [("L-1", 0, 10), ("L-2", 0, 10)]
    assert not occupied(facts, {PRESS: Occupancy.SHARED}, edge_tolerance=0).conflicts


def test_a_changeover_is_time_of_no_lot() -> None:
    purge = fact(None, 4, 6, kind=FactKind.CONTEXT, text="purge", authority=Authority.CONTROLLER)
    assert windows_of(fact(ONE, 0, 10), purge) == [("L-1", 0, 4), ("L-1", 6, 10)]


def test_the_order_of_facts_changes_nothing(chance: random.Random) -> None:
    facts = [
        fact(
            chance.choice([ONE, TWO, None]),
            start := chance.randrange(50),
            chance.choice([None, start + chance.randrange(20)]),
            authority=chance.choice(list(Authority)),
        )
        for _ in range(40)
    ]
    once = occupied(in_force(facts), {}, edge_tolerance=SECOND)
    for _ in range(5):
        chance.shuffle(facts)
        assert occupied(in_force(facts), {}, edge_tolerance=SECOND) == once


def test_a_carrier_that_flickers_is_one_stay() -> None:
    spec = inputs_of(
        {
            "lot": [GTIN, "L-1"],
            "parameters": [],
            "signals": [{"signal": "portal-1/tag-reads", "kind": "TAG_READ", "role": "tag_reads"}],
        },
        [],
    ).plant.signals[0]

    def seen(time: float) -> Arrived:
        read = TagRead(
            epc=b"\x30\x0a",
            epc_bits=16,
            antenna=1,
            rssi=-5000,
            first_seen=at(time),
            last_seen=at(time + 0.5),
            count=2,
        )
        return Arrived(signal="portal-1/tag-reads", time=at(time + 0.5), value=read)

    series = series_of(spec, [seen(time) for time in (0, 3, 6, 20)])
    rule = PresenceRule(reads_min=3, exit_timeout=4 * SECOND)
    (stay,) = dwells(series, rule, at(100))
    assert (stay.start, stay.end, stay.reads) == (at(0), at(6.5), 6)
    (still,) = dwells(series_of(spec, [seen(0), seen(3)]), rule, at(5))
    assert still.end is None, "it may still be there: its silence is not proved yet"
    again = series_of(spec, [seen(time) for time in (0, 3, 6, 0, 3, 6)])
    assert dwells(again, rule, at(100)) == (stay,), "sent again after a restart of the agent"
    late = [replace(seen(time), time=at(time + 70)) for time in (0.1, 3.1, 6.1)]
    doubted = series_of(spec, late)
    assert dwells(doubted, rule, at(200)), "were their times believed, they would be a stay"
    doubted = replace(doubted, codes=np.full(len(late), Doubt.IMPOSSIBLE_TIME))
    assert dwells(doubted, rule, at(200)) == (), "nobody knows when that was"


def lot_id_record(rows: Sequence[tuple[float, str, str]]) -> dict[str, Any]:
    readings = [
        Arrived(
            signal="press-1/lot-id",
            time=at(time),
            value=None if status == "BAD" else text,
            status=Status[status],
            position=number,
        )
        for number, (time, text, status) in enumerate(rows)
    ]
    case = {
        "lot": [GTIN, "L-1"],
        "lots": [[GTIN, "L-1"], [GTIN, "L-2"]],
        "parameters": [],
        "signals": [{"signal": "press-1/lot-id", "kind": "TEXT", "role": "lot_id"}],
    }
    found: dict[str, Any] = json.loads(encode_record(assemble(inputs_of(case, readings))))
    return found


def test_a_bad_lot_id_between_equal_ones_is_bridged() -> None:
    rows = [(0, "L-1", "GOOD"), (5, "", "BAD"), (8, "L-1", "GOOD"), (10, "", "GOOD")]
    (window,) = lot_id_record(rows)["windows"]
    assert window["end"]["time"].startswith("2026-11-18T11:06:50.000")


def test_a_bad_lot_id_before_another_ends_the_lot() -> None:
    rows = [(0, "L-1", "GOOD"), (5, "", "BAD"), (8, "L-2", "GOOD"), (10, "", "GOOD")]
    (window,) = lot_id_record(rows)["windows"]
    assert window["end"]["time"].startswith("2026-11-18T11:06:45.000")


def test_an_element_string_decides_between_equal_lot_ids() -> None:
    rows = [(0, str(ONE), "GOOD"), (10, "", "GOOD")]
    assert len(lot_id_record(rows)["windows"]) == 1
