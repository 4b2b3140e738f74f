"""Which readings belong to a lot: the rows of each series that its windows hold.

A pure function of readings and windows: in whatever order data came, and however often, the same
rows are bound. Windows are half-open on the time that a series is cut on; a reading within the
clocks' uncertainty of a bound is named, on both sides of it (record rules 1 and 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from aggregator.model.binding.fact import FOREVER
from aggregator.model.binding.occupancy import Bound, Window
from aggregator.model.master.equipment import SignalSpec, is_at
from aggregator.model.master.lot import LotKey
from aggregator.model.once import Once
from aggregator.model.series import UNBOUNDED, Given, Integers, Series
from protocols.wire.reading import Nanoseconds

RULE: Final = "window/3"
"""Id and version of this rule; a record names the one that it was made by."""


class Span(NamedTuple):
    """One or several windows of a lot that touch, as a signal at or above them sees it."""

    start: Bound
    end: Bound


class Slice(NamedTuple):
    """The rows of one span: ``[first, stop)`` are within it.

    ``head`` and ``tail`` are the rows within the uncertainty of its start and end, on both sides.
    """

    span: Span
    first: int
    stop: int
    head: Sequence[int]
    tail: Sequence[int]


class Unbound(NamedTuple):
    """Readings that belong to no lot: counted, never dropped."""

    start: Nanoseconds  # of the first one
    end: Nanoseconds  # of the last one
    readings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """The readings of one signal that belong to one lot, with the rule that bound them."""

    series: Series
    slices: tuple[Slice, ...]
    rule: str = RULE

    @property
    def readings(self) -> int:
        """How many readings are within the spans."""
        return sum(part.stop - part.first for part in self.slices)


def in_order(series: Series, once: Once | None = None) -> Series:
    """Return the series in its one order, each reading once.

    By time, then epoch, then place in the epoch; a reading is the same where epoch and place are.
    """
    if (once or Once()).of(_rises, series.times):
        return series
    rank = np.argsort(np.argsort([epoch.hex() for epoch in series.epoch_ids]))
    epochs = rank[series.epochs] if len(series.epoch_ids) else series.epochs
    positions = series.positions
    order = np.lexsort((positions, epochs, series.times))
    same = np.zeros(len(order), dtype=bool)
    same[1:] = (
        (np.diff(series.times[order]) == 0)
        & (np.diff(epochs[order]) == 0)
        & (np.diff(positions[order]) == 0)
    )
    return take(series, order[~same])


def _rises(times: Integers) -> bool:
    return bool((times[1:] > times[:-1]).all())


def take(series: Series, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Series:
    """Return the series of the given rows, in the order given."""
    return replace(
        series,
        doubts=None if series.doubts is None else series.doubts[:, rows],
        times=series.times[rows],
        gateway_times=series.gateway_times[rows],
        present=series.present[rows],
        statuses=series.statuses[rows],
        codes=series.codes[rows],
        epochs=series.epochs[rows],
        numbers=series.numbers[rows],
        content=Given(series.values[rows], series.positions[rows]),
    )


def spans(windows: Iterable[Window], spec: SignalSpec, lot: LotKey) -> tuple[Span, ...]:
    """Return when the signal observed the lot: the union of its windows at or below the signal.

    A signal on an area (a clean room) observes the lot wherever it is within the area; a time at
    which the lot is at two units below is counted once.
    """
    return held((window for window in windows if window.lot == lot), spec)


def held(windows: Iterable[Window], spec: SignalSpec) -> tuple[Span, ...]:
    """Return when the signal observed any lot of the windows."""
    merged: list[Span] = []
    own = (_seen(window, spec) for window in windows if is_at(window.equipment, spec.equipment))
    for span in sorted(own, key=lambda span: (span.start.time, span.end.time)):
        if span.end.time <= span.start.time:
            continue
        if merged and span.start.time <= merged[-1].end.time:
            last = merged.pop()
            end = max(last.end, span.end, key=lambda bound: bound.time)
            merged.append(Span(last.start, end))
        else:
            merged.append(span)
    return tuple(merged)


def _seen(window: Window, spec: SignalSpec) -> Span:
    """Return when a signal observed a window.

    Equipment that the lot flowed through observed its last piece before that left; a clean room
    around it sees the piece until it has.
    """
    residence, end = window.residence, window.end
    if residence is None or window.equipment != spec.equipment or end.time == FOREVER:
        return Span(window.start, end)
    time = end.time - residence.offset + residence.spread
    return Span(window.start, end._replace(time=max(time, window.start.time)))


def bind(
    series: Series,
    when: Sequence[Span],
    spec: SignalSpec,
    uncertainty: Nanoseconds,
    once: Once | None = None,
) -> Binding:
    """Bind the readings of ``series`` to the spans of a lot.

    ``uncertainty`` is that of the clock that stamped the readings; it counts only against bounds
    that another clock stamped. A reading that was placed has a doubt of its own.
    """
    series = in_order(series, once)
    times = series.times
    slices = []
    for span in when:
        head, tail = (_within(series, bound, spec, uncertainty) for bound in (span.start, span.end))
        first, stop = np.searchsorted(times, (span.start.time, span.end.time), side="left")
        slices.append(Slice(span, int(first), int(stop), head, tail))
    return Binding(series=series, slices=tuple(slices))


def unbound(
    series: Series, when: Iterable[Span], since: Nanoseconds, until: Nanoseconds
) -> tuple[Unbound, ...]:
    """Return the runs of readings of an ordered series in ``[since, until)`` that no span holds."""
    times = series.times
    first, stop = np.searchsorted(times, (since, until), side="left")
    free = np.zeros(len(times) + 2, dtype=np.int8)
    free[first + 1 : stop + 1] = 1
    for span in when:
        low, high = np.searchsorted(times, (span.start.time, span.end.time), side="left")
        free[low + 1 : high + 1] = 0
    edges = np.diff(free)
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return tuple(
        Unbound(int(times[low]), int(times[high - 1]), int(high - low))
        for low, high in zip(starts, stops, strict=True)
    )


def nothing(spec: SignalSpec) -> Series:
    """Return a series without a reading: what is there of a signal that never came."""
    numbers = np.empty(0, dtype=np.int64)
    return Series(
        key=spec.key,
        kind=spec.kind,
        times=numbers,
        gateway_times=numbers,
        present=np.empty(0, dtype=np.bool_),
        statuses=np.empty(0, dtype=np.int8),
        codes=numbers,
        epochs=np.empty(0, dtype=np.int16),
        epoch_ids=(),
        numbers=numbers,
        content=Given(np.empty(0), numbers),
    )


def _within(
    series: Series, bound: Bound, spec: SignalSpec, uncertainty: Nanoseconds
) -> Sequence[int]:
    """Return the rows so near to a bound that the clocks do not decide."""
    own = bound.clock == spec.clock_id
    if series.doubts is not None:
        return _placed_within(series, series.doubts, bound, uncertainty, own_clock=own)
    doubt = 0 if own else bound.uncertainty + uncertainty
    if doubt <= 0 or not len(series):
        return range(0)
    first = np.searchsorted(series.times, bound.time - doubt, side="left")
    # An end that nobody has said stands at the greatest number there is: nothing is beyond it.
    stop = np.searchsorted(series.times, min(bound.time, 2**63 - 1 - doubt) + doubt, side="right")
    return range(int(first), int(stop))


def _placed_within(
    series: Series,
    doubts: Integers,
    bound: Bound,
    uncertainty: Nanoseconds,
    *,
    own_clock: bool,
) -> Sequence[int]:
    """Return the rows near a bound where each reading has a doubt of its own.

    What one clock stamped is apart from another by no more than it drifted between the two, and
    that is the difference of both uncertainties: they count from the same anchor.
    """
    said = min(bound.uncertainty, UNBOUNDED)
    placed = doubts.max(axis=0) > 0
    if own_clock:
        drifted = np.abs(np.where(placed, doubts.max(axis=0), uncertainty) - said)
        earlier, later = drifted, drifted
    else:
        each = np.where(placed, doubts, uncertainty)
        earlier, later = np.minimum(each, UNBOUNDED - said) + said
    times = series.times
    near = (times - earlier <= bound.time) & (bound.time <= times + later)
    return tuple(np.flatnonzero(near & (np.maximum(earlier, later) > 0)).tolist())
