"""Parts of a record's JSON: its sections, and what the making rested on besides readings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aggregator.model.binding.bind import Span
from aggregator.model.binding.fact import FOREVER
from aggregator.model.figures import Figures
from aggregator.model.genealogy.balance import BalanceState
from aggregator.model.lab_result import ResultVersion, in_force, to_document
from aggregator.model.master.lot import LotKey, Material
from aggregator.model.master.recipe import Limits, Recipe
from aggregator.model.record.batch_record import ParameterResult, Section, SectionFigures
from aggregator.model.record.circumstances import Consumption, Step
from aggregator.model.record.entry import Entry
from aggregator.model.record.instruments import Instrument
from protocols.wire.dossier.instant import format_time
from protocols.wire.reading import Nanoseconds

Json = dict[str, Any]


def figures(found: Figures) -> Json:
    """Return figures, times as text."""
    return {
        "readings": found.readings,
        "good": found.good,
        "uncertain": found.uncertain,
        "bad": found.bad,
        "min": found.min,
        "min_time": time(found.min_time),
        "max": found.max,
        "max_time": time(found.max_time),
        "mean": found.mean,
        "first": found.first,
        "last": found.last,
        "window_ns": found.window,
        "covered_ns": found.covered,
    }


def section(found: Section) -> Json:
    """Return one run of an operation, or a phase of it, with its own figures."""
    job = found.job
    return {
        "job": None if job is None else job.job,
        "operation": None if job is None else job.operation,
        "run": None if job is None else job.run,
        "phase": found.phase,
        "equipment": found.equipment,
        "intervals": [interval(each) for each in found.intervals],
        "parameters": [_section_figures(each) for each in found.parameters],
    }


def _section_figures(found: SectionFigures) -> Json:
    return {
        "parameter": found.parameter,
        "figures": figures(found.figures),
        "result": found.result,
    }


def instruments(result: ParameterResult) -> list[Json]:
    """Return by which sensors a parameter was read, and how they were calibrated."""
    return [_instrument(each) for each in result.instruments]


def _instrument(found: Instrument) -> Json:
    return {
        "start": time(found.start),
        "end": time(found.end),
        "sensor": found.sensor,
        "calibration": None if found.state is None else found.state.value,
        "certificate": found.certificate,
    }


def stated(result: ParameterResult) -> Json | None:
    """Return the limits as they were specified; None where that was in the signal's unit."""
    if result.stated.unit == result.spec.unit:
        return None
    return {"unit": result.stated.unit, **limits(result.stated.limits)}


def limits(found: Limits) -> Json:
    """Return the bounds of a specification."""
    return {
        "target": found.target,
        "alert_low": found.alert_low,
        "alert_high": found.alert_high,
        "action_low": found.action_low,
        "action_high": found.action_high,
    }


def stuck(result: ParameterResult) -> list[Json]:
    """Return where a parameter stood still."""
    return [
        {
            "start": time(each.start),
            "end": time(each.end),
            "value": each.value,
            "readings": each.readings,
        }
        for each in result.stuck
    ]


def recipe(found: Recipe | None) -> Json | None:
    """Return which recipe the lot was begun by."""
    return None if found is None else {"revision": found.revision, "name": found.name}


def retention(found: Material | None) -> Json | None:
    """Return how long the record is kept; None where nobody has said, and it is for ever."""
    if found is None or found.retention_years is None:
        return None
    return {"years": found.retention_years, "life_years": found.life_years}


def material(found: Consumption) -> Json:
    """Return a lot that went in."""
    return {
        "lot": lot(found.lot),
        "quantity": found.quantity,
        "start": time(found.start),
        "end": time(found.end),
        "expires": time(found.expires),
        "edge": found.edge,
    }


def balance(step: Step) -> Json:
    """Return what went into a step and came out of it."""
    found, tolerance = step.balance, step.tolerance
    judged = tolerance is not None or found.state is BalanceState.UNKNOWN
    return {
        "edge": step.edge.id,
        "step": step.edge.text or step.edge.kind.value,
        "state": found.state.value if judged else "undeclared",
        "unit": found.unit,
        "into": f"{found.into:f}",
        "out": f"{found.out:f}",
        "tolerance": None if tolerance is None else f"{tolerance:f}",
    }


def entry(found: Entry) -> Json:
    """Return a typed value, who typed it and who vouched for it."""
    check = found.check
    return {
        "id": found.id,
        "source": found.by,
        "parameter": found.parameter,
        "value": found.value,
        "unit": found.unit,
        "time": time(found.time),
        "reason": found.reason,
        "recorded": time(found.recorded),
        "supersedes": found.supersedes,
        "check": None
        if check is None
        else {"by": check.by, "time": time(check.time), "reason": check.reason},
    }


def test_results(recorded: Sequence[ResultVersion]) -> list[Json]:
    """Return what a laboratory found, each version of it; those that were corrected are marked."""
    newest = {each.result.result: each.version for each in in_force(recorded)}
    return [
        {
            **_of_lot(to_document(each.result)),
            "version": each.version,
            "superseded": each.version < newest[each.result.result],
            "source": each.recorded_by,
            "recorded": time(each.recorded_time),
        }
        for each in recorded
    ]


def _of_lot(document: Json) -> Json:
    """Leave out the lot, which is the record's own."""
    return {name: value for name, value in document.items() if name not in ("gtin", "lot")}


def interval(span: Span) -> list[str | None]:
    """Return a span as its two times."""
    return [time(span.start.time), time(span.end.time)]


def lot(key: LotKey) -> Json:
    """Return a lot's key."""
    return {"gtin": key.gtin, "lot": key.lot}


def time(at: Nanoseconds | None) -> str | None:
    """Return a time as text; None where nobody knows it."""
    return None if at is None or at == FOREVER else format_time(at)
