"""The record as the printed page shows it: every figure a text, every sentence filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aggregator.export.charts import Chart
from aggregator.export.pdf import rested_on
from aggregator.export.pdf.text import displayable, percent, unit_shown
from aggregator.export.signatures import signature_rows, verdicts
from aggregator.export.words import ENGLISH, Words, describe, duration, moment, number, say
from aggregator.model.signature import Signature
from protocols.wire.dossier.instant import format_time, parse_time
from protocols.wire.reading import Nanoseconds

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What is known of one stored version of a record besides its content."""

    number: int
    content_hash: str
    recorded: Nanoseconds  # aggregator's clock
    recorded_by: str
    checkpoint: str  # signed note, "" where the log had none


def view(
    document: Mapping[str, Any],
    version: Version,
    charts: Mapping[str, Chart],
    words: Words = ENGLISH,
    signatures: Sequence[Signature] = (),
) -> Json:
    """Return all that the template needs; ``charts`` are named by their parameters."""
    decided = verdicts(signatures, words)
    return {
        "words": dict(words),
        "lot": {name: displayable(document["lot"][name]) for name in _LOT},
        "udi": displayable(_subject(document["lot"]["udi"])),
        "order": displayable(document["order"] or "–"),
        "verdict": _verdict(document, words),
        "tone": _tone(document),
        "state": document["state"],
        "from": moment(document["window"]["start"], words) if document["windows"] else "–",
        "to": moment(document["window"]["end"], words),
        "duration": _length(document),
        "readings": f"{sum(each['readings'] for each in document['signals']):,}",
        "unbound": _unbound(document, words),
        "rule": document["rule"],
        "kept": _kept(document, words),
        "version": {
            "number": str(version.number),
            "hash": version.content_hash,
            "recorded": moment(format_time(version.recorded)),
            "recorded_by": displayable(version.recorded_by),
            "checkpoint": version.checkpoint,
        },
        "findings_hash": document["findings_hash"],
        "jobs": _jobs(document, words),
        "parameters": [
            _parameter(each, charts.get(each["parameter"]))
            for each in (*document["parameters"], *document["other_parameters"])
        ],
        "exceptions": [
            {
                "kind": say(words, f"kind.{each['kind']}"),
                "id": each["id"],
                "subject": displayable(_subject(each["subject"])),
                "start": moment(each["start"], words) if each["start"] else "–",
                "end": _end(each, words),
                "what": displayable(describe(each, words)),
                "decision": displayable(decided.get(each["id"], "–")),
            }
            for each in document["exceptions"]
        ],
        "signatures": [
            {name: displayable(text) for name, text in row.items()}
            for row in signature_rows(signatures, words)
        ],
        **rested_on.tables(document, words),
        "signals": _signals(document),
        "facts": _facts(document, words),
        "chains": _chains(document, words),
        "complete": _complete(document, words),
        "seals": _seals(document, words),
    }


_LOT: Final = ("gtin", "lot", "material", "quantity")


def _subject(subject: str) -> str:
    """Return a subject that can be broken: a lot's element strings, as people write them."""
    return subject.replace("(10)", " (10)", 1) if subject.startswith("(01)") else subject


def _end(item: Mapping[str, Any], words: Words) -> str:
    if item["end"] is not None:
        return moment(item["end"], words)
    return say(words, "to the end") if item["kind"] == "excursion" else "–"


def _verdict(document: Mapping[str, Any], words: Words) -> str:
    count, passed = len(document["exceptions"]), f"{document['checks']['passed']:,}"
    told = (
        say(words, "one exception") if count == 1 else say(words, "exceptions", count=f"{count:,}")
    )
    if document["state"] == "open":
        return say(words, "verdict.open", exceptions=told, passed=passed)
    if not count:
        return say(words, "verdict.clean", passed=passed)
    return say(words, "verdict.exceptions", exceptions=told, passed=passed)


def _tone(document: Mapping[str, Any]) -> str:
    if document["state"] == "open":
        return "open"
    return "judge" if document["exceptions"] else "clean"


def _length(document: Mapping[str, Any]) -> str:
    start, end = document["window"]["start"], document["window"]["end"]
    if start is None or end is None:
        return "–"
    return duration(parse_time(end) - parse_time(start))


def _kept(document: Mapping[str, Any], words: Words) -> str:
    found = document.get("retention")
    return say(words, "kept.ever") if found is None else say(words, "kept.years", **found)


def _unbound(document: Mapping[str, Any], words: Words) -> str:
    count = sum(run["readings"] for each in document["signals"] for run in each["unbound"])
    return say(words, "unbound", count=f"{count:,}") if count else ""


def _jobs(document: Mapping[str, Any], words: Words) -> list[Json]:
    jobs = {each["job"]: each for each in document["jobs"]}
    rows = []
    for window in document["windows"]:
        job = jobs.get(window["job"])
        rows.append(
            {
                "job": displayable(window["job"] or "–"),
                "operation": displayable(job["operation"]) if job else "–",
                "run": str(job["run"]) if job else "–",
                "equipment": displayable(window["equipment"]),
                "start": moment(window["start"]["time"], words),
                "end": moment(window["end"]["time"], words),
            }
        )
    return rows


def _parameter(each: Mapping[str, Any], chart: Chart | None) -> Json:
    figures, specified = each["figures"], each["specified"]
    window = figures["window_ns"]
    return {
        "parameter": displayable(each["parameter"]),
        "signal": displayable(f"{each['gateway']} / {each['signal']}"),
        "criticality": each["criticality"],
        "unit": displayable(unit_shown(each["unit"])),
        "action": _range(specified["action_low"], specified["action_high"]),
        "alert": _range(specified["alert_low"], specified["alert_high"]),
        "min": number(figures["min"]),
        "mean": number(figures["mean"]),
        "max": number(figures["max"]),
        "readings": f"{figures['readings']:,}",
        "statuses": f"{figures['good']:,} / {figures['uncertain']:,} / {figures['bad']:,}",
        "covered": percent(figures["covered_ns"], window),
        "excursions": str(len(each["excursions"])),
        "gaps": str(len(each["gaps"])),
        "limits": {name: value for name, value in specified.items() if value is not None},
        "chart": None if chart is None else _chart(chart),
    }


def _chart(chart: Chart) -> Json:
    return {
        "low": chart.low,
        "high": chart.high,
        "lines": chart.lines,
        "gaps": chart.gaps,
        "outside": chart.outside,
        "excursions": chart.excursions,
        "ticks": [[value, number(value)] for value in ticks(chart.low, chart.high)],
    }


def ticks(low: float, high: float) -> Sequence[float]:
    """Return three to seven round figures between ``low`` and ``high``."""
    rough = (high - low) / 5
    power = 10.0 ** _exponent(rough)
    step = next((each * power for each in (1, 2, 5) if each * power >= rough), 10 * power)
    first = -int(-low // step) if low > 0 else int(low // step) + 1
    count = int(high // step) - first + 1
    return [round((first + at) * step, 12) for at in range(max(count, 0))]


def _exponent(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])


def _signals(document: Mapping[str, Any]) -> list[Json]:
    return [
        {
            "signal": displayable(f"{each['gateway']} / {each['signal']}"),
            "equipment": displayable(each["equipment"]),
            "readings": f"{each['readings']:,}",
            "statuses": f"{each['good']:,} / {each['uncertain']:,} / {each['bad']:,}",
            "unbound": f"{sum(run['readings'] for run in each['unbound']):,}",
        }
        for each in document["signals"]
    ]


def _facts(document: Mapping[str, Any], words: Words) -> list[Json]:
    rows = []
    for fact in document["facts"]:
        lot = fact["lot"]
        what = f"(01){lot['gtin']}(10){lot['lot']}" if lot else fact["text"] or "–"
        rows.append(
            {
                "authority": say(words, fact["authority"]),
                "source": displayable(fact["source"]),
                "says": displayable(f"{what}{_correction(fact, words)}"),
                "start": moment(fact["start"], words),
                "end": moment(fact["end"], words),
            }
        )
    return rows


def _correction(fact: Mapping[str, Any], words: Words) -> str:
    """Return when and why a fact took the place of another: a changed value is marked."""
    if fact["supersedes"] is None:
        return ""
    when = moment(fact["recorded"], words)
    return " " + say(words, "fact.corrected", when=when, reason=fact["reason"])


def _chains(document: Mapping[str, Any], words: Words) -> list[Json]:
    return [
        {
            "gateway": each["gateway"],
            "epoch": each["epoch"][:8],
            "bundles": f"{each['first']:,} – {each['last']:,}",
            "last_leaf": each["last_leaf"][:24] + "…",
            "clock": say(words, each["clock"]),
        }
        for each in document["chains"]
    ]


def _complete(document: Mapping[str, Any], words: Words) -> list[str]:
    if document["complete"]:
        return [say(words, "complete")]
    return [
        say(
            words,
            "unproved",
            gateway=each["gateway"],
            flaw=say(words, each["flaw"]),
            start=moment(each["start"], words),
            end=moment(each["end"], words),
        )
        for each in document["unproved"]
    ]


def _seals(document: Mapping[str, Any], words: Words) -> str:
    seals = document["seals"]
    count, refused = f"{seals['verified']:,}", f"{len(seals['refused']):,}"
    return say(
        words, "seals.refused" if seals["refused"] else "seals", count=count, refused=refused
    )


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return "–"
    if low is None:
        return f"≤ {number(high)}"
    return f"≥ {number(low)}" if high is None else f"{number(low)} – {number(high)}"
