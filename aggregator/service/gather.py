"""Gather what a lot's record is made of: master data, facts, readings, chains, seals.

Everything is read in one transaction, so a record speaks of one state of the store.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from aggregator.model.binding.locate import observing
from aggregator.model.completeness import ChainSpan
from aggregator.model.master.lot import LotKey
from aggregator.model.master.recipe import Sampling
from aggregator.model.placing import Moves
from aggregator.model.record.assemble import Found, Inputs, find
from aggregator.model.record.batch_record import (
    Earlier,
    SeriesReference,
    content_hash,
)
from aggregator.model.series import Integers, Series
from aggregator.service.binding.located import Located, begun, bounded
from aggregator.service.binding.sightings import identifying_series
from aggregator.service.binding.whereabouts import lots_called
from aggregator.service.context import Context
from aggregator.service.hold_evidence import HeldChain, hold, proving
from aggregator.service.integration.results import versions_of
from aggregator.service.record.circumstances import circumstances_of
from aggregator.service.record.entries import entries_of
from aggregator.service.record.master import limits_at, ordered, places_at
from aggregator.store.base import Transaction
from aggregator.store.chains.clocks import epochs_in_doubt, placed_between, reach_of
from aggregator.store.chains.evidence import chains, clock_told
from protocols.wire.dossier.series import Interval
from protocols.wire.header import GatewayId
from protocols.wire.reading import SECOND, Nanoseconds

LOOKBACK: Final = 86_400 * SECOND
"""How far back before a window the last value of a signal that is sent on change is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The inputs of a lot's record, and the evidence that goes with it into a dossier."""

    inputs: Inputs
    chains: tuple[HeldChain, ...]
    series: dict[str, bytes]  # by name, as the record refers to them
    found: Found | None = None  # in the inputs


async def gather(context: Context, tx: Transaction, key: LotKey) -> Gathered:
    """Return all that the record of a lot is made of; NotFoundError for a lot that is not known.

    Master data are those in force when the lot was begun; of a lot that nothing speaks of, the
    newest.
    """
    about = await ordered(tx, key)
    plant, where, at = await begun(context, tx, key, jobs=about.jobs)
    cited = dict(about.cited)
    inputs = Inputs(
        lot=about.lot,
        units=about.units,
        plant=plant,
        order=about.order,
        jobs=about.jobs,
        parameters=await limits_at(tx, key, at, cited),
        facts=where.given,
        descents=where.descents,
        entries=tuple(await entries_of(tx, key)),
        test_results=tuple(await versions_of(tx, key)),
        master=cited,
        earlier=await _earlier(tx, key),
    )
    if not where.windows:
        return Gathered(inputs=inputs, chains=(), series={})
    guess = await _spans(tx, inputs, where)
    async with proving(tx, guess, inputs.parameters, context.workers) as started:
        inputs = await _with_readings(context, tx, inputs, where, guess)
        inputs = await _with_circumstances(tx, inputs, where)
        found = await asyncio.to_thread(find, inputs)  # while the seals are being verified
        held = await hold(tx, inputs, started)
    named = {
        parameter: (f"{at:03}", data) for at, (parameter, data) in enumerate(held.series.items())
    }
    references = {
        parameter: SeriesReference(name=name, sha256=content_hash(data))
        for parameter, (name, data) in named.items()
    }
    return Gathered(
        inputs=replace(inputs, seals=held.seals, references=references),
        chains=held.chains,
        series=dict(named.values()),
        found=found,
    )


async def _with_circumstances(tx: Transaction, inputs: Inputs, where: Located) -> Inputs:
    """Add what the making rested on besides readings, and the versions of all that decided."""
    start = min(window.start.time for window in where.windows)
    end = max(window.end.time for window in where.windows)
    signals, cited = observing(inputs.plant, where.windows), dict(inputs.master)
    await places_at(tx, where.windows, signals, start, cited)
    found = await circumstances_of(
        tx,
        inputs.lot.key,
        start,
        max(end, start + 1),
        signals=signals,
        chains=inputs.chains,
        facts=where.given,
        entries=inputs.entries,
    )
    return replace(inputs, circumstances=found.circumstances, master=cited | found.cited)


async def _earlier(tx: Transaction, key: LotKey) -> Earlier | None:
    row = await tx.fetch_one("records.first_complete", gtin=key.gtin, lot=key.lot)
    if row is None:
        return None
    master = json.loads(bytes(row["bytes"]))["master"]
    return Earlier(content_hash=row["content_hash"], readings=row["readings"], master=master)


async def _spans(tx: Transaction, inputs: Inputs, where: Located) -> list[ChainSpan]:
    """Return the chains that prove the readings, if the gateways stamped them without delay."""
    start = min(window.start.time for window in where.windows)
    end = max(window.end.time for window in where.windows)
    gateways = {spec.key.gateway for spec in observing(inputs.plant, where.windows)}
    return [
        span
        for gateway in sorted(gateways)
        for span in await chains(tx, gateway, start, bounded(end))
    ]


async def _with_readings(
    context: Context,
    tx: Transaction,
    inputs: Inputs,
    where: Located,
    guess: Sequence[ChainSpan],
) -> Inputs:
    """Add the readings of every signal that observed the lot, and the chains that prove them.

    Readings that were placed may be of the lot if they are as near to it as they are uncertain.
    """
    start = min(window.start.time for window in where.windows)
    end = max(window.end.time for window in where.windows)
    signals = observing(inputs.plant, where.windows)
    since = max(start - _lookback(inputs), 0)
    first, last = where.stretches[0].start, max(where.stretches[-1].end, end)
    named = await identifying_series(context, tx, Interval(min(first, since), last))
    keys = sorted({spec.key for spec in signals} - named.keys())
    reach = max(map(reach_of, guess), default=0)
    series = named | await context.index.window(
        tx, keys, max(since - reach, 0), bounded(end) + 1 + reach
    )
    held: list[ChainSpan] = []
    for gateway in sorted({spec.key.gateway for spec in signals}):
        first, last = await _gateway_times(tx, series.values(), gateway, start, end)
        held += [await clock_told(tx, span) for span in await chains(tx, gateway, first, last)]
    plant = replace(inputs.plant, lots=await lots_called(tx, named.values()))
    return replace(inputs, plant=plant, series=series, chains=tuple(held))


def _lookback(inputs: Inputs) -> Nanoseconds:
    contracts = [spec.sampling for spec in inputs.parameters]
    if any(each.sampling is Sampling.ON_CHANGE for each in contracts):
        return LOOKBACK
    return max((each.gap_max or 0 for each in contracts), default=0)


async def _gateway_times(
    tx: Transaction,
    series: Iterable[Series],
    gateway: GatewayId,
    start: Nanoseconds,
    end: Nanoseconds,
) -> tuple[Nanoseconds, Nanoseconds]:
    """Return the window in the gateway's time: wide enough for readings that came late or early."""
    first, last = start, bounded(end)
    in_doubt = await epochs_in_doubt(tx, gateway)
    # Signals that are read together have their arrays in common: one of them speaks for all.
    apart = {
        (found.epoch_ids, *map(id, (found.gateway_times, found.times, found.numbers))): found
        for found in series
        if found.key.gateway == gateway
    }
    for found in apart.values():
        low, high = np.searchsorted(found.times, (start, end), side="left")
        if high > low:
            times = found.gateway_times[low:high]
            for epoch_id in in_doubt.keys() & set(found.epoch_ids):
                own = found.epochs[low:high] == found.epoch_ids.index(epoch_id)
                times = await _placed(tx, in_doubt[epoch_id], times, found.numbers[low:high], own)
            first, last = min(first, int(times.min())), max(last, int(times.max()) + 1)
    return first, last


async def _placed(
    tx: Transaction,
    epoch_id: int,
    times: Integers,
    numbers: Integers,
    own: npt.NDArray[np.bool_],
) -> Integers:
    """Return gateway times, placed where the bundles of an epoch were in doubt."""
    if not own.any():
        return times
    first, last = int(numbers[own].min()), int(numbers[own].max())
    placements = await placed_between(tx, epoch_id, first, last)
    if placements:
        times = times.copy()
        times[own] = Moves.of(placements).times(times[own], times[own], numbers[own])
    return times
