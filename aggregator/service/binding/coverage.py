"""Use case: of every signal, how many readings belong to a lot, to a context or to nothing.

A reading that belongs to no lot is counted and listed, never dropped (record rule 7).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from aggregator.access.roles import Act, Actor, require
from aggregator.errors import InvalidError
from aggregator.model.binding.bind import Span, Unbound, held, in_order, unbound
from aggregator.model.binding.locate import survey
from aggregator.model.binding.occupancy import Bound, Occupied, Standstill
from aggregator.model.master.equipment import SignalSpec, check_path, is_at
from aggregator.model.series import Series
from aggregator.service.binding.located import known_between
from aggregator.service.binding.sightings import refresh
from aggregator.service.binding.whereabouts import plant_at
from aggregator.service.context import Context
from protocols.wire.dossier.series import Interval
from protocols.wire.reading import Nanoseconds


class InContext(NamedTuple):
    """Readings of a changeover, a purge, a line clearance."""

    context: Standstill
    readings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Where the readings of a signal belong."""

    signal: SignalSpec
    readings: int
    bound: int  # to one lot or several
    contexts: tuple[InContext, ...]
    unbound: tuple[Unbound, ...]  # runs of readings that belong to nothing


async def coverage(
    context: Context,
    actor: Actor,
    start: Nanoseconds,
    end: Nanoseconds,
    *,
    place: str = "",
    signal: str = "",
) -> list[Coverage]:
    """Return where the readings in ``[start, end)`` belong, signal by signal.

    ``place`` and ``signal`` ask for the signals at or below a place, or of one name; "" for all.
    """
    require(actor, Act.READ_READINGS)
    if not 0 <= start < end:
        raise InvalidError("a time window starts before it ends", hint="times are nanoseconds")
    await refresh(context)
    async with context.store.read() as tx:
        known = await known_between(context, tx, await plant_at(tx, start), Interval(start, end))
        specs = [
            spec
            for spec in known.plant.signals
            if (not place or is_at(spec.equipment, check_path(place)))
            and (not signal or spec.key.signal == signal)
        ]
        series = await context.index.window(tx, [spec.key for spec in specs], start, end)
    scene = await asyncio.to_thread(survey, known)
    return [_coverage(spec, series.get(spec.key), scene.occupied, start, end) for spec in specs]


def _coverage(
    spec: SignalSpec,
    found: Series | None,
    occupied: Occupied,
    start: Nanoseconds,
    end: Nanoseconds,
) -> Coverage:
    if found is None:
        return Coverage(signal=spec, readings=0, bound=0, contexts=(), unbound=())
    ordered = in_order(found)
    lots = held(occupied.windows, spec)
    still = [each for each in occupied.standstills if is_at(spec.equipment, each.equipment)]
    free = unbound(ordered, lots, start, end)
    contexts = tuple(
        InContext(each, count)
        for each in still
        if (count := sum(_within(ordered, run, each) for run in free))
    )
    taken = [*lots, *(Span(Bound(each.start), Bound(each.end)) for each in still)]
    return Coverage(
        signal=spec,
        readings=len(ordered),
        bound=len(ordered) - sum(run.readings for run in free),
        contexts=contexts,
        unbound=unbound(ordered, taken, start, end),
    )


def _within(series: Series, run: Unbound, still: Standstill) -> int:
    """Return how many readings of a run are within a standstill."""
    low, high = max(run.start, still.start), min(run.end + 1, still.end)
    first, stop = np.searchsorted(series.times, (low, max(low, high)), side="left")
    return int(stop - first)
