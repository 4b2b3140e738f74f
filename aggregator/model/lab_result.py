"""Test results of lots, as a laboratory's system gives them: what was found, by whom, by what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from aggregator.errors import InvalidError
from aggregator.model.master.lot import LotKey, check_lot_key
from protocols.wire.dossier.instant import format_time, parse_time
from protocols.wire.errors import MalformedError
from protocols.wire.reading import Nanoseconds


class ResultVerdict(StrEnum):
    """What the laboratory says of a result."""

    PASS = "pass"  # noqa: S105 # a verdict, no password
    FAIL = "fail"
    NOT_JUDGED = "not_judged"  # a figure for information


@dataclass(frozen=True, slots=True, kw_only=True)
class LabResult:
    """One result of one test of a lot."""

    lot: LotKey
    result: str  # its id, as the laboratory's system gave it; unique for the lot
    test: str  # name of the test
    value: str  # exactly as given: text, since a rounded figure is another figure
    unit: str = ""  # UCUM
    verdict: ResultVerdict = ResultVerdict.NOT_JUDGED
    specification: str = ""  # what it had to be, in the laboratory's words
    instrument: str = ""
    analyst: str = ""
    time: Nanoseconds  # when it was found


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultVersion:
    """A result as it was recorded; the laboratory's correction of it is its next version."""

    result: LabResult
    version: int  # from 1
    recorded_time: Nanoseconds
    recorded_by: str


def in_force(recorded: Iterable[ResultVersion]) -> tuple[ResultVersion, ...]:
    """Return the newest version of each result, in the order of their ids."""
    newest = {each.result.result: each for each in sorted(recorded, key=lambda each: each.version)}
    return tuple(newest[result] for result in sorted(newest))


def to_document(result: LabResult) -> dict[str, Any]:
    """Return a result as JSON's own types."""
    said = {each.name: getattr(result, each.name) for each in fields(result)}
    lot = said.pop("lot")
    return {
        **said,
        "gtin": lot.gtin,
        "lot": lot.lot,
        "verdict": result.verdict.value,
        "time": format_time(result.time),
    }


def from_document(said: dict[str, Any]) -> LabResult:
    """Return the result that ``to_document`` wrote; InvalidError for anything else."""
    rest = {name: value for name, value in said.items() if name not in {"gtin", "lot"}}
    try:
        return LabResult(
            **{
                **rest,
                "lot": check_lot_key(said["gtin"], said["lot"]),
                "verdict": ResultVerdict(said["verdict"]),
                "time": parse_time(said["time"]),
            }
        )
    except (KeyError, TypeError, ValueError, MalformedError):
        raise InvalidError("this is no test result as it is stored") from None
