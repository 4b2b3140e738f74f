"""Hold the evidence of a lot's record: its bundles, their seals verified anew, and the series."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from aggregator.export.evidence import Source, inside, series_of
from aggregator.model.binding.bind import spans
from aggregator.model.binding.locate import locate, observing
from aggregator.model.completeness import ChainSpan
from aggregator.model.master.recipe import Criticality, ParameterName, ParameterSpec
from aggregator.model.once import Once
from aggregator.model.record.assemble import Inputs
from aggregator.model.record.batch_record import RefusedSeal, SealResult
from aggregator.model.record.sections import windows_of
from aggregator.model.series import Integers, Mask, SignalKey
from aggregator.store.base import Transaction
from aggregator.store.chains.evidence import StoredBundle, anchors, bundles
from aggregator.store.seals import Verification, verify_window
from aggregator.store.workers import Workers
from protocols.wire.dossier.series import Interval
from protocols.wire.header import Epoch, GatewayId
from protocols.wire.seal import PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldChain:
    """A chain's span, every stored bundle of it with one more on each side, and its anchors."""

    span: ChainSpan
    bundles: tuple[StoredBundle, ...]
    anchors: tuple[StoredBundle, ...]  # beyond those, what places the outermost of them


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


class Proving:
    """The bundles of chains, and what is coming of verifying them."""

    def __init__(self, take: frozenset[SignalKey], workers: Workers) -> None:
        """Take the columns of the signals ``take`` out of what verifies."""
        self._take = take
        self._workers = workers
        self._begun: dict[_Stretch, _Begun] = {}

    async def begin(self, tx: Transaction, span: ChainSpan) -> _Begun:
        """Read the bundles of a span and begin to verify them, if that was not begun before."""
        stretch = _Stretch.of(span)
        if stretch not in self._begun:
            found = bundles(tx, span.gateway, span.epoch, stretch.first, stretch.last + 1)
            stored = tuple([each async for each in found])
            verifying = verify_window(
                [(each.number, each.data) for each in stored],
                dict(await keys_of(tx, span.gateway)),
                take=sorted(key.signal for key in self._take if key.gateway == span.gateway),
                workers=self._workers,
            )
            self._begun[stretch] = _Begun(stored, asyncio.create_task(verifying))
        return self._begun[stretch]

    async def end(self) -> None:
        """Give up what nobody waits for any more."""
        tasks = [begun.verifying for begun in self._begun.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Begun(NamedTuple):
    bundles: tuple[StoredBundle, ...]
    verifying: asyncio.Task[Verification]


class _Stretch(NamedTuple):
    """The bundles of a chain that are held: those of a span, and one more on each side."""

    gateway: GatewayId
    epoch: Epoch
    first: int
    last: int

    @classmethod
    def of(cls, span: ChainSpan) -> _Stretch:
        first = span.first if span.before is None else span.before
        return cls(span.gateway, span.epoch, first, span.last if span.after is None else span.after)


@asynccontextmanager
async def proving(
    tx: Transaction,
    spans: Iterable[ChainSpan],
    parameters: Iterable[ParameterSpec],
    workers: Workers,
) -> AsyncIterator[Proving]:
    """Begin to verify the bundles of ``spans``, and go on while the block does other things.

    The spans are a guess: ``hold`` verifies what they lack.
    """
    critical = (spec for spec in parameters if spec.criticality is Criticality.CRITICAL)
    begun = Proving(frozenset(spec.signal for spec in critical), workers)
    try:
        for span in spans:
            await begun.begin(tx, span)
        yield begun
    finally:
        await begun.end()


async def hold(tx: Transaction, inputs: Inputs, begun: Proving) -> Evidence:
    """Return every bundle of the chains of ``inputs``, each seal verified, and the series."""
    started = [await begun.begin(tx, span) for span in inputs.chains]
    held = [
        HeldChain(span=span, bundles=each.bundles, anchors=await anchors(tx, span))
        for span, each in zip(inputs.chains, started, strict=True)
    ]
    verified = [await each.verifying for each in started]
    refused = [
        each for chain, found in zip(held, verified, strict=True) for each in _refused(chain, found)
    ]
    wanted = await asyncio.to_thread(_wanted, inputs)
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
    once, chains = Once(), [*map(_chain, held, verified)]
    return {
        parameter: series_of(
            each.signal.signal,
            each.intervals,
            [
                _source(inputs, each, chain, once)
                for chain in chains
                if chain.span.gateway == each.signal.gateway
            ],
        )
        for parameter, each in wanted.items()
    }


class _Chain(NamedTuple):
    """A chain, its bundles' numbers, and which of these give readings."""

    span: ChainSpan
    numbers: Integers
    giving: Mask
    found: Verification


def _chain(chain: HeldChain, found: Verification) -> _Chain:
    span = chain.span
    numbers = np.array([each.number for each in chain.bundles], np.int64)
    wrong = np.array([each.wrong for each in chain.bundles], np.bool_)
    # A bracket gives nothing, and neither does a bundle whose columns are not its header's.
    return _Chain(span, numbers, (span.first <= numbers) & (numbers <= span.last) & ~wrong, found)


def _source(inputs: Inputs, wanted: _Wanted, chain: _Chain, once: Once) -> Source:
    span, key = chain.span, wanted.signal
    series = inputs.series.get(key)
    counts = np.zeros(len(chain.numbers), np.int64)
    if series is not None:
        counts = inside(series, span.epoch, wanted.intervals, chain.numbers, once)
    return Source(
        gateway=span.gateway,
        epoch=span.epoch,
        numbers=chain.numbers,
        taken=chain.found.taken[key.signal],
        inside=counts * chain.giving,
        placements={each.stamp.number: each for each in span.placements},
    )
