"""Where a lot was, from all that is stored of it, now or as was known at a record time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from aggregator.model.binding.bind import take
from aggregator.model.binding.descent import Descent
from aggregator.model.binding.fact import FOREVER, Fact, FactId
from aggregator.model.binding.locate import Known, Plant, locate, touching
from aggregator.model.binding.occupancy import Conflict, Window
from aggregator.model.master.carrier import called
from aggregator.model.master.lot import LotKey
from aggregator.model.master.order import Job
from aggregator.model.series import Series
from aggregator.service.binding.carriers import associations_between, units_called
from aggregator.service.binding.sightings import identifying_series
from aggregator.service.binding.whereabouts import descents_of, lots_called, plant_at, whereabouts
from aggregator.service.context import Context
from aggregator.service.facts import fact_of
from aggregator.store.base import Transaction
from aggregator.store.chains.evidence import chains
from protocols.wire.dossier.series import Interval
from protocols.wire.reading import Kind, Nanoseconds, TagRead


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Where a lot was, and all that says so."""

    stretches: tuple[Interval, ...]  # of time, in which anything speaks of the lot
    windows: tuple[Window, ...]
    facts: Mapping[FactId, Fact]  # in force in the stretches, derived ones included
    given: tuple[Fact, ...]  # of them, those that are recorded
    conflicts: tuple[Conflict, ...]  # that touch the lot
    descents: tuple[Descent, ...]


async def begun(
    context: Context,
    tx: Transaction,
    key: LotKey,
    *,
    jobs: tuple[Job, ...] = (),
    as_of: Nanoseconds = FOREVER,
) -> tuple[Plant, Located, Nanoseconds]:
    """Return the plant as it was when a lot was begun, where the lot was by it, and when that was.

    Of a lot without a window, when anything first spoke of it; FOREVER where nothing does.
    """
    stretches = await whereabouts(tx, key, await descents_of(tx, key, as_of), as_of)
    at = stretches[0].start if stretches else FOREVER
    plant = await plant_at(tx, at)
    where = await located(context, tx, key, plant, jobs=jobs, as_of=as_of)
    first = min((window.start.time for window in where.windows), default=at)
    then = plant if first == at else await plant_at(tx, first)
    if then == plant:
        return plant, where, first
    return then, await located(context, tx, key, then, jobs=jobs, as_of=as_of), first


async def located(
    context: Context,
    tx: Transaction,
    key: LotKey,
    plant: Plant,
    *,
    jobs: tuple[Job, ...] = (),
    as_of: Nanoseconds = FOREVER,
) -> Located:
    """Return where a lot was; what lies between the stretches is not looked at."""
    descents = await descents_of(tx, key, as_of)
    stretches = await whereabouts(tx, key, descents, as_of)
    windows: list[Window] = []
    conflicts: list[Conflict] = []
    facts: dict[FactId, Fact] = {}
    given: dict[FactId, Fact] = {}
    for start, end in stretches:
        known = await known_between(context, tx, plant, Interval(start, end), as_of=as_of)
        known = replace(known, jobs=jobs, descents=descents)
        where = await asyncio.to_thread(locate, key, known)
        own = [window for window in where.windows if start <= window.start.time <= end]
        windows += own
        conflicts += touching(own, where.all.conflicts)
        facts |= where.facts
        given |= {fact.id: fact for fact in known.facts}
    return Located(
        stretches=tuple(stretches),
        windows=tuple(windows),
        facts=facts,
        given=tuple(given.values()),
        conflicts=tuple(dict.fromkeys(conflicts)),
        descents=descents,
    )


async def known_between(
    context: Context,
    tx: Transaction,
    plant: Plant,
    times: Interval,
    *,
    as_of: Nanoseconds = FOREVER,
    stay_max: Nanoseconds = FOREVER,
) -> Known:
    """Return all that says which lots were where over some time, and no more.

    Of a carrier's stay, no more than ``stay_max`` before it is looked at.
    """
    start, end = times
    series = await identifying_series(context, tx, times, stay_max=stay_max)
    rows = await tx.fetch("facts.between", start=start, stop=end, as_of=as_of)
    gateways = sorted({key.gateway for key in series})
    return Known(
        plant=replace(plant, lots=await lots_called(tx, series.values())),
        facts=(
            *(fact_of(row) for row in rows),
            *await associations_between(tx, Interval(start, end), as_of),
            *await units_called(tx, _carriers_read(series.values())),
        ),
        series={key: await come_by(tx, found, as_of) for key, found in series.items()},
        chains=tuple(
            [span for each in gateways for span in await chains(tx, each, start, bounded(end))]
        ),
    )


async def come_by(tx: Transaction, series: Series, as_of: Nanoseconds) -> Series:
    """Return the readings of a series that were stored by a record time."""
    if as_of >= FOREVER or not len(series):
        return series
    kept = np.ones(len(series), dtype=np.bool_)
    for index, epoch in enumerate(series.epoch_ids):
        own = series.epochs == index
        numbers = series.numbers[own]
        rows = await tx.fetch(
            "bundles.recorded_after",
            gateway=series.key.gateway,
            epoch=epoch,
            first=int(numbers.min()),
            last=int(numbers.max()),
            as_of=as_of,
        )
        late = np.array([row["number"] for row in rows], dtype=np.int64)
        kept[own] = ~np.isin(numbers, late)
    return take(series, np.flatnonzero(kept))


def _carriers_read(series: Iterable[Series]) -> set[str]:
    """Return what every tag that was read is called."""
    read = (each.values for each in series if each.kind is Kind.TAG_READ)
    epcs = {value.epc for values in read for value in values if isinstance(value, TagRead)}
    return {called(epc.hex()) for epc in epcs}


def bounded(end: Nanoseconds) -> Nanoseconds:
    """Return an end, or where it is open a time behind all data that can be added to."""
    return min(end, _BEHIND_ALL)


_BEHIND_ALL: Final = 2**62  # in the year 2116
