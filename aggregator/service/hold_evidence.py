"""Hold the evidence of a lot's record: its bundles, their seals verified anew, and the series."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from aggregator.export.evidence import Source, inside, series_of
from aggregator.model.binding.bind import spans
from aggregator.model.binding.locate import locate, observing
from aggregator.model.completeness import ChainSpan
from aggregator.model.master.recipe import Criticality, ParameterName
from aggregator.model.record.assemble import Inputs
from aggregator.model.record.batch_record import RefusedSeal, SealResult
from aggregator.model.record.sections import windows_of
from aggregator.model.series import SignalKey
from aggregator.store.base import Transaction
from aggregator.store.evidence import StoredBundle, bundles
from aggregator.store.seals import Verification, verify_window
from aggregator.store.workers import Workers
from protocols.wire.dossier.series import Interval
from protocols.wire.header import GatewayId
from protocols.wire.seal import PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldChain:
    """A chain's span, and every stored bundle of it with one more on each side."""

    span: ChainSpan
    bundles: tuple[StoredBundle, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a record rests on."""

    chains: tuple[HeldChain, ...]
    seals: SealResult
    series: Mapping[ParameterName, bytes]  # of the critical parameters, in order of their names


class _Wanted(NamedTuple):
    """The series of a critical parameter: its signal, and when it is judged."""

    signal: SignalKey
    intervals: list[Interval]


async def hold(tx: Transaction, inputs: Inputs, workers: Workers) -> Evidence:
    """Read every bundle of the chains of ``inputs``, verify each seal, take the series out."""
    held = [await _bundles(tx, span) for span in inputs.chains]
    wanted = await asyncio.to_thread(_wanted, inputs)
    signals = sorted({each.signal for each in wanted.values()})
    verified = [await _verify(tx, chain, signals, workers) for chain in held]
    refused = [
        each for chain, found in zip(held, verified, strict=True) for each in _refused(chain, found)
    ]
    series = await asyncio.to_thread(_series, inputs, wanted, held, verified)
    return Evidence(
        chains=tuple(held),
        seals=SealResult(
            verified=sum(found.bundles for found in verified) - len(refused), refused=tuple(refused)
        ),
        series=series,
    )


async def keys_of(tx: Transaction, gateway: GatewayId) -> list[tuple[bytes, PublicKey]]:
    """Return every key that a gateway has or had, with its kid."""
    return [
        (row["kid"], PublicKey.from_text(row["public_key"]))
        for row in await tx.fetch("gateways.keys")
        if row["gateway"] == gateway
    ]


async def _bundles(tx: Transaction, span: ChainSpan) -> HeldChain:
    first = span.first if span.before is None else span.before
    last = span.last if span.after is None else span.after
    found = bundles(tx, span.gateway, span.epoch, first, last + 1)
    return HeldChain(span=span, bundles=tuple([each async for each in found]))


async def _verify(
    tx: Transaction, chain: HeldChain, wanted: Sequence[SignalKey], workers: Workers
) -> Verification:
    gateway = chain.span.gateway
    return await verify_window(
        [(each.number, each.data) for each in chain.bundles],
        dict(await keys_of(tx, gateway)),
        take=[key.signal for key in wanted if key.gateway == gateway],
        workers=workers,
    )


def _refused(chain: HeldChain, found: Verification) -> list[RefusedSeal]:
    """Return the bundles that do not verify, or whose columns are not what their headers say."""
    faults = {fault.number: fault.reason for fault in found.faults}
    faults |= {each.number: "columns" for each in chain.bundles if each.wrong}
    return [
        RefusedSeal(
            gateway=chain.span.gateway, epoch=chain.span.epoch, number=number, reason=reason
        )
        for number, reason in sorted(faults.items())
    ]


def _wanted(inputs: Inputs) -> dict[ParameterName, _Wanted]:
    """Return when each critical parameter is judged, in order of their names."""
    where = locate(inputs.lot.key, inputs.known)
    specs = {spec.key: spec for spec in observing(inputs.plant, where.windows)}
    found = {}
    for spec in sorted(inputs.parameters, key=lambda spec: spec.parameter):
        if spec.criticality is Criticality.CRITICAL and spec.signal in specs:
            windows = windows_of(spec, where.windows, where.facts.values())
            when = spans(windows, specs[spec.signal], inputs.lot.key)
            intervals = [Interval(span.start.time, span.end.time) for span in when]
            found[spec.parameter] = _Wanted(spec.signal, intervals)
    return found


def _series(
    inputs: Inputs,
    wanted: Mapping[ParameterName, _Wanted],
    held: Sequence[HeldChain],
    verified: Sequence[Verification],
) -> dict[ParameterName, bytes]:
    return {
        parameter: series_of(
            key.signal,
            intervals,
            [
                _source(inputs, key, intervals, chain, found)
                for chain, found in zip(held, verified, strict=True)
                if chain.span.gateway == key.gateway
            ],
        )
        for parameter, (key, intervals) in wanted.items()
    }


def _source(
    inputs: Inputs,
    key: SignalKey,
    intervals: Sequence[Interval],
    chain: HeldChain,
    found: Verification,
) -> Source:
    span = chain.span
    numbers = np.array([each.number for each in chain.bundles], np.int64)
    series = inputs.series.get(key)
    counts = np.zeros(len(numbers), np.int64)
    if series is not None:
        counts = inside(series, span.epoch, intervals, numbers)
    # A bracket gives nothing, and neither does a bundle whose columns are not its header's.
    counts[(numbers < span.first) | (numbers > span.last)] = 0
    counts[[each.wrong for each in chain.bundles]] = 0
    return Source(
        gateway=span.gateway,
        epoch=span.epoch,
        numbers=numbers,
        taken=found.taken[key.signal],
        inside=counts,
    )
