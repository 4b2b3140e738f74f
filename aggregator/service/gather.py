"""Gather what a lot's record is made of: master data, facts, readings, chains, seals.

Everything is read in one transaction, so a record speaks of one state of the store.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from aggregator.errors import NotFoundError
from aggregator.model.binding.locate import observing
from aggregator.model.completeness import ChainSpan
from aggregator.model.master.lot import Lot, LotKey
from aggregator.model.master.order import Job, WorkOrder
from aggregator.model.master.recipe import ParameterSpec, Sampling
from aggregator.model.record.assemble import Inputs
from aggregator.model.record.batch_record import (
    Earlier,
    SeriesReference,
    content_hash,
)
from aggregator.model.series import Series
from aggregator.service.binding.located import Located, bounded, located
from aggregator.service.binding.sightings import identifying_series
from aggregator.service.binding.whereabouts import plant_of
from aggregator.service.context import Context
from aggregator.service.hold_evidence import HeldChain, hold
from aggregator.service.master.documents import DOCUMENTS, EntityKind, Model, lot_key
from aggregator.service.master.master_data import PAGE_MAX
from aggregator.store.base import Transaction
from aggregator.store.evidence import chains
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


class Cited(NamedTuple):
    """Something of the master data, and the version of it that is current."""

    model: Model
    name: str
    version: int


async def gather(context: Context, tx: Transaction, key: LotKey) -> Gathered:
    """Return all that the record of a lot is made of; NotFoundError for a lot that is not known."""
    known = [each async for each in _cited(tx, key)]
    plant = await plant_of(tx)
    jobs = tuple(each.model for each in known if isinstance(each.model, Job))
    where = await located(context, tx, key, plant, jobs=jobs)
    inputs = Inputs(
        lot=_lot(known, key),
        plant=plant,
        order=next((each.model for each in known if isinstance(each.model, WorkOrder)), None),
        jobs=jobs,
        parameters=tuple(each.model for each in known if isinstance(each.model, ParameterSpec)),
        facts=where.given,
        descents=where.descents,
        master={each.name: each.version for each in known},
        earlier=await _earlier(tx, key),
    )
    if not where.windows:
        return Gathered(inputs=inputs, chains=(), series={})
    inputs = await _with_readings(context, tx, inputs, where)
    found = await hold(tx, inputs, context.workers)
    named = {
        parameter: (f"{at:03}", data) for at, (parameter, data) in enumerate(found.series.items())
    }
    references = {
        parameter: SeriesReference(name=name, sha256=content_hash(data))
        for parameter, (name, data) in named.items()
    }
    return Gathered(
        inputs=replace(inputs, seals=found.seals, references=references),
        chains=found.chains,
        series=dict(named.values()),
    )


async def _cited(tx: Transaction, key: LotKey) -> AsyncIterator[Cited]:
    """Yield the master data that speak of a lot: itself, its limits, order and jobs."""
    async for each in _entities(tx, EntityKind.LOT, lot_key(key), exactly=True):
        yield each
    async for each in _entities(tx, EntityKind.LIMIT, f"{key.gtin}/"):
        yield each
    async for each in _entities(tx, EntityKind.WORK_ORDER):
        if isinstance(each.model, WorkOrder) and key in each.model.lots:
            yield each
    async for each in _entities(tx, EntityKind.JOB):
        if isinstance(each.model, Job) and each.model.lot == key:
            yield each


async def _entities(
    tx: Transaction, kind: EntityKind, prefix: str = "", *, exactly: bool = False
) -> AsyncIterator[Cited]:
    if exactly:
        row = await tx.fetch_one("master.current", kind=kind.value, key=prefix)
        rows = [] if row is None else [row]
    else:
        rows = await tx.fetch("master.list", kind=kind.value, after=prefix, count=PAGE_MAX)
    while rows:
        for row in rows:
            if not row["key"].startswith(prefix):
                return
            document = DOCUMENTS[kind].model_validate(json.loads(row["document"]))
            yield Cited(document.model(), f"{kind.value} {row['key']}", row["version"])
        if len(rows) < PAGE_MAX:
            return
        rows = await tx.fetch("master.list", kind=kind.value, after=rows[-1]["key"], count=PAGE_MAX)


def _lot(known: Sequence[Cited], key: LotKey) -> Lot:
    for each in known:
        if isinstance(each.model, Lot):
            return each.model
    raise NotFoundError(f"there is no lot {key}", hint="put the lot first")


async def _earlier(tx: Transaction, key: LotKey) -> Earlier | None:
    row = await tx.fetch_one("records.first_complete", gtin=key.gtin, lot=key.lot)
    return (
        None if row is None else Earlier(content_hash=row["content_hash"], readings=row["readings"])
    )


async def _with_readings(
    context: Context, tx: Transaction, inputs: Inputs, where: Located
) -> Inputs:
    """Add the readings of every signal that observed the lot, and the chains that prove them."""
    start = min(window.start.time for window in where.windows)
    end = max(window.end.time for window in where.windows)
    signals = observing(inputs.plant, where.windows)
    since = max(start - _lookback(inputs), 0)
    first, last = where.stretches[0].start, max(where.stretches[-1].end, end)
    named = await identifying_series(context, tx, min(first, since), last)
    keys = sorted({spec.key for spec in signals} - named.keys())
    series = named | await context.index.window(tx, keys, since, bounded(end) + 1)
    held: list[ChainSpan] = []
    for gateway in sorted({spec.key.gateway for spec in signals}):
        first, last = _gateway_times(series.values(), gateway, start, end)
        held += await chains(tx, gateway, first, last)
    return replace(inputs, series=series, chains=tuple(held))


def _lookback(inputs: Inputs) -> Nanoseconds:
    contracts = [spec.sampling for spec in inputs.parameters]
    if any(each.sampling is Sampling.ON_CHANGE for each in contracts):
        return LOOKBACK
    return max((each.gap_max or 0 for each in contracts), default=0)


def _gateway_times(
    series: Iterable[Series], gateway: GatewayId, start: Nanoseconds, end: Nanoseconds
) -> tuple[Nanoseconds, Nanoseconds]:
    """Return the window in the gateway's time: wide enough for readings that came late or early."""
    first, last = start, bounded(end)
    for found in series:
        low, high = np.searchsorted(found.times, (start, end), side="left")
        if found.key.gateway == gateway and high > low:
            first = min(first, int(found.gateway_times[low:high].min()))
            last = max(last, int(found.gateway_times[low:high].max()) + 1)
    return first, last
