"""Readings of an unsynchronised gateway are placed by the sealed headers around them."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from protocols.wire.dossier.placement import DRIFT_PPM, JITTER, Placement, Stamp, placements
from protocols.wire.header import Clock, ClockState
from protocols.wire.reading import SECOND, Gap, GapReason
from tests.sealed import START, SealedGateway

UNSET, FREE, SYNC = ClockState.UNSET, ClockState.FREE_RUNNING, ClockState.SYNCHRONISED
HOUR = 3_600 * SECOND


def stamp(
    number: int,
    state: ClockState,
    monotonic: float,
    wall: float,
    *,
    boot: int = 1,
    span: float = 0,
    floor: float = 0,
) -> Stamp:
    """Return what a bundle says, sealed ``monotonic`` seconds after its boot, at ``wall``."""
    _, drafted = SealedGateway().draft()
    sealed = START + round(wall * SECOND)
    header = replace(
        drafted,
        number=number,
        boot=bytes([boot]) * 16,
        first_time=sealed - round(span * SECOND),
        last_time=sealed,
        sealed_time=sealed,
        sealed_monotonic=round(monotonic * SECOND),
        clock=Clock(state=state, uncertainty=2_000_000, floor=START + round(floor * SECOND)),
    )
    return Stamp.of(header)


def seconds(placed: Placement, wall: float) -> float:
    """Return where a gateway time is placed, in seconds after START."""
    return (placed.time(START + round(wall * SECOND)) - START) / SECOND


@pytest.mark.req(12)
def test_a_boot_without_a_clock_is_placed_when_it_has_one() -> None:
    chain = [
        stamp(1, UNSET, 10, 10),
        stamp(2, UNSET, 20, 20, span=5),
        stamp(3, SYNC, 30, 3_630),
        stamp(4, SYNC, 40, 9_000),
    ]
    found = placements(chain)
    assert sorted(found) == [1, 2], "a synchronised bundle stands as it was sealed"
    assert [found[each].anchor for each in (1, 2)] == [3, 3]
    assert [found[each].shift for each in (1, 2)] == [HOUR, HOUR]
    assert found[1].uncertainty == 3_000_000 + 20 * SECOND * DRIFT_PPM // 1_000_000
    assert found[2].uncertainty == 3_000_000 + 15 * SECOND * DRIFT_PPM // 1_000_000
    assert seconds(found[2], 17) == 3_617


@pytest.mark.req(12)
def test_the_nearer_anchor_counts_and_of_two_alike_the_later() -> None:
    chain = [stamp(1, SYNC, 10, 10), stamp(2, FREE, 20, 19), stamp(3, FREE, 40, 37)]
    before = placements(chain)
    assert [before[each].anchor for each in (2, 3)] == [1, 1], "none has come behind it yet"
    both = placements([*chain, stamp(4, SYNC, 50, 50)])
    assert [both[each].anchor for each in (2, 3)] == [1, 4]
    assert seconds(both[3], 37) == 40
    assert placements([*chain[:2], stamp(3, SYNC, 30, 30)])[2].anchor == 3


@pytest.mark.req(12)
def test_the_monotonic_time_counts_whatever_step_lies_between() -> None:
    chain = [
        stamp(1, FREE, 10, 5_010),
        stamp(2, FREE, 20, 120),  # set back by hand, and still wrong
        stamp(3, SYNC, 30, 30),
    ]
    found = placements(chain)
    assert (seconds(found[1], 5_010), seconds(found[2], 120)) == (10, 20)


@pytest.mark.req(12)
def test_without_an_anchor_the_neighbours_and_the_floor_bound_the_time() -> None:
    chain = [
        stamp(1, SYNC, 900, 900),
        stamp(2, UNSET, 10, 10, boot=2, span=5, floor=0),
        stamp(3, UNSET, 20, 1_500, boot=2),
        stamp(4, SYNC, 5, 2_000, boot=3),
    ]
    found = placements(chain)
    assert [each.anchor for each in found.values()] == [None, None]
    assert (seconds(found[2], 5), seconds(found[2], 10)) == (900, 900), "not before the one before"
    assert seconds(found[3], 1_500) == 1_500, "what is possible stands as it was sealed"
    assert found[3].uncertainty == 600 * SECOND + JITTER
    assert found[2].uncertainty == 1_100 * SECOND + JITTER
    assert seconds(found[3], 2_500) == 2_000, "nor behind the one behind"


@pytest.mark.req(12)
def test_nothing_bounds_a_time_that_nothing_stands_behind() -> None:
    alone = placements([stamp(1, UNSET, 10, 10, floor=30)])[1]
    assert (alone.anchor, alone.uncertainty, alone.latest) == (None, None, None)
    assert seconds(alone, 10) == 30, "but for the clock's own floor"


def test_a_gap_is_placed_but_for_what_was_said_of_a_boot_before() -> None:
    placed = placements([stamp(1, UNSET, 10, 110), stamp(2, SYNC, 20, 3_620)])[1]
    own = Gap(subject="*", start=START + 103 * SECOND, end=START + 105 * SECOND, reason=_WHY)
    moved = placed.gap(own)
    assert ((moved.start - START) // SECOND, (moved.end - START) // SECOND) == (3_603, 3_605)
    since_before = placed.gap(replace(own, start=START + 50 * SECOND))
    assert (since_before.start - START) // SECOND == 50
    assert since_before.end == moved.end


@pytest.mark.req(12)
@pytest.mark.parametrize("seed", range(10))
def test_a_placed_time_is_the_true_one_within_its_uncertainty(seed: int) -> None:
    """A clock that is off by days and an oscillator that drifts, against the time that it was."""
    chance = random.Random(seed)
    off, slow = chance.randrange(-86_400, 86_400), chance.uniform(-DRIFT_PPM, DRIFT_PPM) / 1e6
    true = sorted(chance.uniform(0, 100_000) for _ in range(12))
    first = chance.randrange(10)
    chain = [
        stamp(number, UNSET, at * (1 + slow), at * (1 + slow) + off)
        if number not in (first, 11)
        else stamp(number, SYNC, at * (1 + slow), at)
        for number, at in enumerate(true)
    ]
    found = placements(chain)
    assert len(found) == 10
    for number, placed in found.items():
        assert placed.uncertainty is not None
        at = placed.time(chain[number].sealed_time)
        assert abs(at - START - true[number] * SECOND) <= placed.uncertainty + SECOND // 1000


@pytest.mark.req(12)
@pytest.mark.parametrize("seed", range(10))
def test_bundles_that_nobody_holds_place_nothing_otherwise(seed: int) -> None:
    """A dossier holds a part of a chain: with the anchors of its ends, that is placed alike."""
    chance = random.Random(seed)
    chain = [
        stamp(number, chance.choice((UNSET, FREE, SYNC)), number * 10, chance.randrange(9_999))
        for number in range(40)
    ]
    whole = placements(chain)
    first, last = sorted(chance.sample(range(40), 2))
    before = [each for each in chain[:first] if each.exact][-1:]
    behind = [each for each in chain[last + 1 :] if each.exact][:1]
    part = placements([*before, *chain[first : last + 1], *behind])
    assert part == {number: whole[number] for number in whole if first <= number <= last}


_WHY = GapReason.SOURCE_DOWN
