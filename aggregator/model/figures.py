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

from aggregator.model.binding.bind import Binding, Slice
from aggregator.model.excursion import Valid, valid_readings
from aggregator.model.gaps import Missing, merged
from aggregator.model.master.equipment import SignalRole
from aggregator.model.master.recipe import Aggregation, ParameterSpec, SamplingContract
from aggregator.model.series import Integers, Series
from protocols.wire.reading import Nanoseconds, Status

Number = float | int
Result = Number | None


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
    valid = [valid_readings(series, part.first, part.stop) for part in parts]
    times = np.concatenate([np.empty(0, dtype=np.int64), *(each.times for each in valid)])
    values = np.concatenate([each.values for each in valid]) if valid else np.empty(0)
    mean, covered = _mean(series, parts, valid, contract, missing)
    low, high = (int(values.argmin()), int(values.argmax())) if len(values) else (None, None)
    return Figures(
        readings=binding.readings,
        good=int(counts[Status.GOOD]),
        uncertain=int(counts[Status.UNCERTAIN]),
        bad=int(counts[Status.BAD]),
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


def _mean(
    series: Series,
    parts: Sequence[Slice],
    valid: Sequence[Valid],
    contract: SamplingContract,
    missing: Sequence[Missing],
) -> tuple[float | None, Nanoseconds]:
    holes = merged((gap.start, gap.end) for gap in missing)
    held = [
        _held(_carried(series, part, contract), own, part, holes)
        for part, own in zip(parts, valid, strict=True)
    ]
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
    carried: Number | None, valid: Valid, part: Slice, holes: Sequence[tuple[int, int]]
) -> tuple[npt.NDArray[np.float64], Integers]:
    """Return each value known in the span and for how many nanoseconds, gaps taken out."""
    since, values = valid.times, valid.values.astype(np.float64)
    if carried is not None:
        since = np.concatenate(([part.span.start.time], since))
        values = np.concatenate(([float(carried)], values))
    if not len(values):
        return values, np.empty(0, dtype=np.int64)
    until = np.append(since[1:], part.span.end.time)
    weights = until - since
    for gap_start, gap_end in holes:
        first = int(np.searchsorted(until, gap_start, side="right"))
        stop = int(np.searchsorted(since, gap_end, side="left"))
        shared = np.minimum(until[first:stop], gap_end) - np.maximum(since[first:stop], gap_start)
        weights[first:stop] -= np.maximum(shared, 0)
    return values, weights


def _carried(series: Series, part: Slice, contract: SamplingContract) -> Number | None:
    """Return the value that was known when the span began, if one was."""
    before = valid_readings(series, 0, part.first)
    if not len(before.times):
        return None
    age = part.span.start.time - int(before.times[-1])
    known = contract.gap_max is None or age <= contract.gap_max
    return before.values[-1].item() if known else None
