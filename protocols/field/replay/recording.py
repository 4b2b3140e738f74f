"""The lines of a recorded file: CSV or JSON, long or wide, plain or compressed."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO

from protocols.field.driver import SettingsError
from protocols.field.replay.settings import Form, ReplaySettings, ReplaySignal
from protocols.field.replay.trace import read_traced
from protocols.wire.reading import SECOND, Doubt, Gap, Kind, Nanoseconds, Status

__all__ = ["Cell", "Line", "lines_of", "open_recording"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One recorded value as the file has it."""

    signal: ReplaySignal
    value: object
    status: Status = Status.GOOD
    code: int = 0
    raw: bytes = b""
    source_time: Nanoseconds | None = None  # where it differs from the line's


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the file."""

    time: Nanoseconds | None
    cells: tuple[Cell, ...] = ()
    spoilt: int = 0  # readings in it that cannot be read
    gap: Gap | None = None


def open_recording(path: Path) -> TextIO:
    """Open for reading; octets that are no UTF-8 become visible escapes."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="backslashreplace", newline="")
    return path.open(encoding="utf-8", errors="backslashreplace", newline="")


def lines_of(file: TextIO, settings: ReplaySettings) -> Iterator[Line]:
    """Return the lines of an opened file; raise SettingsError where a column is missing."""
    signals = {signal.column or signal.name: signal for signal in settings.signals}
    if settings.form is Form.TRACE:
        return _trace_lines(_json_rows(file), signals)
    is_json = ".jsonl" in settings.file.suffixes
    rows = _json_rows(file) if is_json else _csv_rows(file, settings, signals)
    return _lines(rows, settings, signals, is_json=is_json)


def _lines(
    rows: Iterator[Mapping[str, Any] | None],
    settings: ReplaySettings,
    signals: Mapping[str, ReplaySignal],
    *,
    is_json: bool,
) -> Iterator[Line]:
    for number, row in enumerate(rows):
        if row is None:
            yield Line(time=None, spoilt=1 if settings.form is Form.LONG else len(signals))
            continue
        cells = tuple(_cells(row, settings.form, signals, is_json=is_json))
        try:
            time = _time(row, number, settings)
        except (ValueError, TypeError, ArithmeticError):
            yield Line(time=None, spoilt=len(cells))
        else:
            yield Line(time=time, cells=cells)


def _trace_lines(
    rows: Iterator[Mapping[str, Any] | None], signals: Mapping[str, ReplaySignal]
) -> Iterator[Line]:
    """Yield the lines of a trace; signals that are not configured are not asked for."""
    kinds = {name: signal.kind for name, signal in signals.items()}
    for traced in read_traced(rows, kinds):
        if traced is None:
            yield Line(time=None, spoilt=1)
        elif traced.gap is not None:
            yield Line(time=traced.at, gap=traced.gap)
        elif (signal := signals.get(traced.signal)) is not None:
            cell = Cell(
                signal=signal,
                value=traced.value,
                status=traced.status,
                code=traced.code,
                raw=traced.raw,
                source_time=traced.time,
            )
            yield Line(time=traced.at, cells=(cell,))


_LINE_MAX: Final = 1 << 20
"""Most characters of a line; a longer one is spoilt."""
_UNITS: Final = {"s": SECOND, "ms": 1_000_000, "us": 1_000, "ns": 1}
_DIGITS_MAX: Final = 20
_TIME_MAX: Final = 2**63  # nanoseconds
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _json_rows(file: TextIO) -> Iterator[Mapping[str, Any] | None]:
    """Yield an object a line, None for a line that holds none."""
    while text := file.readline(_LINE_MAX):
        if text.isspace():
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            row = None
        yield row if isinstance(row, dict) else None


def _csv_rows(
    file: TextIO, settings: ReplaySettings, signals: Mapping[str, ReplaySignal]
) -> Iterator[Mapping[str, Any] | None]:
    """Check the header at once; then yield a mapping a line, None for one that cannot be read."""
    first = file.readline(_LINE_MAX).removeprefix("\ufeff")
    delimiter = settings.delimiter or max(",;\t", key=first.count)
    header = next(csv.reader([first], delimiter=delimiter), [])
    needed = {"signal", "value"} if settings.form is Form.LONG else set(signals)
    if settings.row_period_s is None:
        needed.add(settings.time_column)
    if missing := sorted(needed - set(header)):
        raise SettingsError(
            f"{settings.file} has no column {', '.join(missing)}",
            hint=f"it has: {', '.join(header)}; see form, delimiter, time_column and column",
        )
    return _csv_body(csv.reader(file, delimiter=delimiter), header)


def _csv_body(reader: Iterator[list[str]], header: list[str]) -> Iterator[Mapping[str, Any] | None]:
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            yield None
            continue
        if row is None:
            return
        if row:
            yield dict(zip(header, row, strict=False))


def _cells(
    row: Mapping[str, Any],
    form: Form,
    signals: Mapping[str, ReplaySignal],
    *,
    is_json: bool,
) -> Iterator[Cell]:
    """Yield the readings of a row; signals that are not configured are not asked for."""
    if form is Form.WIDE:
        for column, signal in signals.items():
            yield Cell(signal=signal, value=_value(row.get(column), signal.kind, is_json))
        return
    named = signals.get(str(row.get("signal")))
    if named is None:
        return
    value = _value(row.get("value"), named.kind, is_json)
    try:
        status = Status[str(row.get("status") or "GOOD").upper()]
        code = int(row.get("code") or 0)
    except (KeyError, ValueError, TypeError):
        status, code = Status.BAD, int(Doubt.WRONG_TYPE)  # what it said of itself is unreadable
    yield Cell(signal=named, value=value, status=status, code=code)


def _value(cell: Any, kind: Kind, is_json: bool) -> object:
    """Return the cell as its kind reads it, or as it stands where it does not: then it is BAD."""
    if cell is None or cell == "":
        return None
    if kind is Kind.BYTES or not is_json:
        try:
            return _READERS[kind](cell)
        except (ValueError, KeyError, TypeError, ArithmeticError):
            return cell
    return cell


def _whole(cell: str) -> int:
    number = Decimal(cell)
    if number.adjusted() > _DIGITS_MAX:  # "1e999999" would take all memory as a whole number
        raise ValueError(cell)
    if number != int(number):
        raise ValueError(cell)
    return int(number)


_READERS: Final[dict[Kind, Callable[[str], object]]] = {
    Kind.BOOL: lambda cell: {"1": True, "true": True, "0": False, "false": False}[cell.lower()],
    Kind.INT: _whole,
    Kind.UINT: _whole,
    Kind.FLOAT32: float,
    Kind.FLOAT64: float,
    Kind.TEXT: str,
    Kind.BYTES: bytes.fromhex,
}


def _time(row: Mapping[str, Any], number: int, settings: ReplaySettings) -> Nanoseconds:
    """Return nanoseconds since 1970, or since the first row where the file has no time."""
    if settings.row_period_s is not None:
        return int(number * settings.row_period_s * SECOND)
    cell = row.get(settings.time_column)
    if settings.time_unit != "iso":
        counted = Decimal(str(cell)) * _UNITS[settings.time_unit]
        if not abs(counted) < _TIME_MAX:
            raise ValueError(cell)
        return int(counted)
    when = datetime.fromisoformat(str(cell))
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return (when - _EPOCH) // timedelta(microseconds=1) * 1000
