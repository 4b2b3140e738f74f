"""One row of a table of master data: cells to document and back.

A cell that a spreadsheet would take for a formula has an apostrophe in front, which is taken off
again; a list stands in its cell as JSON; a value that is not there is an empty cell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from aggregator.errors import InvalidError
from aggregator.export.csv import cell
from aggregator.service.master.document import EFFECTIVE_DATED, Document, EntityKind, check_instant
from aggregator.service.master.documents import DOCUMENTS
from aggregator.service.master.fields import FieldType, types_of
from aggregator.service.master.master_data import Times, faults_of
from aggregator.service.master.versions import Versioned
from protocols.wire.dossier.file import canonical_json
from protocols.wire.dossier.instant import format_time, parse_time

VERSION: Final = "version"
TIMES: Final = ("effective_from", "effective_to")


class Fault(NamedTuple):
    """One thing that is wrong with a table."""

    line: int  # from 1, the head
    column: str  # empty: the whole row
    text: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row that could be read."""

    line: int
    version: int | None  # that it was taken from; None: a new entity
    document: Document
    times: Times

    def says(self, found: Versioned) -> bool:
        """Tell whether it says the same as a version."""
        return self.document == found.document and self.times == _times_of(found)

    def new_times(self, taken_from: Versioned | None) -> Times:
        """Return the times of the version that it makes.

        The start of the version that it was taken from is not its own, for what was in force since
        then has been: it comes into force now, or with its approval.
        """
        if taken_from is not None and self.times.start == _times_of(taken_from).start:
            return Times(end=self.times.end)
        return self.times


@cache
def columns(kind: EntityKind) -> tuple[str, ...]:
    """Return the head of a kind's table."""
    times = TIMES if kind in EFFECTIVE_DATED else ()
    return (VERSION, *DOCUMENTS[kind].model_fields, *times)


def row_cells(found: Versioned) -> list[str]:
    """Return the cells of a version, in the order of the columns."""
    document = found.document
    said = document.model_dump(mode="json")
    fields = [_cell(said[name], type_) for name, type_ in types_of(document.kind).items()]
    times = _times_of(found)
    ends = [_time_cell(times.start), _time_cell(times.end)]
    return [str(found.version), *fields, *(ends if document.kind in EFFECTIVE_DATED else [])]


def row_of(kind: EntityKind, line: int, cells: Mapping[str, str]) -> Row | list[Fault]:
    """Return the row that the cells (by column) are, or every fault of them."""
    faults: list[Fault] = []
    values: dict[str, Any] = {}
    for name, type_ in types_of(kind).items():
        try:
            if cells[name] or DOCUMENTS[kind].model_fields[name].is_required():
                values[name] = _value(cells[name], type_)
        except (ValueError, RecursionError) as error:
            faults.append(Fault(line, name, str(error), _HINTS.get(type_, "")))
    version = _version(line, cells[VERSION], faults)
    times = _times(line, cells, faults)
    unread = {fault.column for fault in faults}
    try:
        document = DOCUMENTS[kind].model_validate(values)
        document.model()
    except ValidationError as error:
        wrong = [(place.partition(".")[0], text) for place, text in faults_of(error)]
        hint = "see the field in the data dictionary"
        faults += [Fault(line, name, text, hint) for name, text in wrong if name not in unread]
        return faults
    except InvalidError as error:
        return [*faults, Fault(line, "", str(error), error.hint)]
    return faults or Row(line=line, version=version, document=document, times=times)


def _cell(value: Any, type_: FieldType) -> str:
    if value is None:
        return ""
    if type_ is FieldType.LIST:
        return canonical_json(value).decode()
    if type_ is FieldType.DECIMAL:
        return str(value)  # text in a document, a number in a table
    return cell(value) if isinstance(value, str) else repr(value)


def _value(text: str, type_: FieldType) -> Any:
    """Return what a cell says; ValueError where it cannot say that."""
    match type_:
        case FieldType.LIST:
            return json.loads(text)
        case FieldType.INTEGER | FieldType.NUMBER | FieldType.DECIMAL:
            if not _NUMBER.fullmatch(text) or (type_ is FieldType.INTEGER and not _is_whole(text)):
                raise ValueError(f"{text[:40]!r} is no {type_}")
            return text
        case _:
            # What ``cell`` puts in front of a text is taken off, and nothing else is.
            return text[1:] if text[:1] == "'" and cell(text[1:]) == text else text


def _is_whole(text: str) -> bool:
    return text.lstrip("-").isdecimal()


def _version(line: int, text: str, faults: list[Fault]) -> int | None:
    if text and not _COUNT.fullmatch(text):
        hint = "as it was taken out; empty for a new entity"
        faults.append(Fault(line, VERSION, f"{text[:40]!r} is no version", hint))
        return None
    return int(text) if text else None


def _times(line: int, cells: Mapping[str, str], faults: list[Fault]) -> Times:
    found: list[int | None] = []
    for name in TIMES:
        text = cells.get(name, "")
        try:
            found.append(parse_time(check_instant(text)) if text else None)
        except ValueError as error:
            faults.append(Fault(line, name, f"{text[:40]!r} {error}", ""))
            found.append(None)
    return Times(start=found[0], end=found[1])


def _times_of(found: Versioned) -> Times:
    """Return a version's times as a table says them: what holds since ever has no start."""
    return Times(start=found.effective_from or None, end=found.effective_to)


def _time_cell(time: int | None) -> str:
    return "" if time is None else format_time(time)


_COUNT: Final = re.compile(r"[1-9][0-9]{0,8}")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_HINTS: Final = {
    FieldType.NUMBER: "write a decimal point, and no separator of thousands",
    FieldType.DECIMAL: "write a decimal point, and no separator of thousands",
    FieldType.LIST: "write the list as JSON",
}
