"""The checks of a batch record: each enters what it found into the ledger, or that it passed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from aggregator.model.binding.bind import Binding
from aggregator.model.binding.fact import FOREVER, Fact
from aggregator.model.binding.occupancy import Conflict, Window
from aggregator.model.binding.presence import Dwell
from aggregator.model.completeness import ChainSpan, Finding
from aggregator.model.figures import increase
from aggregator.model.master.equipment import SignalRole, SignalSpec
from aggregator.model.master.lot import LotKey
from aggregator.model.master.recipe import Criticality, ParameterSpec
from aggregator.model.record.batch_record import (
    Earlier,
    ParameterResult,
    SealResult,
    SignalCount,
)
from aggregator.model.record.exceptions import ExceptionItem as Item
from aggregator.model.record.exceptions import ExceptionKind as Kind
from aggregator.model.record.exceptions import Ledger
from aggregator.model.record.rule import Rule
from aggregator.model.series import SignalKey
from protocols.wire.header import ClockState
from protocols.wire.reading import Nanoseconds, Status


def windows(ledger: Ledger, lot: LotKey, found: Sequence[Window], rule: Rule) -> None:
    """Check that every window has ended, has a length, and can be of one making of the lot."""
    if not found:
        ledger.judge(Kind.OPEN_WINDOW, [Item(kind=Kind.OPEN_WINDOW, subject=str(lot))])
    for window in found:
        start, end = window.start.time, window.end.time
        still = Item(kind=Kind.OPEN_WINDOW, subject=window.equipment, start=start)
        empty = Item(kind=Kind.EMPTY_WINDOW, subject=window.equipment, start=start)
        ledger.judge(Kind.OPEN_WINDOW, [still] if end == FOREVER else [])
        ledger.judge(Kind.EMPTY_WINDOW, [empty] if end == start else [])
    ordered = sorted(found, key=lambda window: window.start.time)
    ledger.judge(
        Kind.LOT_REUSED,
        (
            Item(
                kind=Kind.LOT_REUSED,
                subject=str(lot),
                start=earlier.end.time,
                end=later.start.time,
            )
            for earlier, later in pairwise(ordered)
            if later.start.time - earlier.end.time > rule.reuse_after
        ),
    )


def facts(
    ledger: Ledger,
    lot: LotKey,
    own: Sequence[Window],
    conflicts: Sequence[Conflict],
    known: Iterable[Fact],
) -> None:
    """Check that no fact contradicts another over the lot's windows, or leaves the lot in doubt."""
    touched = touching(own, conflicts)
    ledger.judge(
        Kind.CONFLICT,
        (
            Item(
                kind=Kind.CONFLICT,
                subject=conflict.equipment,
                start=conflict.start,
                end=_until(conflict.end),
                details={
                    "bound_to": tuple(map(str, conflict.lots)),
                    "overruled": tuple(map(str, conflict.others)),
                    "facts": conflict.facts,
                },
            )
            for conflict in touched
        ),
    )
    ledger.judge(
        Kind.AMBIGUOUS_LOT,
        (
            Item(
                kind=Kind.AMBIGUOUS_LOT,
                subject=fact.equipment or "",
                start=fact.start,
                end=fact.end,
                details={"said": fact.text, "by": fact.source},
            )
            for fact in known
            if fact.lot is None and fact.text == lot.lot
        ),
    )


def touching(own: Sequence[Window], conflicts: Sequence[Conflict]) -> tuple[Conflict, ...]:
    """Return the conflicts that overlap one of the lot's windows, or name the lot."""
    lots = {window.lot for window in own}
    return tuple(
        conflict
        for conflict in conflicts
        if lots & {*conflict.lots, *conflict.others}
        or any(
            window.equipment == conflict.equipment
            and window.start.time < conflict.end
            and conflict.start < window.end.time
            for window in own
        )
    )


def carriers(
    ledger: Ledger, own: Sequence[Window], unknown: Iterable[tuple[SignalSpec, Dwell]]
) -> None:
    """Check that every carrier seen where and while the lot was there holds a lot."""
    ledger.judge(
        Kind.UNKNOWN_CARRIER,
        (
            Item(
                kind=Kind.UNKNOWN_CARRIER,
                subject=spec.key.signal,
                start=dwell.start,
                end=dwell.end,
                details={"carrier": dwell.carrier, "reads": dwell.reads},
            )
            for spec, dwell in unknown
            if any(
                window.equipment == spec.equipment
                and dwell.start < window.end.time
                and (dwell.end is None or window.start.time <= dwell.end)
                for window in own
            )
        ),
    )


def parameters(
    ledger: Ledger, specs: Sequence[ParameterSpec], results: Sequence[ParameterResult]
) -> None:
    """Check each parameter: there, in its unit, within its limits, without gaps or doubt."""
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
            _unit(ledger, result)
            _limits(ledger, result)
            _gaps(ledger, result)


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


def boundaries(ledger: Ledger, own: Sequence[Window], bindings: Iterable[Binding]) -> None:
    """Check that no reading of any signal is so near to a bound that the clocks do not decide."""
    near: dict[Nanoseconds, dict[str, int]] = {}
    for binding in bindings:
        for part in binding.slices:
            for bound, rows in ((part.span.start, part.head), (part.span.end, part.tail)):
                signals = near.setdefault(bound.time, {})
                if len(rows):
                    signals[binding.series.key.signal] = len(rows)
    places = {bound.time: each.equipment for each in own for bound in (each.start, each.end)}
    for time, found in sorted(near.items()):
        item = Item(
            kind=Kind.BOUNDARY,
            subject=places.get(time, ""),
            start=time,
            details={"readings": sum(found.values()), "signals": tuple(sorted(found))},
        )
        ledger.judge(Kind.BOUNDARY, [item] if found else [])


def chains(
    ledger: Ledger,
    spans: Sequence[ChainSpan],
    unproved: Sequence[Finding],
    start: Nanoseconds | None,
    end: Nanoseconds | None,
) -> None:
    """Check that the chains are whole, their epochs approved, their clock and settings steady."""
    gateways = sorted({span.gateway for span in spans} | {each.gateway for each in unproved})
    for gateway in gateways:
        ledger.judge(
            Kind.CHAIN,
            (
                Item(
                    kind=Kind.CHAIN,
                    subject=gateway,
                    start=each.start,
                    end=each.end,
                    details={"flaw": each.flaw.value},
                )
                for each in unproved
                if each.gateway == gateway
            ),
        )
    for span in spans:
        subject, epoch = span.gateway, {"epoch": span.epoch.hex()}
        unapproved = Item(kind=Kind.EPOCH, subject=subject, details=epoch)
        ledger.judge(Kind.EPOCH, [] if span.approved else [unapproved])
        doubtful = Item(
            kind=Kind.CLOCK, subject=subject, details={**epoch, "state": span.clock.name.lower()}
        )
        synchronised = span.clock is ClockState.SYNCHRONISED
        ledger.judge(Kind.CLOCK, [] if synchronised else [doubtful])
        ledger.judge(
            Kind.SETTINGS,
            (
                Item(
                    kind=Kind.SETTINGS,
                    subject=subject,
                    start=later.sealed_time,
                    details={
                        "before": earlier.settings_hash.hex(),
                        "after": later.settings_hash.hex(),
                    },
                )
                for earlier, later in pairwise(span.settings)
                if start is not None and start < later.sealed_time < (end or FOREVER)
            ),
        )


def seals(ledger: Ledger, result: SealResult) -> None:
    """Check that every seal of the window holds."""
    ledger.judge(
        Kind.SEAL,
        (
            Item(
                kind=Kind.SEAL,
                subject=refused.gateway,
                details={
                    "epoch": refused.epoch.hex(),
                    "number": refused.number,
                    "reason": refused.reason,
                },
            )
            for refused in result.refused
        ),
    )
    ledger.passed[Kind.SEAL] += result.verified


def late(ledger: Ledger, earlier: Earlier | None, readings: int) -> None:
    """Check that nothing came after the record had been complete."""
    found = Item(
        kind=Kind.LATE_DATA,
        subject="" if earlier is None else earlier.content_hash,
        details={"readings": readings - (0 if earlier is None else earlier.readings)},
    )
    ledger.judge(Kind.LATE_DATA, [] if earlier is None else [found])


def _unit(ledger: Ledger, result: ParameterResult) -> None:
    spec, signal = result.spec, result.signal
    differs = Item(
        kind=Kind.UNIT_MISMATCH,
        subject=spec.parameter,
        details={"limits": spec.unit, "signal": signal.unit},
    )
    ledger.judge(Kind.UNIT_MISMATCH, [differs] if spec.unit != signal.unit else [])


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


def _until(end: Nanoseconds) -> Nanoseconds | None:
    return None if end == FOREVER else end
