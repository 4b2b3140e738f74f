"""Checks of who did what: operators by their qualifications, typed values by a second person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from aggregator.model.binding.fact import Authority, Fact, FactId
from aggregator.model.binding.occupancy import Window
from aggregator.model.excursion import Side, limits_of
from aggregator.model.master.order import Job, JobId
from aggregator.model.master.person import PersonId, qualified
from aggregator.model.master.recipe import Operation, OperationName, ParameterSpec, Personnel
from aggregator.model.record.circumstances import Circumstances
from aggregator.model.record.entry import Entry, in_force
from aggregator.model.record.exceptions import ExceptionItem as Item
from aggregator.model.record.exceptions import ExceptionKind as Kind
from aggregator.model.record.exceptions import Ledger
from protocols.ucum import conversion
from protocols.wire.reading import Kind as ValueKind


def operators(
    ledger: Ledger,
    own: Sequence[Window],
    jobs: Iterable[Job],
    facts: Mapping[FactId, Fact],
    known: Circumstances,
) -> None:
    """Check that whoever did an operation was qualified for it, at that place and time.

    Who did it is said by the operators' facts that a window rests on. Where the recipe asks for
    qualified persons and nobody is known to have done it, that is told as well.
    """
    named = {job.job: job for job in jobs}
    operations = {} if known.recipe is None else {op.name: op for op in known.recipe.operations()}
    for window in own:
        operation = _operation(window.job, named, operations)
        if operation is None or operation.personnel is Personnel.ANYBODY:
            continue
        said = [facts[each] for each in window.facts if facts[each].authority is Authority.OPERATOR]
        ledger.judge(
            Kind.QUALIFICATION,
            [
                *(
                    _unqualified(window, operation.name, fact.source)
                    for fact in said
                    if not qualified(
                        known.qualifications,
                        PersonId(fact.source),
                        operation.name,
                        window.equipment,
                        fact.start,
                    )
                ),
                *([] if said else [_unqualified(window, operation.name, "")]),
            ],
        )


def entries(ledger: Ledger, typed: Sequence[Entry], specs: Sequence[ParameterSpec]) -> None:
    """Check each typed value in force: vouched for by another person, in its unit and limits."""
    limits = {spec.parameter: spec for spec in specs}
    for entry in in_force(typed):
        details = {"entry": entry.id, "typed": entry.value or "", "unit": entry.unit}
        unchecked = Item(
            kind=Kind.ENTRY,
            subject=entry.parameter,
            start=entry.time,
            details={**details, "by": entry.by},
        )
        vouched = entry.check is not None and entry.check.by != entry.by
        ledger.judge(Kind.ENTRY, [] if vouched else [unchecked])
        spec, number = limits.get(entry.parameter), entry.number
        if spec is not None and number is not None:
            _judge(ledger, entry, spec, number)


def _judge(ledger: Ledger, entry: Entry, spec: ParameterSpec, number: float) -> None:
    convert = conversion(entry.unit, spec.unit)
    differs = Item(
        kind=Kind.UNIT_MISMATCH,
        subject=entry.parameter,
        start=entry.time,
        details={"limits": spec.unit, "signal": entry.unit},
    )
    ledger.judge(Kind.UNIT_MISMATCH, [differs] if convert is None else [])
    if convert is None:
        return
    value = convert(number)
    for limit in limits_of(spec.limits, ValueKind.FLOAT64):
        outside = value > limit.value if limit.side is Side.HIGH else value < limit.value
        beyond = Item(
            kind=Kind.EXCURSION,
            subject=entry.parameter,
            start=entry.time,
            details={
                "limit": limit.id,
                "value": limit.value,
                "extreme": value,
                "readings": 0,
                "duration_ns": 0,
                "entry": entry.id,
            },
        )
        ledger.judge(Kind.EXCURSION, [beyond] if outside else [])


def _operation(
    job: JobId | None, jobs: Mapping[JobId, Job], operations: Mapping[OperationName, Operation]
) -> Operation | None:
    known = None if job is None else jobs.get(job)
    return None if known is None else operations.get(OperationName(known.operation))


def _unqualified(window: Window, operation: OperationName, person: str) -> Item:
    return Item(
        kind=Kind.QUALIFICATION,
        subject=window.equipment,
        start=window.start.time,
        details={"operation": operation, "person": person},
    )
