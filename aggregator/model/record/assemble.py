"""Assemble a batch record: a pure function of evidence, facts, master data and rule.

No clock, no store: whoever has the same inputs gets the same bytes, in whatever order, however
often and in whatever bundles the readings came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from aggregator.model.binding.bind import Binding, Span, Unbound, bind, nothing, spans, unbound
from aggregator.model.binding.descent import Descent
from aggregator.model.binding.fact import FOREVER, Fact
from aggregator.model.binding.locate import (
    Known,
    Plant,
    Whereabouts,
    horizon,
    locate,
    observing,
    touching,
    uncertainty_of,
)
from aggregator.model.binding.occupancy import Bound, Window
from aggregator.model.binding.rule import Rule
from aggregator.model.clock_doubt import shown_twice
from aggregator.model.completeness import ChainSpan, Finding, check_completeness
from aggregator.model.figures import count_statuses
from aggregator.model.lab_result import ResultVersion
from aggregator.model.master.equipment import SignalSpec
from aggregator.model.master.lot import Lot, UnitId
from aggregator.model.master.order import Job, JobId, WorkOrder
from aggregator.model.master.recipe import Criticality, ParameterName, ParameterSpec
from aggregator.model.once import Once
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
from aggregator.model.record.checks import (
    evidence,
    instruments,
    laboratory,
    materials,
    people,
    place,
    values,
)
from aggregator.model.record.circumstances import Circumstances, Consumption, Step
from aggregator.model.record.entry import Entry, EntryId
from aggregator.model.record.exceptions import Ledger
from aggregator.model.record.parameters import Judged, judge
from aggregator.model.record.sections import phases, sections, windows_of
from aggregator.model.series import Series, SignalKey
from protocols.wire.dossier.series import Interval
from protocols.wire.reading import Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that a record is made of."""

    lot: Lot
    plant: Plant
    units: tuple[UnitId, ...] = ()  # of the lot, as is known now
    order: WorkOrder | None = None
    jobs: tuple[Job, ...] = ()
    parameters: tuple[ParameterSpec, ...] = ()
    facts: tuple[Fact, ...] = ()  # as recorded, superseded ones included
    series: Mapping[SignalKey, Series] = field(default_factory=dict)
    chains: tuple[ChainSpan, ...] = ()
    descents: tuple[Descent, ...] = ()  # what the lot came out of, however far back
    seals: SealResult = field(default_factory=lambda: SealResult(verified=0))
    references: Mapping[ParameterName, SeriesReference] = field(default_factory=dict)
    master: Mapping[str, int] = field(default_factory=dict)
    circumstances: Circumstances = field(default_factory=Circumstances)
    entries: tuple[Entry, ...] = ()  # typed by persons, superseded ones included
    test_results: tuple[ResultVersion, ...] = ()  # every version of each
    earlier: Earlier | None = None
    rule: Rule = field(default_factory=Rule)

    @property
    def known(self) -> Known:
        """What the lot is located by."""
        return Known(
            plant=self.plant,
            jobs=self.jobs,
            facts=self.facts,
            series=self.series,
            chains=self.chains,
            descents=self.descents,
            rule=self.rule,
        )


def bound(inputs: Inputs) -> dict[SignalSpec, Binding]:
    """Return the readings of a lot, signal by signal: those that its record counts."""
    where, once = locate(inputs.lot.key, inputs.known), Once()
    return {
        spec: _bind(spec, inputs, where.windows, once)
        for spec in observing(inputs.plant, where.windows)
    }


def assemble(inputs: Inputs, found: Found | None = None) -> BatchRecord:
    """Return the record of a lot; ``found``, if given, is what ``find`` made of these inputs."""
    found = found or find(inputs)
    where = found.where
    found = replace(found, parameters=_referred(found.parameters, inputs.references))
    ledger = _check(inputs, where, found)
    closed = where.end is not None and bool(where.windows)
    return BatchRecord(
        lot=inputs.lot,
        units=tuple(sorted(inputs.units)),
        order=inputs.order,
        jobs=tuple(_job(job, where.windows) for job in sorted(inputs.jobs, key=_job_order)),
        state=RecordState.COMPLETE if closed and not found.unproved else RecordState.OPEN,
        rule=inputs.rule,
        start=where.start,
        end=where.end,
        windows=where.windows,
        facts=_cited(where),
        descents=tuple(sorted(inputs.descents, key=lambda each: (each.until, each.edge))),
        parameters=found.parameters,
        sections=sections(
            where.windows, inputs.jobs, where.facts.values(), found.parameters, found.judged
        ),
        signals=found.counts,
        materials=found.consumed,
        steps=found.steps,
        entries=found.entries,
        test_results=tuple(sorted(inputs.test_results, key=_result_order)),
        recipe=inputs.circumstances.recipe,
        definition=inputs.circumstances.material,
        exceptions=ledger.in_order(),
        passed=ledger.passed,
        chains=tuple(
            ChainResult(
                span=span,
                findings=tuple(each for each in found.unproved if each.gateway == span.gateway),
            )
            for span in sorted(inputs.chains, key=lambda span: (span.gateway, span.sealed_from))
        ),
        unproved=found.unproved,
        seals=inputs.seals,
        master=_decided(inputs.master, found.parameters),
        earlier=found.earlier,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the record says of readings, materials and entries, before it is checked."""

    where: Whereabouts
    bindings: Mapping[SignalKey, Binding]  # of every signal that observed the lot, in order
    judged: Mapping[ParameterName, Binding]  # the readings that each parameter is judged by
    parameters: tuple[ParameterResult, ...]
    counts: tuple[SignalCount, ...]
    unproved: tuple[Finding, ...]
    steps: tuple[Step, ...]
    consumed: tuple[Consumption, ...]
    entries: tuple[Entry, ...]
    earlier: Earlier | None

    @property
    def readings(self) -> int:
        """Readings bound to the lot."""
        return sum(count.readings for count in self.counts)


def find(inputs: Inputs) -> Found:
    """Return all that takes long of a record, and needs neither its seals nor its references."""
    where, once = locate(inputs.lot.key, inputs.known), Once()
    signals = observing(inputs.plant, where.windows)
    bindings = {spec.key: _bind(spec, inputs, where.windows, once) for spec in signals}
    judged = _bound_parameters(inputs, where, bindings, once)
    by = Judged(chains=inputs.chains, circumstances=inputs.circumstances, once=once)
    counts = tuple(_count(bindings[spec.key], spec, where, once) for spec in signals)
    parameters = tuple(judge(spec, signal, binding, by) for spec, signal, binding in judged)
    master = _decided(inputs.master, parameters)
    return Found(
        where=where,
        bindings=bindings,
        judged={spec.parameter: binding for spec, _, binding in judged},
        parameters=parameters,
        counts=counts,
        unproved=_unproved(signals, inputs.chains, where),
        steps=inputs.circumstances.steps(inputs.lot.key),
        consumed=inputs.circumstances.consumed(inputs.lot.key),
        entries=tuple(sorted(inputs.entries, key=_entry_order)),
        earlier=_overtaken(inputs.earlier, sum(count.readings for count in counts), master),
    )


def _referred(
    parameters: Sequence[ParameterResult], references: Mapping[ParameterName, SeriesReference]
) -> tuple[ParameterResult, ...]:
    """Return the parameters, the critical ones with their series."""
    return tuple(
        replace(each, series=references.get(each.spec.parameter))
        if each.spec.criticality is Criticality.CRITICAL
        else each
        for each in parameters
    )


def _check(inputs: Inputs, where: Whereabouts, found: Found) -> Ledger:
    """Make every check there is."""
    ledger, lot, known = Ledger(), inputs.lot.key, inputs.circumstances
    place.windows(ledger, lot, where.windows, inputs.rule)
    place.facts(ledger, lot, where.windows, where.all.conflicts, where.facts.values())
    place.carriers(ledger, where.windows, where.unknown)
    place.doubted(ledger, where.windows, where.doubted)
    place.boundaries(ledger, where.windows, (*found.bindings.values(), *found.judged.values()))
    values.parameters(ledger, inputs.parameters, found.parameters, known.unit_changes)
    values.signals(ledger, found.counts, found.bindings)
    instruments.calibrations(ledger, found.parameters)
    evidence.chains(ledger, inputs.chains, found.unproved, where.start, where.end)
    evidence.keys(ledger, inputs.chains, known.revoked)
    evidence.seals(ledger, inputs.seals)
    master = _decided(inputs.master, found.parameters)
    evidence.late(ledger, found.earlier, found.readings, master)
    people.operators(ledger, where.windows, inputs.jobs, where.facts, known)
    people.entries(ledger, found.entries, inputs.parameters)
    materials.consumed(ledger, found.consumed)
    materials.balances(ledger, found.steps)
    laboratory.results(ledger, inputs.test_results)
    return ledger


def _bound_parameters(
    inputs: Inputs, where: Whereabouts, bindings: Mapping[SignalKey, Binding], once: Once
) -> list[tuple[ParameterSpec, SignalSpec, Binding]]:
    """Return each parameter whose signal observed the lot, with the readings it is judged by."""
    signals = {spec.key: spec for spec in inputs.plant.signals}
    facts, found = where.facts.values(), []
    for spec in sorted(inputs.parameters, key=lambda spec: spec.parameter):
        if spec.signal in bindings:
            binding, windows = bindings[spec.signal], windows_of(spec, where.windows, facts)
            if windows != where.windows:
                binding = _bind(signals[spec.signal], inputs, windows, once)
            found.append((spec, signals[spec.signal], binding))
    return found


def _bind(spec: SignalSpec, inputs: Inputs, windows: Sequence[Window], once: Once) -> Binding:
    through = horizon(inputs.chains, spec.key.gateway)
    series = inputs.series.get(spec.key, nothing(spec))
    for chain in inputs.chains:
        if chain.steps and chain.gateway == spec.key.gateway:
            series = shown_twice(series, chain.epoch, chain.steps)
    return bind(
        series,
        tuple(_until(span, through, spec) for span in spans(windows, spec, inputs.lot.key)),
        spec,
        uncertainty_of(inputs.chains, spec.key.gateway),
        once,
    )


def _until(span: Span, through: Nanoseconds, spec: SignalSpec) -> Span:
    """Cut a span that has not ended to what is proved so far; that is no bound to doubt."""
    if span.end.time != FOREVER:
        return span
    return Span(span.start, Bound(max(through, span.start.time), clock=spec.clock_id))


def _count(binding: Binding, spec: SignalSpec, where: Whereabouts, once: Once) -> SignalCount:
    good, uncertain, bad = count_statuses(binding, once)
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
            end = max(horizon(chains, gateway) - past, where.start)
        findings += check_completeness(chains, gateway, where.start, end)
    return tuple(findings)


def _overtaken(earlier: Earlier | None, readings: int, master: Mapping[str, int]) -> Earlier | None:
    """Return the earlier complete version if it had other readings, or was judged by others."""
    if earlier is None or (earlier.readings == readings and not earlier.changed(master)):
        return None
    return earlier


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


def _decided(master: Mapping[str, int], parameters: Sequence[ParameterResult]) -> Mapping[str, int]:
    """Leave out the calibrations that say nothing of the lot, such as good ones made later."""
    certificates = {each.certificate for found in parameters for each in found.instruments}
    named = {f"calibration {certificate}" for certificate in certificates}
    return {
        name: version
        for name, version in master.items()
        if not name.startswith("calibration ") or name in named
    }


def _entry_order(entry: Entry) -> tuple[Nanoseconds, Nanoseconds, EntryId]:
    return entry.time, entry.recorded or 0, entry.id


def _result_order(recorded: ResultVersion) -> tuple[str, int]:
    return recorded.result.result, recorded.version


def _cited(where: Whereabouts) -> tuple[Fact, ...]:
    """Return the facts that windows, phases and the conflicts over them rest on, in order."""
    cited = {fact for window in where.windows for fact in window.facts}
    cited |= {
        fact for conflict in touching(where.windows, where.all.conflicts) for fact in conflict.facts
    }
    cited |= {fact.id for fact in phases(where.windows, where.facts.values())}
    facts = (where.facts[key] for key in cited)
    return tuple(sorted(facts, key=lambda fact: (fact.start, fact.authority, fact.id)))
