"""Assemble a batch record: a pure function of evidence, facts, master data and rule.

No clock, no store: whoever has the same inputs gets the same bytes, in whatever order, however
often and in whatever bundles the readings came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from aggregator.model.binding.bind import (
    Binding,
    Span,
    Unbound,
    bind,
    in_order,
    nothing,
    spans,
    unbound,
)
from aggregator.model.binding.fact import FOREVER, Fact, FactId, in_force
from aggregator.model.binding.occupancy import Bound, Occupied, Window, occupied
from aggregator.model.binding.presence import (
    Dwell,
    carrier_occupancy,
    dwells,
    lot_changes,
    resolver,
)
from aggregator.model.completeness import ChainSpan, Finding, check_completeness, proven
from aggregator.model.excursion import excursions, limits_of
from aggregator.model.figures import figures, increase
from aggregator.model.gaps import gaps
from aggregator.model.master.equipment import Equipment, SignalRole, SignalSpec, is_at
from aggregator.model.master.lot import Lot, LotKey
from aggregator.model.master.order import Job, JobId, WorkOrder
from aggregator.model.master.recipe import Criticality, ParameterName, ParameterSpec
from aggregator.model.record.batch_record import (
    BatchRecord,
    ChainResult,
    Earlier,
    JobResult,
    ParameterResult,
    RecordState,
    SealResult,
    SeriesReference,
    SignalCount,
)
from aggregator.model.record.checks import evidence, place, values
from aggregator.model.record.exceptions import Ledger
from aggregator.model.record.rule import Rule
from aggregator.model.series import Series, SignalKey
from protocols.wire.dossier.series import Interval
from protocols.wire.header import GatewayId
from protocols.wire.reading import Nanoseconds, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """What is there and how it is arranged, as the master data say."""

    equipment: tuple[Equipment, ...]
    signals: tuple[SignalSpec, ...]
    lots: tuple[LotKey, ...]  # every lot that a controller's lot id may mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that a record is made of."""

    lot: Lot
    plant: Plant
    order: WorkOrder | None = None
    jobs: tuple[Job, ...] = ()
    parameters: tuple[ParameterSpec, ...] = ()
    facts: tuple[Fact, ...] = ()  # as recorded, superseded ones included
    series: Mapping[SignalKey, Series] = field(default_factory=dict)
    chains: tuple[ChainSpan, ...] = ()
    seals: SealResult = field(default_factory=lambda: SealResult(verified=0))
    references: Mapping[ParameterName, SeriesReference] = field(default_factory=dict)
    master: Mapping[str, int] = field(default_factory=dict)
    earlier: Earlier | None = None
    rule: Rule = field(default_factory=Rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where the lot was, by all facts."""

    windows: tuple[Window, ...]  # of the lot
    all: Occupied  # of every lot in sight
    facts: Mapping[FactId, Fact]  # in force, derived ones included
    unknown: tuple[tuple[SignalSpec, Dwell], ...]  # carriers that hold no lot

    @property
    def start(self) -> Nanoseconds | None:
        """When the first window began."""
        return min((window.start.time for window in self.windows), default=None)

    @property
    def end(self) -> Nanoseconds | None:
        """When the last window ended; None where there is none, or one is open."""
        end = max((window.end.time for window in self.windows), default=FOREVER)
        return None if end == FOREVER else end


def locate(inputs: Inputs) -> Whereabouts:
    """Return where the lot was: by given facts, and by those that the readings give.

    Of the series, only those of lot ids and tag reads are looked at.
    """
    chains, plant = inputs.chains, inputs.plant
    known = list(in_force(inputs.facts))
    resolve = resolver(plant.lots, known)
    unknown: list[tuple[SignalSpec, Dwell]] = []
    for spec in sorted(plant.signals, key=lambda spec: spec.key):
        found = inputs.series.get(spec.key)
        if found is None or spec.role not in (SignalRole.LOT_ID, SignalRole.TAG_READS):
            continue
        found = in_order(found)
        doubt = uncertainty_of(chains, spec.key.gateway)
        if spec.role is SignalRole.LOT_ID:
            known += lot_changes(found, spec, resolve, doubt)
        else:
            seen = dwells(found, inputs.rule.presence, _horizon(chains, spec.key.gateway))
            derived, strange = carrier_occupancy(seen, spec, known, doubt)
            known += derived
            unknown += [(spec, dwell) for dwell in strange]
    modes = {each.path: each.occupancy for each in plant.equipment}
    everything = occupied(known, modes, edge_tolerance=inputs.rule.edge_tolerance)
    own = tuple(
        _with_job(window, inputs.jobs)
        for window in everything.windows
        if window.lot == inputs.lot.key
    )
    return Whereabouts(
        windows=own,
        all=everything,
        facts={fact.id: fact for fact in known},
        unknown=tuple(unknown),
    )


def observing(plant: Plant, windows: Sequence[Window]) -> tuple[SignalSpec, ...]:
    """Return the signals that observe the windows' equipment, from it or from above, in order."""
    return tuple(
        spec
        for spec in sorted(plant.signals, key=lambda spec: spec.key)
        if any(is_at(window.equipment, spec.equipment) for window in windows)
    )


def uncertainty_of(chains: Sequence[ChainSpan], gateway: GatewayId) -> Nanoseconds:
    """Return the greatest uncertainty of a gateway's clock over the chains; 0 where none is."""
    return max((span.uncertainty for span in chains if span.gateway == gateway), default=0)


def bound(inputs: Inputs) -> dict[SignalSpec, Binding]:
    """Return the readings of a lot, signal by signal: those that its record counts."""
    where = locate(inputs)
    return {spec: _bind(spec, inputs, where) for spec in observing(inputs.plant, where.windows)}


def assemble(inputs: Inputs) -> BatchRecord:
    """Return the record of a lot."""
    where = locate(inputs)
    signals = observing(inputs.plant, where.windows)
    bindings = {spec.key: _bind(spec, inputs, where) for spec in signals}
    specs = {spec.key: spec for spec in signals}
    parameters = tuple(
        _parameter(spec, specs[spec.signal], bindings[spec.signal], inputs)
        for spec in sorted(inputs.parameters, key=lambda spec: spec.parameter)
        if spec.signal in bindings
    )
    counts = tuple(_count(bindings[spec.key], spec, where) for spec in signals)
    unproved = _unproved(signals, inputs.chains, where)
    ledger = Ledger()
    place.windows(ledger, inputs.lot.key, where.windows, inputs.rule)
    place.facts(ledger, inputs.lot.key, where.windows, where.all.conflicts, where.facts.values())
    place.carriers(ledger, where.windows, where.unknown)
    values.parameters(ledger, inputs.parameters, parameters)
    values.signals(ledger, counts, bindings)
    place.boundaries(ledger, where.windows, (bindings[spec.key] for spec in signals))
    evidence.chains(ledger, inputs.chains, unproved, where.start, where.end)
    evidence.seals(ledger, inputs.seals)
    earlier = _overtaken(inputs.earlier, sum(count.readings for count in counts))
    evidence.late(ledger, earlier, sum(count.readings for count in counts))
    closed = where.end is not None and bool(where.windows)
    return BatchRecord(
        lot=inputs.lot,
        order=inputs.order,
        jobs=tuple(_job(job, where.windows) for job in sorted(inputs.jobs, key=_job_order)),
        state=RecordState.COMPLETE if closed and not unproved else RecordState.OPEN,
        rule=inputs.rule,
        start=where.start,
        end=where.end,
        windows=where.windows,
        facts=_cited(where),
        parameters=parameters,
        signals=counts,
        exceptions=ledger.in_order(),
        passed=ledger.passed,
        chains=tuple(
            ChainResult(
                span=span, findings=tuple(each for each in unproved if each.gateway == span.gateway)
            )
            for span in sorted(inputs.chains, key=lambda span: (span.gateway, span.sealed_from))
        ),
        unproved=unproved,
        seals=inputs.seals,
        master=inputs.master,
        earlier=earlier,
    )


def _with_job(window: Window, jobs: Sequence[Job]) -> Window:
    """Name the window's job where no fact did and only one can be meant."""
    fitting = [
        job for job in jobs if job.lot == window.lot and is_at(window.equipment, job.equipment)
    ]
    return window if window.job or len(fitting) != 1 else replace(window, job=fitting[0].job)


def _bind(spec: SignalSpec, inputs: Inputs, where: Whereabouts) -> Binding:
    through = _horizon(inputs.chains, spec.key.gateway)
    return bind(
        inputs.series.get(spec.key, nothing(spec)),
        tuple(_until(span, through, spec) for span in spans(where.windows, spec, inputs.lot.key)),
        spec,
        uncertainty_of(inputs.chains, spec.key.gateway),
    )


def _until(span: Span, through: Nanoseconds, spec: SignalSpec) -> Span:
    """Cut a span that has not ended to what is proved so far; that is no bound to doubt."""
    if span.end.time != FOREVER:
        return span
    return Span(span.start, Bound(max(through, span.start.time), clock=spec.clock_id))


def _horizon(chains: Sequence[ChainSpan], gateway: GatewayId) -> Nanoseconds:
    return max((span.sealed_through for span in chains if span.gateway == gateway), default=0)


def _parameter(
    spec: ParameterSpec, signal: SignalSpec, binding: Binding, inputs: Inputs
) -> ParameterResult:
    limits = limits_of(spec.limits, binding.series.kind)
    declared = [
        gap for span in inputs.chains if span.gateway == spec.signal.gateway for gap in span.gaps
    ]
    missing = gaps(binding, spec.sampling, proven(inputs.chains, spec.signal.gateway), declared)
    critical = spec.criticality is Criticality.CRITICAL
    return ParameterResult(
        spec=spec,
        signal=signal,
        spans=tuple(part.span for part in binding.slices),
        limits=limits,
        figures=figures(binding, spec.sampling, missing),
        increase=increase(binding)[0] if signal.role is SignalRole.COUNTER else None,
        excursions=excursions(binding, limits),
        gaps=missing,
        boundary=sum(len(part.head) + len(part.tail) for part in binding.slices),
        series=inputs.references.get(spec.parameter) if critical else None,
    )


def _count(binding: Binding, spec: SignalSpec, where: Whereabouts) -> SignalCount:
    statuses = np.zeros(len(Status), dtype=np.int64)
    for part in binding.slices:
        rows = binding.series.statuses[part.first : part.stop]
        statuses += np.bincount(rows, minlength=len(Status))
    good, uncertain, bad = statuses.tolist()
    return SignalCount(
        signal=spec,
        readings=binding.readings,
        good=good,
        uncertain=uncertain,
        bad=bad,
        unbound=_between(binding, spec, where),
    )


def _between(binding: Binding, spec: SignalSpec, where: Whereabouts) -> tuple[Unbound, ...]:
    """Return the readings between the lot's spans that no lot at all has."""
    if len(binding.slices) < 2:
        return ()
    lots = {window.lot for window in where.all.windows}
    taken = [span for lot in sorted(lots) for span in spans(where.all.windows, spec, lot)]
    first, last = binding.slices[0].span, binding.slices[-1].span
    return unbound(binding.series, taken, first.start.time, last.end.time)


def _unproved(
    signals: Sequence[SignalSpec], chains: Sequence[ChainSpan], where: Whereabouts
) -> tuple[Finding, ...]:
    if where.start is None:
        return ()
    findings: list[Finding] = []
    for gateway in sorted({spec.key.gateway for spec in signals}):
        end = where.end
        if end is None:
            past = uncertainty_of(chains, gateway) + 1
            end = max(_horizon(chains, gateway) - past, where.start)
        findings += check_completeness(chains, gateway, where.start, end)
    return tuple(findings)


def _overtaken(earlier: Earlier | None, readings: int) -> Earlier | None:
    """Return the earlier complete version if it had other readings: else it is this one."""
    return None if earlier is None or earlier.readings == readings else earlier


def _job(job: Job, windows: Sequence[Window]) -> JobResult:
    return JobResult(
        job=job,
        intervals=tuple(
            Interval(window.start.time, window.end.time)
            for window in windows
            if window.job == job.job
        ),
    )


def _job_order(job: Job) -> tuple[str, int, JobId]:
    return (job.operation, job.run, job.job)


def _cited(where: Whereabouts) -> tuple[Fact, ...]:
    """Return the facts that the lot's windows and the conflicts over them rest on, in order."""
    cited = {fact for window in where.windows for fact in window.facts}
    cited |= {
        fact
        for conflict in place.touching(where.windows, where.all.conflicts)
        for fact in conflict.facts
    }
    facts = (where.facts[key] for key in cited)
    return tuple(sorted(facts, key=lambda fact: (fact.start, fact.authority, fact.id)))
