"""Values that do not move: a sensor that is frozen shows good readings for ever (record rule 12).

A value stands still from the first reading that has it to the next valid one with another, or to
where it is not known any more: a gap, or the end of the span. How long that may last is said with
the parameter, for the value of one that is steady by nature may rightly never change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aggregator.model.binding.bind import Binding
from aggregator.model.excursion import valid_readings
from aggregator.model.gaps import Missing, merged
from aggregator.model.series import Integers
from protocols.wire.reading import Nanoseconds


class Stuck(NamedTuple):
    """A value that stood still over ``[start, end)``."""

    start: Nanoseconds
    end: Nanoseconds
    value: float | int
    readings: int


def stuck(
    binding: Binding, missing: Sequence[Missing], after: Nanoseconds | None
) -> tuple[Stuck, ...]:
    """Return where a number of the binding's spans stood still for longer than ``after``.

    ``missing`` are its gaps. Nothing where ``after`` is None, or the signal shows no numbers.
    """
    if after is None:
        return ()
    holes = np.array(merged((gap.start, gap.end) for gap in missing), dtype=np.int64).reshape(-1, 2)
    found: list[Stuck] = []
    for part in binding.slices:
        times, values = valid_readings(binding.series, part.first, part.stop)
        if not len(times):
            continue
        ends = _known_until(times, part.span.end.time, holes)
        moves = (values[1:] != values[:-1]) | (ends[:-1] < times[1:])
        firsts = np.concatenate(([0], np.flatnonzero(moves) + 1))
        lasts = np.append(firsts[1:] - 1, len(times) - 1)
        for at in np.flatnonzero(ends[lasts] - times[firsts] > after).tolist():
            first, last = int(firsts[at]), int(lasts[at])
            found.append(
                Stuck(int(times[first]), int(ends[last]), values[first].item(), last - first + 1)
            )
    return tuple(found)


def _known_until(times: Integers, end: Nanoseconds, holes: Integers) -> Integers:
    """Return until when each reading's value is known: the next reading, or a gap before it."""
    until = np.append(times[1:], end)
    if not len(holes):
        return until
    # The first gap that ends after the reading is the only one that can cut its value short.
    at = np.searchsorted(holes[:, 1], times, side="right")
    starts = np.append(holes[:, 0], end)[at]
    known: Integers = np.minimum(until, np.maximum(starts, times))
    return known
