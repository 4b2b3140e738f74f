"""Where a gateway's clock was in doubt or set back, as a record tells it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aggregator.model.clock_doubt import ClockDoubt, clock_doubts, clock_steps, shown_twice
from aggregator.model.placing import Moves, doubted
from aggregator.model.series import UNBOUNDED
from protocols.wire.dossier.placement import JITTER, Stamp, placements
from protocols.wire.reading import SECOND
from tests.cases.record_case import EPOCH, T0, Arrived, inputs_of
from tests.sealed import START
from tests.unit.test_wire_placement import FREE, SYNC, UNSET, stamp

SIGNAL = "press-1/plate-temperature"


def doubts_of(*chain: Stamp) -> tuple[ClockDoubt, ...]:
    return clock_doubts(placements(chain).values())


def test_a_run_without_an_anchor_is_told_as_it_stands() -> None:
    assert doubts_of(stamp(2, FREE, 20, 20, boot=2), stamp(3, FREE, 30, 30, boot=2)) == (
        ClockDoubt(
            state=FREE,
            first=2,
            last=3,
            start=START + 20 * SECOND,
            end=START + 30 * SECOND,
            anchor=None,
            shift=0,
            uncertainty=None,
        ),
    )


def test_the_uncertainty_of_a_run_holds_for_each_of_its_bundles() -> None:
    chain = [
        stamp(1, FREE, 10, 10),
        stamp(2, FREE, 20, 26),  # six seconds forward, by hand
        stamp(3, SYNC, 30, 130),
    ]
    (doubt,) = doubts_of(*chain)
    assert (doubt.anchor, doubt.shift) == (3, 94 * SECOND)
    assert (doubt.start, doubt.end) == (START + 110 * SECOND, START + 120 * SECOND)
    each = [placed.uncertainty for placed in placements(chain).values()]
    assert all(one is not None for one in each)
    assert doubt.uncertainty == max(one for one in each if one is not None)


def test_states_boots_and_anchors_are_doubts_of_their_own() -> None:
    chain = [
        stamp(0, SYNC, 1, 1),
        stamp(1, UNSET, 10, 10),
        stamp(2, FREE, 20, 20),
        stamp(3, FREE, 900, 900),
        stamp(4, SYNC, 1_000, 1_000),
        stamp(5, FREE, 5, 1_030, boot=2),
        stamp(7, FREE, 25, 1_050, boot=2),
    ]
    assert [(each.first, each.last, each.anchor) for each in doubts_of(*chain)] == [
        (1, 1, 0),
        (2, 2, 0),
        (3, 3, 4),
        (5, 5, None),
        (7, 7, None),
    ]


@pytest.mark.req(12)
@pytest.mark.parametrize(
    ("later", "back"),
    [
        (stamp(2, SYNC, 20, 20), None),
        (stamp(2, SYNC, 20, 19.998), None),  # within what the clocks are uncertain by
        (stamp(2, SYNC, 20, 15), 5 * SECOND),  # still later than the bundle before
        (stamp(2, SYNC, 20, 4), 16 * SECOND),
        (stamp(2, SYNC, 20, 25), None),  # forward is a gap, and no time comes twice
        (stamp(2, SYNC, 1, 4, boot=2), None),  # another boot has another monotonic time
    ],
)
def test_a_step_backward_opens_a_clock_epoch(later: Stamp, back: int | None) -> None:
    found = clock_steps([stamp(1, SYNC, 10, 10), later])
    assert [each.back for each in found] == ([] if back is None else [back])
    assert all(each.number == 2 and each.time == later.sealed_time for each in found)
    assert all(each.shown == START + 10 * SECOND for each in found)


def test_times_that_a_synchronised_clock_showed_twice_are_doubted() -> None:
    rows = [Arrived(signal=SIGNAL, time=T0 + at * SECOND, value=1.0) for at in (1, 6, 10, 11)]
    case = {"lot": ["09506000134352", "L-1"], "signals": [{"signal": SIGNAL}], "parameters": []}
    (series,) = inputs_of(case, rows).series.values()
    (step,) = clock_steps([stamp(1, SYNC, 10, 10), stamp(2, SYNC, 20, 15)])
    there = replace(step, shown=T0 + 10 * SECOND)
    found = shown_twice(series, EPOCH, [there])
    assert found.doubts is not None
    assert found.doubts.tolist() == [[0, 5 * SECOND, 5 * SECOND, 0]] * 2
    assert shown_twice(series, bytes(16), [there]) is series, "another chain showed it once"
    placed = replace(step, shown=None)
    assert shown_twice(series, EPOCH, [placed]) is series, "an anchor has told them apart"


def test_only_what_the_gateway_stamped_is_placed() -> None:
    found = {
        **placements([stamp(1, UNSET, 10, 10), stamp(2, FREE, 5, 20, boot=2)]),
        **placements([stamp(3, UNSET, 10, 30), stamp(4, SYNC, 20, 140)]),
    }
    moves = Moves.of(list(found.values()))
    gateway = np.array([START + at * SECOND for at in (9, 29, 29, 29)], np.int64)
    times = np.array([*gateway[:2], START, gateway[3]], np.int64)
    numbers = np.array([1, 3, 3, 9], np.int64)
    placed = moves.times(times, gateway, numbers)
    assert [(each - START) // SECOND for each in placed.tolist()] == [9, 129, 0, 29]
    doubts = moves.doubts(placed, gateway, numbers)
    known = found[3].uncertainty
    early = START + 9 * SECOND - START + JITTER  # since the floor; what is behind, nobody knows
    assert doubts.tolist() == [[early, known, 0, 0], [UNBOUNDED, known, 0, 0]]
    rows = [Arrived(signal=SIGNAL, time=int(at), value=1.0) for at in times]
    case = {"lot": ["09506000134352", "L-1"], "signals": [{"signal": SIGNAL}], "parameters": []}
    (series,) = inputs_of(case, rows).series.values()
    assert doubted(series, {bytes(16): moves}) is series, "no other epoch is placed"
