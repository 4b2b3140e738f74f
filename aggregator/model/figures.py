"""What the readings of a parameter come to: counts, extremes, and a mean weighted by time.

A value holds from its reading to the next valid one; time in a gap counts for nobody. The mean is
``v0 + sum((v - v0) * t) / sum(t)``, added in order of time, so that every program that follows the
rule gets the same last digit. A mean is never made of means: of several spans, the integral is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aggregator.model.binding import Binding, Slice
from aggregator.model.excursion import valid_rows
from aggregator.model.gaps import Missing, merged
from aggregator.model.recipe import SamplingContract
from aggregator.model.series import Integers, Series
from protocols.wire.reading import Nanoseconds, Status

Number = float | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Figures of one parameter over all spans of its lot; None where no valid reading is."""

    readings: int
    good: int
    uncertain: int
    bad: int
    min: Number | None
    min_time: Nanoseconds | None  # of the first reading that had it
    max: Number | None
    max_time: Nanoseconds | None
    mean: float | None  # weighted by time; None where no time is covered
    first: Number | None
    last: Number | None
    window: Nanoseconds  # length of all spans
    covered: Nanoseconds  # of it, with a known value


def figures(binding: Binding, contract: SamplingContract, missing: Sequence[Missing]) -> Figures:
    """Return the figures of the readings within the binding's spans."""
    series = binding.series
    parts = binding.slices
    counts = np.zeros(3, dtype=np.int64)
    for part in parts:
        counts += np.bincount(series.statuses[part.first : part.stop], minlength=3)
    rows = np.concatenate(
        [
            np.empty(0, dtype=np.int64),
            *(valid_rows(series, part.first, part.stop) for part in parts),
        ]
    )
    values = series.values[rows]
    mean, covered = _mean(series, parts, contract, missing)
    low, high = (int(values.argmin()), int(values.argmax())) if len(rows) else (None, None)
    return Figures(
        readings=binding.readings,
        good=int(counts[Status.GOOD]),
        uncertain=int(counts[Status.UNCERTAIN]),
        bad=int(counts[Status.BAD]),
        min=None if low is None else values[low].item(),
        min_time=None if low is None else int(series.times[rows[low]]),
        max=None if high is None else values[high].item(),
        max_time=None if high is None else int(series.times[rows[high]]),
        mean=mean,
        first=values[0].item() if len(rows) else None,
        last=values[-1].item() if len(rows) else None,
        window=sum(part.span.end.time - part.span.start.time for part in parts),
        covered=covered,
    )


def increase(binding: Binding) -> tuple[Number, tuple[Nanoseconds, ...]]:
    """Return how far a counter rose over the spans, and when it was reset.

    After a reset it counts from zero: what it shows then was counted since.
    """
    total: Number = 0
    resets: list[int] = []
    for part in binding.slices:
        rows = valid_rows(binding.series, part.first, part.stop)
        values = binding.series.values[rows].tolist()
        for at in range(1, len(values)):
            step = values[at] - values[at - 1]
            total += step if step >= 0 else values[at]
            if step < 0:
                resets.append(int(binding.series.times[rows[at]]))
    return total, tuple(resets)


def _mean(
    series: Series,
    parts: Sequence[Slice],
    contract: SamplingContract,
    missing: Sequence[Missing],
) -> tuple[float | None, Nanoseconds]:
    held = [_held(series, part, contract, missing) for part in parts]
    values = np.concatenate([np.empty(0), *(own for own, _ in held)])
    weights = np.concatenate([np.empty(0, dtype=np.int64), *(own for _, own in held)])
    covered = int(weights.sum())
    if not covered:
        return None, 0
    reference = float(values[0])
    # cumsum adds one by one in order; sum may not, and its last digit may differ by machine.
    moment = np.cumsum((values - reference) * weights.astype(np.float64))[-1]
    return reference + float(moment) / covered, covered


def _held(
    series: Series, part: Slice, contract: SamplingContract, missing: Sequence[Missing]
) -> tuple[npt.NDArray[np.float64], Integers]:
    """Return each value known in the span and for how many nanoseconds, gaps taken out."""
    start, end = part.span.start.time, part.span.end.time
    rows = valid_rows(series, part.first, part.stop)
    carried = _carried(series, part, contract)
    if carried is not None:
        rows = np.concatenate(([carried], rows))
    if not len(rows):
        return np.empty(0), np.empty(0, dtype=np.int64)
    since = np.maximum(series.times[rows], start)
    until = np.append(since[1:], end)
    weights = until - since
    for gap_start, gap_end in merged((gap.start, gap.end) for gap in missing):
        first = int(np.searchsorted(until, gap_start, side="right"))
        stop = int(np.searchsorted(since, gap_end, side="left"))
        shared = np.minimum(until[first:stop], gap_end) - np.maximum(since[first:stop], gap_start)
        weights[first:stop] -= np.maximum(shared, 0)
    return series.values[rows].astype(np.float64), weights


def _carried(series: Series, part: Slice, contract: SamplingContract) -> int | None:
    """Return the row of the value that was known when the span began, if one was."""
    before = valid_rows(series, 0, part.first)
    if not len(before):
        return None
    age = part.span.start.time - int(series.times[before[-1]])
    return int(before[-1]) if contract.gap_max is None or age <= contract.gap_max else None
