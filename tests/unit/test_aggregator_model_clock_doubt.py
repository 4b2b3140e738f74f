"""Where a gateway's clock was in doubt, and how far it was off, by its sealed headers alone."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from aggregator.model.clock_doubt import (
    DRIFT_PPM,
    ClockDoubt,
    clock_doubts,
    clock_steps,
    corrections,
)
from protocols.wire.header import Clock, ClockState, Header
from protocols.wire.reading import SECOND
from tests.sealed import START, SealedGateway

UNSET, FREE, SYNC = ClockState.UNSET, ClockState.FREE_RUNNING, ClockState.SYNCHRONISED
HOUR = 3_600 * SECOND


def header(
    number: int, state: ClockState, monotonic: float, wall: float, *, boot: int = 1, span: float = 0
) -> Header:
    """Return a header sealed ``monotonic`` seconds after its boot, at ``wall`` after START."""
    _, drafted = SealedGateway().draft()
    sealed = START + round(wall * SECOND)
    return replace(
        drafted,
        number=number,
        boot=bytes([boot]) * 16,
        first_time=sealed - round(span * SECOND),
        last_time=sealed,
        sealed_time=sealed,
        sealed_monotonic=round(monotonic * SECOND),
        clock=Clock(state=state, uncertainty=2_000_000, floor=START),
    )


def test_the_next_synchronised_bundle_of_the_boot_is_the_anchor() -> None:
    chain = [
        header(1, UNSET, 10, 10),
        header(2, UNSET, 20, 20, span=5),
        header(3, SYNC, 30, 3_630),
        header(4, SYNC, 40, 9_000),
    ]
    first, second, *rest = corrections(chain)
    assert first is not None
    assert second is not None
    assert (first.time, second.time) == (HOUR, HOUR)
    assert (first.anchor, second.anchor) == (3, 3)
    assert first.uncertainty == 2_000_000 + 20 * SECOND * DRIFT_PPM // 1_000_000
    assert second.uncertainty == 2_000_000 + 15 * SECOND * DRIFT_PPM // 1_000_000
    assert rest == [None, None]


def test_an_anchor_of_another_boot_tells_nothing() -> None:
    chain = [header(1, UNSET, 10, 10), header(2, SYNC, 5, 3_600, boot=2)]
    assert corrections(chain) == (None, None)
    (doubt,) = clock_doubts(chain)
    assert (doubt.first, doubt.last, doubt.correction) == (1, 1, None)


def test_without_an_anchor_the_doubt_stays() -> None:
    chain = [header(1, SYNC, 10, 10), header(2, FREE, 20, 20), header(3, FREE, 30, 30)]
    assert clock_doubts(chain) == (
        ClockDoubt(
            state=FREE,
            first=2,
            last=3,
            start=START + 20 * SECOND,
            end=START + 30 * SECOND,
            correction=None,
        ),
    )


def test_the_uncertainty_of_a_run_holds_for_each_of_its_bundles() -> None:
    chain = [
        header(1, FREE, 10, 10),
        header(2, FREE, 20, 26),  # six seconds forward, by hand
        header(3, SYNC, 30, 130),
    ]
    (doubt,) = clock_doubts(chain)
    each = corrections(chain)
    assert doubt.correction is not None
    assert doubt.correction.time == 94 * SECOND
    for one in each[:2]:
        assert one is not None
        off = abs(one.time - doubt.correction.time)
        assert off + one.uncertainty <= doubt.correction.uncertainty


def test_states_and_boots_are_doubts_of_their_own() -> None:
    chain = [
        header(1, UNSET, 10, 10),
        header(2, FREE, 20, 20),
        header(3, FREE, 5, 30, boot=2),
        header(5, FREE, 25, 50, boot=2),
    ]
    assert [(each.first, each.last) for each in clock_doubts(chain)] == [
        (1, 1),
        (2, 2),
        (3, 3),
        (5, 5),
    ]


@pytest.mark.parametrize(
    ("later", "back"),
    [
        (header(2, SYNC, 20, 20), None),
        (header(2, SYNC, 20, 19.998), None),  # within what the clocks are uncertain by
        (header(2, SYNC, 20, 15), 5 * SECOND),  # still later than the bundle before
        (header(2, SYNC, 20, 4), 16 * SECOND),
        (header(2, SYNC, 20, 25), None),  # forward is a gap, and no time comes twice
        (header(2, SYNC, 1, 4, boot=2), None),  # another boot has another monotonic time
    ],
)
def test_a_step_backward_opens_a_clock_epoch(later: Header, back: int | None) -> None:
    found = clock_steps([header(1, SYNC, 10, 10), later])
    assert [each.back for each in found] == ([] if back is None else [back])
    assert all(each.number == 2 and each.time == later.sealed_time for each in found)


@pytest.mark.parametrize("seed", range(5))
def test_a_placed_time_is_the_true_one_within_its_uncertainty(seed: int) -> None:
    """A clock that is off by days and an oscillator that drifts, against the time that it was."""
    chance = random.Random(seed)
    off, drift = chance.randrange(-86_400, 86_400), chance.uniform(-DRIFT_PPM, DRIFT_PPM) / 1e6
    true = sorted(chance.uniform(0, 100_000) for _ in range(12))
    chain = [
        header(number, UNSET, at * (1 + drift), at * (1 + drift) + off)
        for number, at in enumerate(true[:-1])
    ]
    chain.append(header(11, SYNC, true[-1] * (1 + drift), true[-1]))
    for at, bundle, correction in zip(true, chain, corrections(chain)[:-1], strict=False):
        assert correction is not None
        placed = bundle.sealed_time + correction.time
        assert abs(placed - START - at * SECOND) <= correction.uncertainty + SECOND // 1000
