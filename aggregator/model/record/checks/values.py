"""Checks of what was read: there, in its unit, within its limits, without gaps or doubt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from aggregator.model.binding.bind import Binding
from aggregator.model.figures import increase
from aggregator.model.master.equipment import SignalRole, SignalSpec
from aggregator.model.master.recipe import Criticality, ParameterSpec
from aggregator.model.record.batch_record import ParameterResult, SignalCount
from aggregator.model.record.circumstances import UnitChange
from aggregator.model.record.exceptions import ExceptionItem as Item
from aggregator.model.record.exceptions import ExceptionKind as Kind
from aggregator.model.record.exceptions import Ledger
from aggregator.model.series import SignalKey
from protocols.wire.reading import Status


def parameters(
    ledger: Ledger,
    specs: Sequence[ParameterSpec],
    results: Sequence[ParameterResult],
    changes: Sequence[UnitChange],
) -> None:
    """Check each parameter: there, in its unit, within its limits, moving, without gaps.

    The specification of a result is in its signal's unit already, where that measures the same.
    """
    found = {result.spec.parameter: result for result in results}
    for spec in specs:
        result = found.get(spec.parameter)
        required = spec.criticality is not Criticality.MONITORED
        valid = result is not None and result.figures.good + result.figures.uncertain > 0
        missing = Item(
            kind=Kind.MISSING_PARAMETER,
            subject=spec.parameter,
            details={"signal": f"{spec.signal.gateway}/{spec.signal.signal}"},
        )
        ledger.judge(Kind.MISSING_PARAMETER, [missing] if required and not valid else [])
        if result is not None:
            _unit(ledger, result, changes)
            _limits(ledger, result)
            _gaps(ledger, result)
            if spec.stuck_after is not None:
                _stuck(ledger, result)


def signals(
    ledger: Ledger, counts: Sequence[SignalCount], bindings: Mapping[SignalKey, Binding]
) -> None:
    """Check each signal that observed the lot: its statuses, and a counter's resets."""
    for count in counts:
        binding, spec = bindings[count.signal.key], count.signal
        for status, readings in ((Status.UNCERTAIN, count.uncertain), (Status.BAD, count.bad)):
            ledger.judge(Kind.STATUS, [_status(binding, spec, status)] if readings else [])
        if spec.role is SignalRole.COUNTER:
            ledger.judge(
                Kind.COUNTER_RESET,
                (
                    Item(kind=Kind.COUNTER_RESET, subject=spec.key.signal, start=time)
                    for time in increase(binding)[1]
                ),
            )


def _unit(ledger: Ledger, result: ParameterResult, changes: Iterable[UnitChange]) -> None:
    spec, signal = result.spec, result.signal
    differs = Item(
        kind=Kind.UNIT_MISMATCH,
        subject=spec.parameter,
        details={"limits": spec.unit, "signal": signal.unit},
    )
    ledger.judge(Kind.UNIT_MISMATCH, [differs] if spec.unit != signal.unit else [])
    ledger.judge(
        Kind.UNIT_CHANGED,
        (
            Item(
                kind=Kind.UNIT_CHANGED,
                subject=spec.parameter,
                start=change.time,
                details={"before": change.before, "after": change.after},
            )
            for change in changes
            if change.signal == signal.key
        ),
    )


def _stuck(ledger: Ledger, result: ParameterResult) -> None:
    ledger.judge(
        Kind.STUCK,
        (
            Item(
                kind=Kind.STUCK,
                subject=result.spec.parameter,
                start=each.start,
                end=each.end,
                details={
                    "value": each.value,
                    "readings": each.readings,
                    "duration_ns": each.end - each.start,
                },
            )
            for each in result.stuck
        ),
    )


def _limits(ledger: Ledger, result: ParameterResult) -> None:
    for limit in result.limits:
        ledger.judge(
            Kind.EXCURSION,
            (
                Item(
                    kind=Kind.EXCURSION,
                    subject=result.spec.parameter,
                    start=each.start,
                    end=each.end,
                    details={
                        "limit": limit.id,
                        "value": limit.value,
                        "extreme": each.extreme,
                        "readings": each.readings,
                        "duration_ns": each.duration,
                    },
                )
                for each in result.excursions
                if each.limit == limit.id
            ),
        )


def _gaps(ledger: Ledger, result: ParameterResult) -> None:
    ledger.judge(
        Kind.GAP,
        (
            Item(
                kind=Kind.GAP,
                subject=result.spec.parameter,
                start=each.start,
                end=each.end,
                details={
                    "causes": tuple(cause.value for cause in each.causes),
                    "duration_ns": each.end - each.start,
                },
            )
            for each in result.gaps
        ),
    )


def _status(binding: Binding, spec: SignalSpec, status: Status) -> Item:
    series = binding.series
    rows = np.concatenate(
        [
            np.flatnonzero(series.statuses[part.first : part.stop] == status) + part.first
            for part in binding.slices
        ]
    )
    codes, counts = np.unique(series.codes[rows], return_counts=True)
    return Item(
        kind=Kind.STATUS,
        subject=spec.key.signal,
        start=int(series.times[rows[0]]),
        end=int(series.times[rows[-1]]),
        details={
            "status": status.name,
            "readings": len(rows),
            "codes": tuple(f"{code}: {count}" for code, count in zip(codes, counts, strict=True)),
        },
    )
