"""Time outside limits: every valid reading beyond a limit lies in exactly one excursion of it.

A limit's own value is still inside. Limits of a 32-bit float are rounded to its width first: a
controller that shows 80.3 against a limit of 80.3 is inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from aggregator.model.binding.bind import Binding, Slice
from aggregator.model.master.recipe import Limits
from aggregator.model.once import Once
from aggregator.model.series import Integers, Mask, Series, Statuses
from protocols.wire.reading import Kind, Nanoseconds, Status

Numbers = npt.NDArray[np.float64] | npt.NDArray[np.int64] | npt.NDArray[np.uint64]
NUMERIC: Final = frozenset({Kind.INT, Kind.UINT, Kind.FLOAT32, Kind.FLOAT64})


class Side(StrEnum):
    """On which side of a limit is outside."""

    HIGH = "high"
    LOW = "low"


class Limit(NamedTuple):
    """One bound, at the width of the signal that is held against it."""

    id: str  # action-high, alert-low, ...
    side: Side
    value: float


class Excursion(NamedTuple):
    """Readings in a row that are outside one limit, over ``[start, end)``.

    ``end`` is the time of the next valid reading inside, the end of the span where there is none in
    it, and None where the last reading of the last span was still outside.
    """

    limit: str
    start: Nanoseconds
    end: Nanoseconds | None
    readings: int
    extreme: float | int
    extreme_time: Nanoseconds
    duration: Nanoseconds  # to the end of the span, where ``end`` is None


def limits_of(limits: Limits, kind: Kind) -> tuple[Limit, ...]:
    """Return the bounds that are set, outermost first."""
    named = (
        ("action-high", Side.HIGH, limits.action_high),
        ("action-low", Side.LOW, limits.action_low),
        ("alert-high", Side.HIGH, limits.alert_high),
        ("alert-low", Side.LOW, limits.alert_low),
    )
    return tuple(
        Limit(name, side, float(np.float32(value)) if kind is Kind.FLOAT32 else float(value))
        for name, side, value in named
        if value is not None
    )


class Valid(NamedTuple):
    """The readings of a series that have a number and are not BAD."""

    times: Integers
    values: Numbers


def valid_readings(series: Series, first: int, stop: int, once: Once | None = None) -> Valid:
    """Return the valid readings from row ``first`` to before row ``stop``, none of another kind."""
    if series.kind not in NUMERIC:
        return Valid(np.empty(0, dtype=np.int64), np.empty(0))
    times, valid = (once or Once()).of(
        _valid, series.times, series.present, series.statuses, first, stop
    )
    values = series.values[first:stop]
    return Valid(times, values if valid is None else values[valid])  # type: ignore[arg-type] # its kind is numeric


def _valid(
    times: Integers, present: Mask, statuses: Statuses, first: int, stop: int
) -> tuple[Integers, Mask | None]:
    """Return the times of the valid readings, and which these are; None: all of them."""
    own = times[first:stop]
    valid = present[first:stop] & (statuses[first:stop] != Status.BAD)
    return (own, None) if valid.all() else (own[valid], valid)


def excursions(
    binding: Binding, limits: tuple[Limit, ...], once: Once | None = None
) -> tuple[Excursion, ...]:
    """Return the excursions of a binding's readings, in order of limit and time.

    A BAD reading does not end an excursion: that the value had come back is not known.
    """
    held = [part for part in binding.slices if part.stop > part.first]
    valid = [valid_readings(binding.series, part.first, part.stop, once) for part in held]
    return tuple(
        found
        for limit in limits
        for part, own in zip(held, valid, strict=True)
        for found in _within(own, part, limit, once or Once(), last=part is held[-1])
    )


def _within(
    valid: Valid, part: Slice, limit: Limit, once: Once, *, last: bool
) -> Iterator[Excursion]:
    times, values = valid
    outside = beyond(values, limit)
    if not outside.any():
        return
    running = outside
    if once.of(_repeats, times):
        # Of two readings of one instant, the one inside does not end what the other began.
        running = outside | np.isin(times, times[outside])
    padded = np.concatenate(([False], running, [False]))
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        run = values[first:stop]
        worst = first + int(run.argmax() if limit.side is Side.HIGH else run.argmin())
        start, returned = int(times[first]), stop < len(times)
        end = int(times[stop]) if returned else part.span.end.time
        yield Excursion(
            limit=limit.id,
            start=start,
            end=end if returned or not last else None,
            readings=int(outside[first:stop].sum()),
            extreme=values[worst].item(),
            extreme_time=int(times[worst]),
            duration=end - start,
        )


def _repeats(times: Integers) -> bool:
    """Tell whether two readings in a row are of one instant."""
    return bool((times[1:] == times[:-1]).any())


def beyond(values: Numbers, limit: Limit) -> Mask:
    """Tell of each value whether it is outside ``limit``."""
    return values > limit.value if limit.side is Side.HIGH else values < limit.value
