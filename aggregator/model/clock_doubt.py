"""What a chain says of the gateway's clock: where it was in doubt, and where it was set back.

How the readings of such a bundle are placed is the wire's rule
(``protocols.wire.dossier.placement``); here it is put into words that a record can tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from aggregator.model.series import Series
from protocols.wire.dossier.placement import JITTER, Placement, Stamp, drift
from protocols.wire.header import ClockState
from protocols.wire.reading import Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockDoubt:
    """Bundles ``first`` to ``last`` of one boot, in which the clock was not synchronised."""

    state: ClockState
    first: int
    last: int
    start: Nanoseconds  # placed time of the first reading in them
    end: Nanoseconds  # placed time at which the last was sealed
    anchor: int | None  # number of the bundle that places them; None: nothing does
    shift: Nanoseconds  # what was added to the times of the last
    uncertainty: Nanoseconds | None  # of every placed time; None: nothing bounds it yet


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStep:
    """The clock was set back between two bundles of one boot: a clock epoch begins."""

    number: int  # of the first bundle behind it
    time: Nanoseconds  # at which that was sealed
    back: Nanoseconds
    shown: Nanoseconds | None  # last time shown before, where both bundles were synchronised


def clock_doubts(placements: Iterable[Placement]) -> tuple[ClockDoubt, ...]:
    """Return the runs of bundles that were placed alike, of one chain in order of numbers."""
    doubts: list[ClockDoubt] = []
    before: Placement | None = None
    for placed in placements:
        stamp = placed.stamp
        alone = ClockDoubt(
            state=stamp.clock.state,
            first=stamp.number,
            last=stamp.number,
            start=placed.time(stamp.first_time),
            end=placed.time(stamp.sealed_time),
            anchor=placed.anchor,
            shift=placed.shift,
            uncertainty=placed.uncertainty,
        )
        goes_on = (
            before is not None
            and before.stamp.number + 1 == stamp.number
            and before.stamp.boot == stamp.boot
            and before.stamp.clock.state is stamp.clock.state
            and before.anchor == placed.anchor
        )
        doubts.append(_joined(doubts.pop(), alone) if goes_on else alone)
        before = placed
    return tuple(doubts)


def clock_steps(stamps: Iterable[Stamp]) -> tuple[ClockStep, ...]:
    """Return where the clock was set back by more than the clocks' own uncertainty, in order."""
    return tuple(
        ClockStep(
            number=later.number,
            time=later.sealed_time,
            back=back,
            shown=earlier.sealed_time if earlier.exact and later.exact else None,
        )
        for earlier, later in pairwise(stamps)
        if earlier.boot == later.boot
        and (back := earlier.began - later.began) > _tolerance(earlier, later)
    )


def shown_twice(series: Series, epoch: bytes, steps: Iterable[ClockStep]) -> Series:
    """Return a series in which the times that a synchronised clock showed twice are doubted.

    Which of both a reading is from is known by its number, not how far the clock had been ahead:
    by no more than it was set back.
    """
    if epoch not in series.epoch_ids:
        return series
    doubts = np.zeros((2, len(series)), np.int64)
    if series.doubts is not None:
        doubts = series.doubts.copy()
    own = (series.epochs == series.epoch_ids.index(epoch)) & (series.times == series.gateway_times)
    for step in steps:
        if step.shown is not None:
            times = series.times
            twice = own & (times >= step.shown - step.back) & (times <= step.shown)
            doubts[:, twice] = np.maximum(doubts[:, twice], step.back)
    return replace(series, doubts=doubts) if doubts.any() else series


def _joined(run: ClockDoubt, alone: ClockDoubt) -> ClockDoubt:
    """Return a run that one more bundle belongs to; its uncertainty holds for each of them."""
    both = None
    if run.uncertainty is not None and alone.uncertainty is not None:
        both = max(run.uncertainty, alone.uncertainty)
    return replace(
        alone,
        first=run.first,
        start=min(run.start, alone.start),
        end=max(run.end, alone.end),
        uncertainty=both,
    )


def _tolerance(earlier: Stamp, later: Stamp) -> Nanoseconds:
    passed = max(later.sealed_monotonic - earlier.sealed_monotonic, 0)
    return earlier.clock.uncertainty + later.clock.uncertainty + drift(passed) + JITTER
