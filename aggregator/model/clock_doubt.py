"""What a chain says of the gateway's clock: where it is in doubt, and how far it was off.

A header has the boot and the monotonic time beside the wall time. A later bundle of the same boot
whose clock was synchronised is a sealed *time anchor*: its wall time less its monotonic time is
what that of an earlier bundle should have been (record rule 11). A pure function of the headers:
the order in which bundles came changes nothing, but a later anchor may still come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from protocols.wire.header import ClockState, Header
from protocols.wire.reading import Nanoseconds

DRIFT_PPM: Final = 100
"""How fast an oscillator may run wrong between a bundle and its anchor: parts in a million."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What is to be added to the gateway times of a bundle, and how far that may be wrong."""

    time: Nanoseconds
    uncertainty: Nanoseconds
    anchor: int  # number of the bundle that shows it


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockDoubt:
    """Bundles ``first`` to ``last`` of one boot, in which the clock was not synchronised."""

    state: ClockState
    first: int
    last: int
    start: Nanoseconds  # first time in them, as it was sealed
    end: Nanoseconds  # sealed time of the last
    correction: Correction | None  # None: no anchor of this boot has come


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStep:
    """The clock was set back between two bundles of one boot: a clock epoch begins."""

    number: int  # of the first bundle behind it
    time: Nanoseconds  # at which that was sealed
    back: Nanoseconds


def corrections(headers: Sequence[Header]) -> tuple[Correction | None, ...]:
    """Return the correction of each bundle of one chain, whose headers are in order of numbers.

    None where the clock was synchronised, and where no later bundle of the boot has an anchor. The
    next anchor counts: the shorter the way to it, the less the oscillator has drifted.
    """
    found: list[Correction | None] = []
    anchor: Header | None = None
    for header in reversed(headers):
        if header.clock.state is ClockState.SYNCHRONISED:
            anchor = header
            found.append(None)
        elif anchor is None or anchor.boot != header.boot:
            found.append(None)
        else:
            found.append(_correction(header, anchor))
    return tuple(reversed(found))


def clock_doubts(headers: Sequence[Header]) -> tuple[ClockDoubt, ...]:
    """Return the runs of bundles of one chain whose clock was in doubt, in order."""
    doubts: list[ClockDoubt] = []
    before: Header | None = None
    for header, correction in zip(headers, corrections(headers), strict=True):
        if header.clock.state is not ClockState.SYNCHRONISED:
            alone = ClockDoubt(
                state=header.clock.state,
                first=header.number,
                last=header.number,
                start=header.first_time,
                end=header.sealed_time,
                correction=correction,
            )
            goes_on = (
                before is not None
                and before.number + 1 == header.number
                and before.boot == header.boot
                and before.clock.state is header.clock.state
            )
            doubts.append(_joined(doubts.pop(), alone) if goes_on else alone)
        before = header
    return tuple(doubts)


def clock_steps(headers: Sequence[Header]) -> tuple[ClockStep, ...]:
    """Return where the clock was set back by more than the clocks' own uncertainty, in order."""
    return tuple(
        ClockStep(number=later.number, time=later.sealed_time, back=back)
        for earlier, later in pairwise(headers)
        if earlier.boot == later.boot
        and (back := _offset(earlier) - _offset(later)) > _tolerance(earlier, later)
    )


def _correction(header: Header, anchor: Header) -> Correction:
    within = max(header.sealed_time - header.first_time, 0)
    passed = max(anchor.sealed_monotonic - header.sealed_monotonic, 0) + within
    return Correction(
        time=_offset(anchor) - _offset(header),
        uncertainty=anchor.clock.uncertainty + _drift(passed),
        anchor=anchor.number,
    )


def _joined(run: ClockDoubt, alone: ClockDoubt) -> ClockDoubt:
    """Return a run that one more bundle belongs to; its uncertainty holds for each of them."""
    one, other = run.correction, alone.correction
    correction = None
    if one is not None and other is not None:
        apart = abs(one.time - other.time)
        correction = Correction(
            time=other.time,
            uncertainty=max(one.uncertainty + apart, other.uncertainty),
            anchor=other.anchor,
        )
    return ClockDoubt(
        state=run.state,
        first=run.first,
        last=alone.last,
        start=min(run.start, alone.start),
        end=max(run.end, alone.end),
        correction=correction,
    )


def _offset(header: Header) -> Nanoseconds:
    """Return the wall time at which the boot began, by this bundle."""
    return header.sealed_time - header.sealed_monotonic


def _tolerance(earlier: Header, later: Header) -> Nanoseconds:
    passed = max(later.sealed_monotonic - earlier.sealed_monotonic, 0)
    return earlier.clock.uncertainty + later.clock.uncertainty + _drift(passed) + _JITTER


def _drift(passed: Nanoseconds) -> Nanoseconds:
    return passed * DRIFT_PPM // 1_000_000


_JITTER: Final = 1_000_000
"""Wall and monotonic time are read one after the other: a millisecond may lie between."""
