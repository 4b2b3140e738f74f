"""Charts of critical parameters: so few lines that they print, so made that no extreme vanishes.

Readings are gathered in buckets of time, each drawn from its least to its greatest value. A line
is broken where data are missing: a gap is drawn as a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from aggregator.model.binding.bind import in_order
from aggregator.model.excursion import valid_readings
from aggregator.model.master.recipe import Limits
from aggregator.model.series import Series
from protocols.wire.dossier.series import Interval

BUCKETS: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One parameter over the lot's window; x from 0 to 1, y in the parameter's unit."""

    low: float  # y of the lower edge
    high: float  # y of the upper edge
    lines: tuple[tuple[tuple[float, float], ...], ...]  # each unbroken, as (x, y)
    gaps: tuple[tuple[float, float], ...]  # x from, x to
    outside: tuple[tuple[float, float], ...]  # x from, x to: not the lot's time
    excursions: tuple[tuple[float, float], ...]  # x from, x to


def chart(
    series: Series,
    *,
    whole: Interval,
    intervals: Sequence[Interval],
    gaps: Sequence[Interval],
    excursions: Sequence[Interval],
    limits: Limits,
) -> Chart:
    """Draw the readings of ``series`` in ``intervals`` over the time ``whole``."""
    series = in_order(series)
    valid = valid_readings(series, 0, len(series))
    times, values = valid.times, valid.values.astype(np.float64)
    lines: list[tuple[tuple[float, float], ...]] = []
    drawn = [np.empty(0)]
    for stretch in without(intervals, gaps, edge=1):
        first, stop = np.searchsorted(times, stretch, side="left")
        if stop > first:
            lines.append(_line(times[first:stop], values[first:stop], whole))
            drawn.append(values[first:stop])
    low, high = _extent(np.concatenate(drawn), limits)
    return Chart(
        low=low,
        high=high,
        lines=tuple(lines),
        gaps=_shares(gaps, whole),
        outside=_shares(without([whole], intervals), whole),
        excursions=_shares(excursions, whole),
    )


def without(
    stretches: Sequence[Interval], holes: Sequence[Interval], *, edge: int = 0
) -> list[Interval]:
    """Return ``stretches`` with ``holes`` cut out, but for the first ``edge`` nanoseconds of each.

    A gap begins at the last valid reading: with an edge of 1 that reading stays.
    """
    left = list(stretches)
    for hole in holes:
        cut: list[Interval] = []
        for start, end in left:
            if hole.end <= start or end <= hole.start:
                cut.append(Interval(start, end))
                continue
            if hole.start + edge > start:
                cut.append(Interval(start, min(hole.start + edge, end)))
            if hole.end < end:
                cut.append(Interval(hole.end, end))
        left = cut
    return left


def _line(
    times: np.ndarray[tuple[int], np.dtype[np.int64]],
    values: np.ndarray[tuple[int], np.dtype[np.float64]],
    whole: Interval,
) -> tuple[tuple[float, float], ...]:
    """Return one corner a reading where they are few, else least and greatest of each bucket."""
    length = whole.end - whole.start
    if len(times) <= 2 * BUCKETS:
        return tuple(
            (round((int(time) - whole.start) / length, 5), float(value))
            for time, value in zip(times, values, strict=True)
        )
    buckets = ((times - whole.start) * BUCKETS) // length
    starts = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
    least = np.minimum.reduceat(values, starts)
    greatest = np.maximum.reduceat(values, starts)
    corners: list[tuple[float, float]] = []
    for bucket, low, high in zip(buckets[starts], least, greatest, strict=True):
        x = round((int(bucket) + 0.5) / BUCKETS, 5)
        rising = not corners or corners[-1][1] <= (low + high) / 2
        corners += (
            [(x, float(low)), (x, float(high))] if rising else [(x, float(high)), (x, float(low))]
        )
    return tuple(corners)


def _extent(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], limits: Limits
) -> tuple[float, float]:
    """Return the y axis: all values and all limits, with a margin."""
    bounds = [limits.action_low, limits.alert_low, limits.alert_high, limits.action_high]
    shown = [bound for bound in bounds if bound is not None]
    if len(values):
        shown += [float(values.min()), float(values.max())]
    if not shown:
        return 0.0, 1.0
    low, high = min(shown), max(shown)
    margin = (high - low) * 0.08 or max(abs(high) * 0.05, 1.0)
    return low - margin, high + margin


def _shares(stretches: Sequence[Interval], whole: Interval) -> tuple[tuple[float, float], ...]:
    length = whole.end - whole.start
    return tuple(
        (
            round(max((start - whole.start) / length, 0.0), 5),
            round(min((end - whole.start) / length, 1.0), 5),
        )
        for start, end in stretches
        if end > whole.start and start < whole.end and end > start
    )
