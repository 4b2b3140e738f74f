"""A record as tables for spreadsheets: readings, other values, exceptions (RFC 4180, UTF-8).

A cell that a spreadsheet would take for a formula is text here: it gets an apostrophe in front
(docs/specs/outputs.md). Lines are made in chunks, so that a table of millions of rows streams.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Final

from aggregator.export.readings import CHUNK_ROWS, Rows, rows_of
from aggregator.export.values import VALUE_HEADS, values_of
from aggregator.export.words import ENGLISH, Words, describe
from aggregator.model.binding.bind import Binding
from aggregator.model.master.equipment import SignalSpec
from protocols.wire.dossier.file import canonical_json
from protocols.wire.reading import TagRead

READING_HEADS: Final = (
    *("time", "signal", "value", "unit", "status", "code"),
    *("gateway", "epoch", "bundle", "reading"),
)
EXCEPTION_HEADS: Final = ("id", "kind", "subject", "start", "end", "what", "details")


class Mark(Enum):
    """What stands before the first cell."""

    NONE = b""
    BYTE_ORDER = "\ufeff".encode()  # some spreadsheets take a file without it for another encoding


def readings_table(
    readings: Mapping[SignalSpec, Binding],
    mark: Mark = Mark.NONE,
    chunk_rows: int = CHUNK_ROWS,
) -> Iterator[bytes]:
    """Yield the table of a lot's readings, one row a reading, in chunks of whole lines."""
    yield mark.value + _lines([READING_HEADS])
    for rows in rows_of(readings, chunk_rows):
        yield _lines(_reading_rows(rows))


def exceptions_table(
    record: Mapping[str, Any], words: Words = ENGLISH, mark: Mark = Mark.NONE
) -> Iterator[bytes]:
    """Yield the table of a record's exceptions, one row each; ``record`` is its JSON."""
    yield mark.value + _lines([EXCEPTION_HEADS])
    yield _lines(
        (
            item["id"],
            item["kind"],
            cell(item["subject"]),
            item["start"] or "",
            item["end"] or "",
            cell(describe(item, words)),
            canonical_json(item["details"]).decode(),
        )
        for item in record["exceptions"]
    )


def values_table(record: Mapping[str, Any], mark: Mark = Mark.NONE) -> Iterator[bytes]:
    """Yield the table of what persons typed and laboratories found; ``record`` is its JSON."""
    yield mark.value + _lines([VALUE_HEADS])
    yield _lines([value_text(each.get(name)) for name in VALUE_HEADS] for each in values_of(record))


def cell(text: str) -> str:
    """Return ``text`` so that no spreadsheet computes it.

    What follows an apostrophe is text to all of them. A text that begins with one gets another, so
    that whoever takes the first one off has what was read.
    """
    return f"'{text}" if text.lstrip()[:1] in _FORMULA or text[:1] in _SPACE else text


def value_text(value: object) -> str:
    """Return a reading's value: floats as the shortest text that reads back the same."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case bytes():
            return value.hex()
        case TagRead():
            return value.epc.hex()
        case _:
            return cell(str(value))


def _reading_rows(rows: Rows) -> Iterator[tuple[object, ...]]:
    spec, series = rows.spec, rows.series
    signal, unit = cell(spec.key.signal), cell(spec.unit)
    columns = (
        rows.times,
        rows.values,
        rows.statuses,
        series.codes.tolist(),
        rows.epochs,
        series.numbers.tolist(),
        series.positions.tolist(),
    )
    for time, value, status, code, epoch, bundle, position in zip(*columns, strict=True):
        text, gateway = value_text(value), spec.key.gateway
        yield (time, signal, text, unit, status, code, gateway, epoch, bundle, position)


def _lines(rows: Iterable[Iterable[object]]) -> bytes:
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\r\n").writerows(rows)
    return lines.getvalue().encode()


_FORMULA: Final = frozenset("=+-@'＝＋－＠")  # an empty text begins with none of them
_SPACE: Final = frozenset("\t\r\n")
