"""A case of equipment that misbehaves, as a folder of data: what it does, and what must arrive.

``case.toml`` names the equipment, the driver's settings and the steps; ``expected.toml`` the
readings by signal, the gaps, the errors and the counters, and what a naive rule would have given
instead. CONTRIBUTING.md says how to add one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from protocols.wire.reading import Doubt, GapReason, Status

__all__ = ["Case", "CaseError", "Expected", "ExpectedGap", "Naive", "Told", "load_case"]


class CaseError(Exception):
    """A folder says something that no case can; the message names the file and the word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A reading as a case writes it; ``value`` as TOML has it, octets and EPCs in hexadecimal."""

    value: object = None
    status: Status = Status.GOOD
    code: int = 0
    like: str = ""  # a pattern that the value's text matches, instead of the value


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedGap:
    """A declared gap, and the readings between which it must lie, where the case says so."""

    subject: str
    reason: GapReason
    signal: str = ""
    after: object = None  # the gap begins no earlier than this value of the signal came
    before: object = None  # and ends no later than this one


@dataclass(frozen=True, slots=True, kw_only=True)
class Naive:
    """What a driver gives that trusts equipment: it differs from what is expected."""

    rule: str
    readings: Mapping[str, tuple[Told, ...]]
    gaps: tuple[ExpectedGap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must arrive: every reading once, in the order of its signal, and nothing else."""

    readings: Mapping[str, tuple[Told, ...]]
    gaps: tuple[ExpectedGap, ...] = ()
    errors: tuple[str, ...] = ()  # patterns of message and hint, each of which must be said
    perhaps: tuple[str, ...] = ()  # patterns of what else may be said; nothing besides
    counters: Mapping[str, int] = field(default_factory=dict)
    not_compared: tuple[str, ...] = ()  # signals
    naive: Naive


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One folder."""

    name: str
    says: str
    equipment: tuple[str, ...]  # each of these kinds behaves so
    holds: Mapping[str, Any]  # what the equipment is told at its start
    settings: Mapping[str, Any]  # the driver's, but for where the equipment is
    steps: tuple[Mapping[str, Any], ...]
    expected: Expected

    def planted(self, **changes: Any) -> Case:
        """Return the case with another expectation."""
        return replace(self, expected=replace(self.expected, **changes))


def load_case(folder: Path) -> Case:
    """Return the case in a folder; CaseError for a word that has no meaning there."""
    case, expected = (_read(folder / name) for name in ("case.toml", "expected.toml"))
    try:
        _only(case, "says equipment steps", "holds settings")
        _only(expected, "readings naive", "gaps errors perhaps counters not_compared")
        return Case(
            name=folder.name,
            says=case["says"],
            equipment=tuple(case["equipment"]),
            holds=case.get("holds", {}),
            settings=case.get("settings", {}),
            steps=tuple(case["steps"]),
            expected=_expected(expected),
        )
    except (KeyError, TypeError, AttributeError, CaseError) as error:
        raise CaseError(f"{folder.name}: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CaseError(f"{path.parent.name}/{path.name}: {error}") from error


def _only(table: Mapping[str, Any], needed: str, allowed: str = "") -> None:
    """Refuse a table that lacks a word or has one too many."""
    lacking = set(needed.split()) - table.keys()
    unknown = table.keys() - {*needed.split(), *allowed.split()}
    if lacking or unknown:
        raise CaseError(f"missing: {sorted(lacking)}; unknown: {sorted(unknown)}")


def _expected(given: Mapping[str, Any]) -> Expected:
    naive, readings = given["naive"], _readings(given["readings"])
    _only(naive, "rule", "readings gaps")
    gaps = tuple(map(_gap, given.get("gaps", ())))
    return Expected(
        readings=readings,
        gaps=gaps,
        errors=tuple(given.get("errors", ())),
        perhaps=tuple(given.get("perhaps", ())),
        counters=given.get("counters", {}),
        not_compared=tuple(given.get("not_compared", ())),
        naive=Naive(
            rule=naive["rule"],
            readings=readings | _readings(naive.get("readings", {})),
            gaps=tuple(map(_gap, naive["gaps"])) if "gaps" in naive else gaps,
        ),
    )


def _readings(given: Mapping[str, Any]) -> dict[str, tuple[Told, ...]]:
    return {signal: tuple(map(_told, values)) for signal, values in given.items()}


def _told(given: object) -> Told:
    """Return a reading from a plain value, which is GOOD, or from a table."""
    if not isinstance(given, Mapping):
        return Told(value=given)
    _only(given, "", "value like status code")
    return Told(
        value=given.get("value"),
        like=given.get("like", ""),
        status=_named(Status, given.get("status", "GOOD")),
        code=_code(given.get("code", 0)),
    )


def _gap(given: Mapping[str, Any]) -> ExpectedGap:
    _only(given, "subject reason", "signal after before")
    return ExpectedGap(**{**given, "reason": _named(GapReason, given["reason"])})


def _code(given: object) -> int:
    """Return a status code of the source, or one of ours by its name."""
    return given if isinstance(given, int) else _named(Doubt, given)


def _named(kind: Any, name: object) -> Any:
    found = kind.__members__.get(name)
    if found is None:
        raise CaseError(f"{name!r} is none of {', '.join(kind.__members__)}")
    return found


SUBJECT: Final = "source"
"""The name of the source in every case."""
