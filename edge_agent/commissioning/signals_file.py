"""Write signals as the CSV file that a source's ``signals_csv`` names."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from enum import Enum, IntEnum
from pathlib import Path

from pydantic import BaseModel

from edge_agent.errors import CommissioningError
from edge_agent.sources import SignalTable


def write_signals(
    path: Path, columns: Sequence[str], signals: Sequence[BaseModel], *, force: bool
) -> None:
    """Write a row a signal; ``columns`` are fields of the signals, the rest keeps its default.

    Raises CommissioningError where there is nothing to write, the file cannot be written, or is
    there already and ``force`` is not given.
    """
    if not signals:
        raise CommissioningError(
            f"{path} is not written: no signal was found", hint="look at what the screen says"
        )
    rows = ([_cell(getattr(signal, column)) for column in columns] for signal in signals)
    write_new(path, _csv(columns, rows), force=force)


def as_csv(table: SignalTable) -> bytes:
    """Return a table of signals as the CSV file that says the same."""
    return _csv(table.columns, (cells for _, cells in table.rows))


def write_new(path: Path, data: bytes, *, force: bool, mode: int = 0o666) -> None:
    """Write a file that is not there yet, or any with ``force``; raise CommissioningError."""
    try:
        if force:
            path.unlink(missing_ok=True)  # its rights are not those of the new one
        path.touch(mode=mode, exist_ok=False)
        path.write_bytes(data)
    except FileExistsError as error:
        raise CommissioningError(
            f"{path} is there already", hint="give another name, or --force to replace it"
        ) from error
    except OSError as error:
        raise CommissioningError(
            f"{path} cannot be written: {error}", hint="give a path that you may write to"
        ) from error


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case IntEnum():
            return value.name.lower()
        case Enum():
            return str(value.value)
        case _:
            return str(value)
