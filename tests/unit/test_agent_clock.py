"""Gateway time never steps within a bundle, and says how far it may be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from edge_agent.clock import BUILT, FLOOR_SLACK, ClockSource, GatewayClock, KernelClock, Wall
from protocols.wire.header import ClockState
from protocols.wire.reading import SECOND

NOW = BUILT + 1000 * SECOND


@dataclass
class SetClock:
    """A clock that a test sets; it holds what ``ClockSource`` asks."""

    wall_time: int = NOW
    since_boot: int = 5 * SECOND
    synchronised: bool = True
    uncertainty: int = 0

    def boot_id(self) -> bytes:
        return bytes(16)

    def monotonic(self) -> int:
        return self.since_boot

    def wall(self) -> Wall:
        return Wall(self.wall_time, self.synchronised, self.uncertainty)

    def advance(self, nanoseconds: int) -> None:
        self.wall_time += nanoseconds
        self.since_boot += nanoseconds


@pytest.mark.parametrize("source", [SetClock(), KernelClock(), KernelClock(synchronised=True)])
def test_every_clock_source_keeps_the_contract(source: ClockSource) -> None:
    assert len(source.boot_id()) == 16
    assert source.boot_id() == source.boot_id()
    first, second = source.monotonic(), source.monotonic()
    assert 0 <= first <= second
    wall = source.wall()
    assert wall.time > 0
    assert wall.uncertainty >= 0
    if isinstance(source, SetClock):
        source.advance(SECOND)
        assert source.monotonic() == second + SECOND


@pytest.mark.parametrize("step", [-3600 * SECOND, 3600 * SECOND])
def test_a_step_of_the_wall_shows_at_the_next_anchor_alone(step: int) -> None:
    source = SetClock()
    clock = GatewayClock(source)
    source.advance(SECOND)
    assert clock.gateway_time() == NOW + SECOND
    source.wall_time += step
    source.advance(SECOND)
    assert clock.gateway_time() == NOW + 2 * SECOND
    clock.raise_floor(BUILT)
    clock.anchor()
    assert clock.gateway_time() == max(NOW + 2 * SECOND + step, BUILT) or step < 0


def test_without_a_real_time_clock_time_counts_from_the_floor_and_never_back() -> None:
    source = SetClock(wall_time=3 * SECOND, synchronised=False)
    clock = GatewayClock(source, floor=NOW)
    assert clock.state().state is ClockState.UNSET
    assert clock.gateway_time() == NOW
    source.advance(10 * SECOND)
    clock.anchor()
    assert clock.gateway_time() == NOW + 10 * SECOND
    assert clock.skew_max() is None
    source.wall_time = NOW + 3600 * SECOND
    source.synchronised = True
    clock.anchor()
    assert clock.state().state is ClockState.SYNCHRONISED
    assert clock.gateway_time() == NOW + 3600 * SECOND


def test_a_clock_that_nobody_corrects_is_free_running() -> None:
    clock = GatewayClock(SetClock(synchronised=False))
    assert clock.state().state is ClockState.FREE_RUNNING
    assert clock.skew_max() is None


def test_clocks_may_differ_a_little_from_the_aggregators() -> None:
    source = SetClock()
    clock = GatewayClock(source)
    clock.raise_floor(NOW + FLOOR_SLACK // 2)
    clock.anchor()
    assert clock.state().state is ClockState.SYNCHRONISED
    assert clock.state().floor == NOW + FLOOR_SLACK // 2
    assert clock.skew_max() is not None


def test_the_floor_is_never_lowered() -> None:
    clock = GatewayClock(SetClock(), floor=0)
    clock.raise_floor(5)
    assert clock.floor == BUILT


def test_an_aggregator_that_runs_ahead_does_not_move_a_synchronised_clock() -> None:
    source = SetClock()
    clock = GatewayClock(source)
    clock.raise_floor(NOW + 365 * 86_400 * SECOND)
    clock.anchor()
    assert clock.state().state is ClockState.SYNCHRONISED
    assert clock.gateway_time() == NOW
    alone = GatewayClock(SetClock(synchronised=False))
    alone.raise_floor(NOW + 365 * 86_400 * SECOND)
    alone.anchor()
    assert alone.state().state is ClockState.UNSET
