"""A record's values that are no readings: those that persons typed, and those of a laboratory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Json = dict[str, Any]

VALUE_HEADS: Final = (
    *("kind", "id", "version", "name", "value", "unit", "time", "source", "superseded"),
    *("checked_by", "reason", "verdict", "specification", "instrument", "analyst"),
)


def values_of(document: Mapping[str, Any]) -> Iterator[Json]:
    """Yield each typed value and each version of a test result, all by the same names.

    Names are ``VALUE_HEADS``; one that a kind has no use for is left out. A value that is None was
    withdrawn. A record of an earlier version has no test results.
    """
    corrected = corrected_entries(document)
    for each in document.get("entries", ()):
        check = each["check"]
        yield {
            **{name: each[name] for name in ("id", "value", "unit", "time", "source", "reason")},
            "kind": "entry",
            "name": each["parameter"],
            "superseded": each["id"] in corrected,
            "checked_by": None if check is None else check["by"],
        }
    for each in document.get("test_results", ()):
        yield {
            **{name: each[name] for name in VALUE_HEADS if name in each},
            "kind": "test_result",
            "id": each["result"],
            "name": each["test"],
        }


def corrected_entries(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids of the typed values that another one has taken the place of."""
    return frozenset(
        each["supersedes"] for each in document.get("entries", ()) if each["supersedes"]
    )
