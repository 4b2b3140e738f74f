"""What was found of each parameter: its readings, held against what was specified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aggregator.model.binding.bind import Binding
from aggregator.model.completeness import ChainSpan, proven
from aggregator.model.excursion import excursions, limits_of
from aggregator.model.figures import aggregate, figures, increase
from aggregator.model.gaps import gaps
from aggregator.model.master.equipment import SignalRole, SignalSpec
from aggregator.model.master.recipe import Limits, ParameterSpec
from aggregator.model.once import Once
from aggregator.model.record.batch_record import ParameterResult
from aggregator.model.record.circumstances import Circumstances
from aggregator.model.record.instruments import instruments
from aggregator.model.stuck import stuck
from protocols.ucum import Conversion, conversion


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What every parameter is judged with."""

    chains: Sequence[ChainSpan]
    circumstances: Circumstances
    once: Once


def judge(
    stated: ParameterSpec, signal: SignalSpec, binding: Binding, by: Judged
) -> ParameterResult:
    """Return what was found of a parameter in the readings bound to it, without their series."""
    spec = in_unit_of(stated, signal)
    limits = limits_of(spec.limits, binding.series.kind)
    gateway, spans = spec.signal.gateway, tuple(part.span for part in binding.slices)
    declared = [gap for span in by.chains if span.gateway == gateway for gap in span.gaps]
    missing = gaps(binding, spec.sampling, proven(by.chains, gateway), declared, by.once)
    found = figures(binding, spec.sampling, missing, by.once)
    return ParameterResult(
        spec=spec,
        stated=stated,
        signal=signal,
        spans=spans,
        limits=limits,
        figures=found,
        increase=increase(binding)[0] if signal.role is SignalRole.COUNTER else None,
        excursions=excursions(binding, limits, by.once),
        result=aggregate(binding, found, spec, signal.role),
        gaps=missing,
        stuck=stuck(binding, missing, spec.stuck_after),
        instruments=instruments(
            signal.key, spans, by.circumstances.installations, by.circumstances.calibrations
        ),
        boundary=sum(len(part.head) + len(part.tail) for part in binding.slices),
        series=None,
    )


def in_unit_of(spec: ParameterSpec, signal: SignalSpec) -> ParameterSpec:
    """Return the specification in its signal's unit; as it is where that measures another thing."""
    convert = conversion(spec.unit, signal.unit)
    if convert is None or spec.unit == signal.unit:
        return spec
    return replace(spec, unit=signal.unit, limits=_converted(spec.limits, convert))


def _converted(limits: Limits, convert: Conversion) -> Limits:
    def each(value: float | None) -> float | None:
        return None if value is None else convert(value)

    return Limits(
        target=each(limits.target),
        alert_low=each(limits.alert_low),
        alert_high=each(limits.alert_high),
        action_low=each(limits.action_low),
        action_high=each(limits.action_high),
    )
