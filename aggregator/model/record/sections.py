"""Sections of a record: each run of an operation, and each phase within it, with its own figures.

An operation ran while its job's windows say so; a phase while a fact says so (kind ``phase``), cut
to the lot's windows at that place. A parameter that its specification gives to a phase is judged
over that phase; where nobody has said when the phase ran, over the whole of the lot's time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from aggregator.model.binding.bind import Binding, Span, bind, spans
from aggregator.model.binding.fact import Fact, FactKind
from aggregator.model.binding.occupancy import Bound, Window
from aggregator.model.figures import aggregate, figures
from aggregator.model.master.equipment import EquipmentPath, is_at
from aggregator.model.master.order import Job, JobId
from aggregator.model.master.recipe import ParameterName, ParameterSpec, PhaseName
from aggregator.model.record.batch_record import ParameterResult, Section, SectionFigures
from protocols.wire.reading import Nanoseconds


def windows_of(
    spec: ParameterSpec, windows: Sequence[Window], facts: Iterable[Fact]
) -> tuple[Window, ...]:
    """Return the part of a lot's windows that a parameter is judged over."""
    if spec.phase is None:
        return tuple(windows)
    cut = tuple(window for window, _ in _cut(windows, facts, spec.phase))
    return cut or tuple(windows)


def phases(windows: Sequence[Window], facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """Return the facts that say when the phases of a lot ran."""
    return tuple({fact.id: fact for _, fact in _cut(windows, facts, None)}.values())


def sections(
    windows: Sequence[Window],
    jobs: Iterable[Job],
    facts: Iterable[Fact],
    results: Sequence[ParameterResult],
    bindings: Mapping[ParameterName, Binding],
) -> tuple[Section, ...]:
    """Return a section for each run of an operation at a place, its phases behind it.

    In order of time. ``bindings`` hold the readings that each parameter is judged by.
    """
    said = [fact for fact in facts if fact.kind is FactKind.PHASE]
    named = {job.job: job for job in jobs}
    runs: dict[tuple[EquipmentPath, JobId | None], list[Window]] = {}
    for window in windows:
        if window.end.time > window.start.time:
            runs.setdefault((window.equipment, window.job), []).append(window)
    found: list[Section] = []
    for (equipment, job), own in sorted(runs.items(), key=lambda item: _start(item[1])):
        ran: dict[PhaseName | None, list[Window]] = {}
        for window, fact in _cut(own, said, None):
            ran.setdefault(PhaseName(fact.text), []).append(window)
        parts = [(None, own), *sorted(ran.items(), key=lambda item: _start(item[1]))]
        for phase, inside in parts:
            # What belongs to a phase that is known stands there, and not with the operation.
            here = [
                each
                for each in results
                if (each.spec.phase if each.spec.phase in ran else None) == phase
            ]
            found.append(
                Section(
                    job=None if job is None else named.get(job),
                    phase=phase,
                    equipment=equipment,
                    intervals=tuple(Span(window.start, window.end) for window in inside),
                    parameters=_figures(inside, here, bindings),
                )
            )
    return tuple(found)


def _start(windows: Sequence[Window]) -> Nanoseconds:
    return min(window.start.time for window in windows)


def _cut(
    windows: Sequence[Window], facts: Iterable[Fact], phase: PhaseName | None
) -> Iterator[tuple[Window, Fact]]:
    """Yield the parts of windows in which a phase ran (None: any), with the fact that says so."""
    said = sorted(
        (fact for fact in facts if fact.kind is FactKind.PHASE and phase in (None, fact.text)),
        key=lambda fact: (fact.start, fact.id),
    )
    for window in windows:
        for fact in said:
            elsewhere = fact.equipment != window.equipment
            if (
                elsewhere
                or fact.lot not in (None, window.lot)
                or fact.job not in (None, window.job)
            ):
                continue
            start = max(window.start, _bound(fact, fact.start), key=_time)
            end = min(window.end, _bound(fact, fact.until), key=_time)
            if start.time < end.time:
                yield replace(window, start=start, end=end), fact


def _bound(fact: Fact, time: Nanoseconds) -> Bound:
    return Bound(time, fact.uncertainty, fact.clock)


def _time(bound: Bound) -> Nanoseconds:
    return bound.time


def _figures(
    windows: Sequence[Window],
    results: Sequence[ParameterResult],
    bindings: Mapping[ParameterName, Binding],
) -> tuple[SectionFigures, ...]:
    """Return the figures of the parameters that were seen at the windows' place."""
    found = []
    for result in results:
        if not any(is_at(window.equipment, result.signal.equipment) for window in windows):
            continue
        own = _shared(spans(windows, result.signal, windows[0].lot), result.spans)
        if own:
            found.append(_part(own, result, bindings[result.spec.parameter]))
    return tuple(found)


def _part(own: tuple[Span, ...], result: ParameterResult, binding: Binding) -> SectionFigures:
    spec, signal = result.spec, result.signal
    if own == result.spans:
        return SectionFigures(
            parameter=spec.parameter, figures=result.figures, result=result.result
        )
    part = bind(binding.series, own, signal, 0)
    found = figures(part, spec.sampling, result.gaps)
    made = aggregate(part, found, spec, signal.role)
    return SectionFigures(parameter=spec.parameter, figures=found, result=made)


def _shared(one: Sequence[Span], other: Sequence[Span]) -> tuple[Span, ...]:
    """Return the time that both have."""
    return tuple(
        Span(start, end)
        for a in one
        for b in other
        if (start := max(a.start, b.start, key=_time)).time
        < (end := min(a.end, b.end, key=_time)).time
    )
