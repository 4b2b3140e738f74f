"""What the printed record shows of sections, sensors, materials and typed values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aggregator.export.pdf.text import displayable, percent, unit_shown
from aggregator.export.values import corrected_entries
from aggregator.export.words import Words, moment, number, say

Json = dict[str, Any]


def tables(document: Mapping[str, Any], words: Words) -> dict[str, list[Json]]:
    """Return the rows of each table, by its name in the template.

    A record of an earlier version lacks what was not in it then: such a table is empty.
    """
    return {
        "sections": _sections(document, words),
        "instruments": _instruments(document, words),
        "materials": _materials(document, words),
        "balances": _balances(document, words),
        "entries": _entries(document, words),
        "test_results": _test_results(document, words),
    }


def _sections(document: Mapping[str, Any], words: Words) -> list[Json]:
    """Return a row for each parameter of each run and phase, in order of time.

    A run or phase that has none is shown all the same, with its time.
    """
    units = {
        each["parameter"]: each["unit"]
        for each in (*document["parameters"], *document["other_parameters"])
    }
    rows = []
    for section in document.get("sections", ()):
        head = _head(section, words)
        rows += [
            {**head, **_figures(found, units[found["parameter"]])}
            for found in section["parameters"]
        ] or [{**head, **_NOTHING}]
    return rows


def _figures(found: Mapping[str, Any], unit: str) -> Json:
    figures = found["figures"]
    return {
        "parameter": displayable(f"{found['parameter']} {unit_shown(unit)}".rstrip()),
        "min": number(figures["min"]),
        "mean": number(figures["mean"]),
        "max": number(figures["max"]),
        "result": number(found["result"]),
        "readings": f"{figures['readings']:,}",
        "covered": percent(figures["covered_ns"], figures["window_ns"]),
    }


_NOTHING: Final = dict.fromkeys(
    ("parameter", "min", "mean", "max", "result", "readings", "covered"), "–"
)


def _head(section: Mapping[str, Any], words: Words) -> Json:
    run = "" if section["run"] is None else f" {section['run']}"
    steps = [f"{section['operation'] or '–'}{run}", *([section["phase"]] * bool(section["phase"]))]
    return {
        "section": displayable(" / ".join(steps)),
        "equipment": displayable(section["equipment"]),
        "start": moment(section["intervals"][0][0], words),
        "end": moment(section["intervals"][-1][1], words),
    }


def _instruments(document: Mapping[str, Any], words: Words) -> list[Json]:
    """Return a row for each sensor of each parameter, and how it was calibrated."""
    return [
        {
            "parameter": displayable(parameter["parameter"]),
            "sensor": displayable(each["sensor"] or "–"),
            "calibration": "–"
            if each["calibration"] is None
            else say(words, f"state.{each['calibration']}"),
            "certificate": displayable(each["certificate"] or "–"),
            "start": moment(each["start"], words),
            "end": moment(each["end"], words),
        }
        for parameter in (*document["parameters"], *document["other_parameters"])
        for each in parameter.get("instruments", ())
    ]


def _materials(document: Mapping[str, Any], words: Words) -> list[Json]:
    """Return a row for each lot that went in."""
    return [
        {
            "lot": displayable(f"(01){each['lot']['gtin']}(10){each['lot']['lot']}"),
            "quantity": displayable(each["quantity"] or "–"),
            "start": moment(each["start"], words),
            "expires": "–" if each["expires"] is None else moment(each["expires"], words),
        }
        for each in document.get("materials", ())
    ]


def _balances(document: Mapping[str, Any], words: Words) -> list[Json]:
    """Return a row for each step that made the lot."""
    return [
        {
            "step": displayable(each["step"]),
            "into": _amount(each, "into"),
            "out": _amount(each, "out"),
            "balance": say(words, f"balance.{each['state']}"),
        }
        for each in document.get("balances", ())
    ]


def _entries(document: Mapping[str, Any], words: Words) -> list[Json]:
    """Return a row for each typed value; of one that was corrected, what it was stays visible."""
    corrected = corrected_entries(document)
    return [
        {
            "parameter": displayable(each["parameter"]),
            "value": displayable(_value(each, words)),
            "time": moment(each["time"], words),
            "by": displayable(each["source"]),
            "checked": _checked(each, words),
            "reason": displayable(each["reason"]),
            "state": say(words, "entry.corrected") if each["id"] in corrected else "",
        }
        for each in document.get("entries", ())
    ]


def _test_results(document: Mapping[str, Any], words: Words) -> list[Json]:
    """Return a row for each version of each test result, the corrected ones too."""
    return [
        {
            "id": displayable(each["result"]),
            "version": str(each["version"]),
            "test": displayable(each["test"]),
            "value": displayable(f"{each['value']} {unit_shown(each['unit'])}".strip()),
            "specification": displayable(each["specification"] or "–"),
            "verdict": say(words, f"test.{each['verdict']}"),
            "time": moment(each["time"], words),
            "analyst": displayable(each["analyst"] or "–"),
            "instrument": displayable(each["instrument"] or "–"),
            "state": say(words, "entry.corrected") if each["superseded"] else "",
        }
        for each in document.get("test_results", ())
    ]


def _value(entry: Mapping[str, Any], words: Words) -> str:
    if entry["value"] is None:
        return say(words, "entry.withdrawn")
    return f"{entry['value']} {unit_shown(entry['unit'])}".strip()


def _checked(entry: Mapping[str, Any], words: Words) -> str:
    check = entry["check"]
    if check is None:
        return say(words, "entry.unchecked")
    return displayable(f"{check['by']}, {moment(check['time'], words)}")


def _amount(balance: Mapping[str, Any], side: str) -> str:
    known = balance["state"] != "unknown"
    return displayable(f"{balance[side]} {balance['unit']}") if known else "–"
