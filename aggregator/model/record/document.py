"""A batch record as JSON: one form, so that the same record is the same bytes anywhere.

Keys sorted, no white space, UTF-8; times as text in UTC with nine digits; a float as the shortest
text that reads back the same; durations as whole nanoseconds (docs/specs/record.md).
"""

from __future__ import annotations

from typing import Any, Final

from aggregator.model.binding.descent import Descent
from aggregator.model.binding.fact import Fact
from aggregator.model.binding.occupancy import Bound, Window
from aggregator.model.binding.rule import Rule
from aggregator.model.master.equipment import SignalSpec
from aggregator.model.master.read_point import PresenceRule
from aggregator.model.record import document_parts as parts
from aggregator.model.record.batch_record import (
    BatchRecord,
    ChainResult,
    JobResult,
    ParameterResult,
    SealResult,
    SignalCount,
    findings_hash,
)
from aggregator.model.record.exceptions import CHECKS
from protocols.wire.dossier.file import canonical_json, canonical_object

FORMAT: Final = "lotproof-record-v1"
Json = dict[str, Any]


def encode_record(record: BatchRecord) -> bytes:
    """Return the bytes of ``record``: what is hashed, kept and signed."""
    document = to_document(record)
    encoded = {name: canonical_json(value) for name, value in document.items()}
    found = canonical_json(findings_hash(document, encoded))
    return canonical_object({**encoded, "findings_hash": found})


def to_document(record: BatchRecord) -> Json:
    """Return ``record`` as JSON's own types, without its hash."""
    critical = [each for each in record.parameters if each.series is not None]
    others = [each for each in record.parameters if each.series is None]
    return {
        "format": FORMAT,
        "lot": {
            **parts.lot(record.lot.key),
            "material": record.lot.material,
            "quantity": record.lot.quantity,
            "udi": str(record.lot.key),
            "manufactured": parts.time(record.lot.manufactured),
            "expires": parts.time(record.lot.expires),
            "units": list(record.units),
        },
        "order": None if record.order is None else record.order.order,
        "jobs": [_job(each) for each in record.jobs],
        "state": record.state.value,
        "rule": record.rule.version,
        "rule_settings": _rule(record.rule),
        "window": {"start": parts.time(record.start), "end": parts.time(record.end)},
        "windows": [_window(each) for each in record.windows],
        "facts": [_fact(each) for each in record.facts],
        "descents": [_descent(each) for each in record.descents],
        "parameters": [_parameter(each) for each in critical],
        "other_parameters": [_parameter(each) for each in others],
        "sections": [parts.section(each) for each in record.sections],
        "signals": [_count(each) for each in record.signals],
        "recipe": parts.recipe(record.recipe),
        "retention": parts.retention(record.definition),
        "materials": [parts.material(each) for each in record.materials],
        "balances": [parts.balance(each) for each in record.steps],
        "entries": [parts.entry(each) for each in record.entries],
        "test_results": parts.test_results(record.test_results),
        "exceptions": [{"id": each.id, **each.to_json()} for each in record.exceptions],
        "checks": {
            "rule": CHECKS,
            "passed": sum(record.passed.values()),
            "by_kind": {kind.value: count for kind, count in record.passed.items() if count},
        },
        "chains": [_chain(each) for each in record.chains],
        "complete": not record.unproved and record.end is not None,
        "unproved": [
            {
                "gateway": each.gateway,
                "flaw": each.flaw.value,
                "start": parts.time(each.start),
                "end": parts.time(each.end),
            }
            for each in record.unproved
        ],
        "seals": _seals(record.seals),
        "master": dict(record.master),
        "earlier": None
        if record.earlier is None
        else {"hash": record.earlier.content_hash, "readings": record.earlier.readings},
    }


def _seals(found: SealResult) -> Json:
    return {
        "verified": found.verified,
        "refused": [
            {
                "gateway": each.gateway,
                "epoch": each.epoch.hex(),
                "number": each.number,
                "reason": each.reason,
            }
            for each in found.refused
        ],
    }


def _parameter(result: ParameterResult) -> Json:
    return {
        **_specified(result),
        "intervals": [parts.interval(each) for each in result.spans],
        "limits": [
            {"id": limit.id, "side": limit.side.value, "value": limit.value}
            for limit in result.limits
        ],
        "figures": parts.figures(result.figures),
        "increase": result.increase,
        "result": result.result,
        "excursions": [
            {
                "limit": each.limit,
                "start": parts.time(each.start),
                "end": parts.time(each.end),
                "readings": each.readings,
                "extreme": each.extreme,
                "extreme_time": parts.time(each.extreme_time),
                "duration_ns": each.duration,
            }
            for each in result.excursions
        ],
        "gaps": [
            {
                "start": parts.time(each.start),
                "end": parts.time(each.end),
                "causes": [cause.value for cause in each.causes],
            }
            for each in result.gaps
        ],
        "stuck": parts.stuck(result),
        "instruments": parts.instruments(result),
        "boundary": result.boundary,
        "series": None
        if result.series is None
        else {"name": result.series.name, "sha256": result.series.sha256},
    }


def _specified(result: ParameterResult) -> Json:
    spec = result.spec
    return {
        "parameter": spec.parameter,
        "gateway": spec.signal.gateway,
        "signal": spec.signal.signal,
        "equipment": result.signal.equipment,
        "kind": result.signal.kind.name,
        "unit": spec.unit,
        "criticality": spec.criticality.value,
        "revision": spec.revision,
        "phase": spec.phase,
        "specified": parts.limits(spec.limits),
        "stated": parts.stated(result),
        "sampling": {
            "mode": spec.sampling.sampling.value,
            "gap_max_ns": spec.sampling.gap_max,
            "period_ns": spec.sampling.period,
        },
        "aggregation": spec.aggregation.value,
        "stuck_after_ns": spec.stuck_after,
    }


def _count(count: SignalCount) -> Json:
    return {
        **_signal(count.signal),
        "readings": count.readings,
        "good": count.good,
        "uncertain": count.uncertain,
        "bad": count.bad,
        "unbound": [
            {
                "first": parts.time(each.start),
                "last": parts.time(each.end),
                "readings": each.readings,
            }
            for each in count.unbound
        ],
    }


def _signal(spec: SignalSpec) -> Json:
    return {
        "gateway": spec.key.gateway,
        "signal": spec.key.signal,
        "equipment": spec.equipment,
        "role": spec.role.value,
        "clock": spec.clock_id,
        "presence": None if spec.presence is None else _presence(spec.presence),
    }


def _chain(result: ChainResult) -> Json:
    span = result.span
    return {
        "gateway": span.gateway,
        "epoch": span.epoch.hex(),
        "approved": span.approved,
        "first": span.first,
        "last": span.last,
        "first_leaf": span.first_leaf.hex(),
        "last_leaf": span.last_leaf.hex(),
        "bundles": span.bundles,
        "readings": span.readings,
        "missing": [[run.start, run.stop - 1] for run in span.missing],
        "forked": span.forked,
        "clock": span.clock.name.lower(),
        "clock_uncertainty_ns": span.uncertainty,
        "settings": [
            {"sealed_time": parts.time(each.sealed_time), "hash": each.settings_hash.hex()}
            for each in span.settings
        ],
        "gaps": [
            {
                "subject": gap.subject,
                "start": parts.time(gap.start),
                "end": parts.time(gap.end),
                "reason": gap.reason.name.lower(),
                "count": gap.count,
            }
            for gap in span.gaps
        ],
    }


def _fact(fact: Fact) -> Json:
    return {
        "id": fact.id,
        "kind": fact.kind.value,
        "start": parts.time(fact.start),
        "end": parts.time(fact.end),
        "authority": fact.authority.name.lower(),
        "source": fact.source,
        "equipment": fact.equipment,
        "lot": None if fact.lot is None else parts.lot(fact.lot),
        "part": fact.part,
        "carrier": fact.carrier,
        "job": fact.job,
        "text": fact.text,
        "uncertainty_ns": fact.uncertainty,
        "clock": fact.clock,
        "recorded": parts.time(fact.recorded),
        "supersedes": fact.supersedes,
        "reason": fact.reason,
        "signed": fact.signed,
    }


def _window(window: Window) -> Json:
    return {
        "equipment": window.equipment,
        "origin": None if window.origin is None else parts.lot(window.origin),
        "part": window.part,
        "residence": None
        if window.residence is None
        else {"offset_ns": window.residence.offset, "spread_ns": window.residence.spread},
        "job": window.job,
        "start": _bound(window.start),
        "end": _bound(window.end),
        "facts": list(window.facts),
    }


def _descent(descent: Descent) -> Json:
    return {
        "edge": descent.edge,
        "child": {**parts.lot(descent.child.lot), "part": descent.child.part},
        "parent": {**parts.lot(descent.parent.lot), "part": descent.parent.part},
        "until": parts.time(descent.until),
        "uncertainty_ns": descent.uncertainty,
    }


def _bound(bound: Bound) -> Json:
    return {
        "time": parts.time(bound.time),
        "uncertainty_ns": bound.uncertainty,
        "clock": bound.clock,
    }


def _job(result: JobResult) -> Json:
    job = result.job
    return {
        "job": job.job,
        "order": job.order,
        "operation": job.operation,
        "run": job.run,
        "equipment": job.equipment,
        "intervals": [[parts.time(start), parts.time(end)] for start, end in result.intervals],
    }


def _rule(rule: Rule) -> Json:
    return {
        "edge_tolerance_ns": rule.edge_tolerance,
        "presence": _presence(rule.presence),
        "reuse_after_ns": rule.reuse_after,
    }


def _presence(rule: PresenceRule) -> Json:
    return {
        "reads_min": rule.reads_min,
        "exit_timeout_ns": rule.exit_timeout,
        "exit_timeout_max_ns": rule.exit_timeout_max,
        "missed_reads": rule.missed_reads,
        "rssi_margin_cdb": rule.rssi_margin,
        "travel_min_ns": rule.travel_min,
        "travels": [
            {"origin": each.origin, "travel_min_ns": each.least} for each in sorted(rule.travels)
        ],
    }
