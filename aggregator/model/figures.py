"""What the readings of a parameter come to: counts, extremes, and a mean weighted by time.

A value holds from its reading to the next valid one; time in a gap counts for nobody. The mean is
``v0 + sum((v - v0) * t) / sum(t)``, added in order of time, so that every program that follows the
rule gets the same last digit. A mean is never made of means: of several spans, the integral is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from aggregator.model.binding.bind import Binding, Slice
from aggregator.model.excursion import Valid, valid_readings
from aggregator.model.gaps import Missing, merged
from aggregator.model.master.equipment import SignalRole
from aggregator.model.master.recipe import Aggregation, ParameterSpec, SamplingContract
from aggregator.model.once import Once
from aggregator.model.series import Integers, Series, Statuses
from protocols.wire.reading import Nanoseconds, Status

Number = float | int
Result = Number | None
Floats = npt.NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)


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


def figures(
    binding: Binding,
    contract: SamplingContract,
    missing: Sequence[Missing],
    once: Once | None = None,
) -> Figures:
    """Return the figures of the readings within the binding's spans."""
    once = once or Once()
    series = binding.series
    parts = binding.slices
    counts = count_statuses(binding, once)
    valid = [valid_readings(series, part.first, part.stop, once) for part in parts]
    times = _joined([each.times for each in valid])
    values = _joined([each.values for each in valid])
    mean, covered = _mean(series, parts, valid, _Owed(contract, missing, once))
    low, high = (int(values.argmin()), int(values.argmax())) if len(values) else (None, None)
    return Figures(
        readings=binding.readings,
        good=counts[Status.GOOD],
        uncertain=counts[Status.UNCERTAIN],
        bad=counts[Status.BAD],
        min=None if low is None else values[low].item(),
        min_time=None if low is None else int(times[low]),
        max=None if high is None else values[high].item(),
        max_time=None if high is None else int(times[high]),
        mean=mean,
        first=values[0].item() if len(values) else None,
        last=values[-1].item() if len(values) else None,
        window=sum(part.span.end.time - part.span.start.time for part in parts),
        covered=covered,
    )


def count_statuses(binding: Binding, once: Once) -> tuple[int, ...]:
    """Return how many readings of a binding have each status, in order of its numbers."""
    rows = tuple((part.first, part.stop) for part in binding.slices)
    return once.of(_count_statuses, binding.series.statuses, rows)


def _count_statuses(statuses: Statuses, rows: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    counts = np.zeros(len(Status), dtype=np.int64)
    for first, stop in rows:
        counts += np.bincount(statuses[first:stop], minlength=len(Status))
    return tuple(counts.tolist())


def aggregate(binding: Binding, found: Figures, spec: ParameterSpec, role: SignalRole) -> Result:
    """Return the one figure that the specification asks for; None where nothing is known.

    It is made of the readings themselves, never of other such figures: a mean over two spans is no
    mean of two means. A total is the sum of the valid readings; of a counter, by how much it rose.
    """
    match spec.aggregation:
        case Aggregation.TIME_WEIGHTED_MEAN:
            return found.mean
        case Aggregation.MAX:
            return found.max
        case Aggregation.MIN:
            return found.min
        case Aggregation.LAST:
            return found.last
        case Aggregation.TOTAL if role is SignalRole.COUNTER:
            return increase(binding)[0]
        case Aggregation.MEAN | Aggregation.TOTAL:
            return _of_each(binding, spec.aggregation)


def increase(binding: Binding) -> tuple[Number, tuple[Nanoseconds, ...]]:
    """Return how far a counter rose over the spans, and when it was reset.

    After a reset it counts from zero: what it shows then was counted since.
    """
    total: Number = 0
    resets: list[int] = []
    for part in binding.slices:
        valid = valid_readings(binding.series, part.first, part.stop)
        values = valid.values.tolist()
        for at in range(1, len(values)):
            step = values[at] - values[at - 1]
            total += step if step >= 0 else values[at]
            if step < 0:
                resets.append(int(valid.times[at]))
    return total, tuple(resets)


def _of_each(binding: Binding, rule: Aggregation) -> float | None:
    """Return the sum or the plain mean of the valid readings, added one by one in order."""
    parts = [
        valid_readings(binding.series, part.first, part.stop).values for part in binding.slices
    ]
    values = np.concatenate([np.empty(0), *(each.astype(np.float64) for each in parts)])
    if not len(values):
        return None
    if rule is Aggregation.TOTAL:
        return float(np.cumsum(values)[-1])
    reference = float(values[0])
    return reference + float(np.cumsum(values - reference)[-1]) / len(values)


class _Owed(NamedTuple):
    """By what time is covered."""

    contract: SamplingContract
    missing: Sequence[Missing]
    once: Once


def _mean(
    series: Series, parts: Sequence[Slice], valid: Sequence[Valid], owed: _Owed
) -> tuple[float | None, Nanoseconds]:
    holes = tuple(merged((gap.start, gap.end) for gap in owed.missing))
    known, weights, covered = [], [], 0
    for part, own in zip(parts, valid, strict=True):
        carried = _carried(series, part, owed)
        start, end = part.span.start.time, part.span.end.time
        since = None if carried is None else start
        weighed, length = owed.once.of(_weights, own.times, since, end, holes)
        values = own.values.astype(np.float64, copy=False)
        known.append(values if carried is None else np.concatenate(([float(carried)], values)))
        weights.append(weighed)
        covered += length
    if not covered:
        return None, 0
    moments = _joined(known)
    reference = float(moments[0])
    moments = moments - reference
    moments *= _joined(weights)
    # cumsum adds one by one in order; sum may not, and its last digit may differ by machine.
    return reference + float(np.cumsum(moments, out=moments)[-1]) / covered, covered


def _weights(
    times: Integers, start: Nanoseconds | None, end: Nanoseconds, holes: tuple[tuple[int, int], ...]
) -> tuple[Floats, Nanoseconds]:
    """Return for how many nanoseconds each value is known, gaps taken out, and all of these.

    The values are those of ``times``, and before them one that is carried in at ``start``.
    """
    since = times if start is None else np.concatenate(([start], times))
    until = np.append(since[1:], end)
    weights = until - since if len(since) else np.empty(0, np.int64)
    for gap_start, gap_end in holes:
        first = int(np.searchsorted(until, gap_start, side="right"))
        stop = int(np.searchsorted(since, gap_end, side="left"))
        shared = np.minimum(until[first:stop], gap_end) - np.maximum(since[first:stop], gap_start)
        weights[first:stop] -= np.maximum(shared, 0)
    return weights.astype(np.float64), int(weights.sum())


def _joined(arrays: Sequence[npt.NDArray[Scalar]]) -> npt.NDArray[Scalar]:
    """Return arrays as one; a single one as it is."""
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays) if arrays else np.empty(0)  # type: ignore[return-value] # nothing is of no type


def _carried(series: Series, part: Slice, owed: _Owed) -> Number | None:
    """Return the value that was known when the span began, if one was."""
    before = valid_readings(series, 0, part.first, owed.once)
    if not len(before.times):
        return None
    age, most = part.span.start.time - int(before.times[-1]), owed.contract.gap_max
    known = most is None or age <= most
    return before.values[-1].item() if known else None
