"""Recorded production as equipment: the rows of a CSV, one after another, behind a Modbus server.

What was dirty in the record stays dirty on the wire: an empty cell is NaN (or refused), a hole in
time switches the equipment off, and counters that start again do so. Holding registers of unit 1::

    0-1   row counter   uint32   1 for the first row, 0 before it
    2-3   batch         uint32   0 where the row names none
    4-5   campaign      uint32   0 where the row names none
    6-9   time          uint64   nanoseconds since 1970, 0 where the row has none
    16-   the columns   float64  four registers each, in the order of the file

A request that covers all of it shows one row: no row changes while it is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import gzip
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Final, TextIO

from plant.equipment.registers import RefusalError, RegisterServer, Table
from plant.running import Running

__all__ = ["Empty", "Pace", "Recorded", "RecordedServer", "Row"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the record."""

    number: int  # 1 for the first
    time: int | None  # nanoseconds since 1970; a time without zone is taken as UTC
    campaign: int | None
    batch: int | None
    values: dict[str, float | None]  # column -> number, None where the cell holds none


class Recorded:
    """A recorded CSV file, also as ``.gz``; iterate it for its rows, as often as needed.

    The delimiter is the one that the first line shows. The columns of time, batch and campaign are
    known by name (``timestamp``, ``batch`` or ``batch_id``, ``campaign``); all others are values.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as file:
            header = file.readline().strip()
        self._delimiter = max(";,\t", key=header.count)
        self._header = tuple(header.split(self._delimiter))
        self.columns = tuple(name for name in self._header if name not in _KNOWN)

    def __iter__(self) -> Iterator[Row]:
        with self._opened() as file:
            for number, cells in enumerate(csv.DictReader(file, delimiter=self._delimiter), 1):
                yield Row(
                    number=number,
                    time=_time(cells.get("timestamp")),
                    campaign=_whole(cells.get("campaign")),
                    batch=_whole(cells.get("batch") or cells.get("batch_id")),
                    values={name: _number(cells.get(name)) for name in self.columns},
                )

    def _opened(self) -> TextIO:
        if self.path.suffix == ".gz":
            return gzip.open(self.path, "rt", encoding="utf-8", newline="")
        return self.path.open(encoding="utf-8", newline="")


class Empty(Enum):
    """How a cell without a number comes over the wire."""

    NOT_A_NUMBER = 0
    REFUSED = 1  # exception 4 to every request that touches it


class Pace(Enum):
    """When the next row follows."""

    CLOCK = 0  # after its period, read or not
    READ = 1  # after its period, once its counter has been read: no row is missed


class RecordedServer(Running):
    """Serve rows, as a context; ``finished`` is set after the last, which stays.

    A step in time larger than ``hole_s`` seconds (forward or back) switches the equipment off for
    ``off_s`` seconds before the next row.
    """

    def __init__(
        self,
        columns: Sequence[str],
        rows: Iterator[Row] | Sequence[Row],
        *,
        row_period_s: float = 0.05,
        pace: Pace = Pace.CLOCK,
        empty: Empty = Empty.NOT_A_NUMBER,
        hole_s: float = 60.0,
        off_s: float = 0.5,
        port: int = 0,
    ) -> None:
        self.columns = tuple(columns)
        self.served = 0  # rows so far
        self.holes = 0  # how often it was switched off
        self.finished = asyncio.Event()
        self.server = RegisterServer({1: self._read}, port=port)
        self._rows = rows
        self._row_period_s = row_period_s
        self._pace = pace
        self._empty = empty
        self._hole_s = hole_s
        self._off_s = off_s
        self._row = _BEFORE
        self._seen = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def host(self) -> str:
        """Address of the server."""
        return self.server.host

    @property
    def port(self) -> int:
        """TCP port of the server."""
        return self.server.port

    def signals(self, *, prefix: str = "") -> list[dict[str, Any]]:
        """Return the register map as rows of a driver's signal list."""
        head = [
            {"name": f"{prefix}row", "address": 0, "type": "uint32"},
            {"name": f"{prefix}batch", "address": 2, "type": "uint32"},
            {"name": f"{prefix}campaign", "address": 4, "type": "uint32"},
            {"name": f"{prefix}time", "address": 6, "type": "uint64", "unit": "ns"},
        ]
        return head + [
            {"name": prefix + name, "address": _VALUES + 4 * place, "type": "float64"}
            for place, name in enumerate(self.columns)
        ]

    async def _begin(self) -> None:
        await self.server.start()
        self._task = asyncio.create_task(self._go_on())

    async def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.server.stop()

    async def _go_on(self) -> None:
        for row in self._rows:
            if self._is_hole(row):
                self.holes += 1
                await self.server.stop()
                await asyncio.sleep(self._off_s)
                self._show(row)
                await self.server.start()
            else:
                self._show(row)
            if self._pace is Pace.READ:
                await self._seen.wait()
            await asyncio.sleep(self._row_period_s)
        self.finished.set()

    def _is_hole(self, row: Row) -> bool:
        before, after = self._row.time, row.time
        return (
            before is not None
            and after is not None
            and abs(after - before) > self._hole_s * 1_000_000_000
        )

    def _show(self, row: Row) -> None:
        self._row = row
        self._seen.clear()
        self.served += 1

    def _read(self, table: Table, address: int, count: int) -> Sequence[int]:
        image = self._image()
        if table != "holding" or address + count > len(image):
            raise RefusalError(2)
        if self._empty is Empty.REFUSED:
            for place, name in enumerate(self.columns):
                start = _VALUES + 4 * place
                touched = address < start + 4 and start < address + count
                if touched and self._row.number and self._row.values[name] is None:
                    raise RefusalError(4)
        if address == 0:
            self._seen.set()
        return image[address : address + count]

    def _image(self) -> list[int]:
        row = self._row
        values = [row.values.get(name) for name in self.columns]
        octets = struct.pack(
            f">IIIQ12x{len(values)}d",
            row.number,
            row.batch or 0,
            row.campaign or 0,
            row.time or 0,
            *(math.nan if value is None else value for value in values),
        )
        return list(struct.unpack(f">{len(octets) // 2}H", octets))


_KNOWN: Final = ("timestamp", "campaign", "batch", "batch_id")
_VALUES: Final = 16
_BEFORE: Final = Row(number=0, time=None, campaign=None, batch=None, values={})


def _time(cell: str | None) -> int | None:
    if not cell:
        return None
    when = datetime.fromisoformat(cell)
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return int(when.timestamp()) * 1_000_000_000 + when.microsecond * 1_000


def _whole(cell: str | None) -> int | None:
    return int(float(cell)) if cell else None


def _number(cell: str | None) -> float | None:
    try:
        return float(cell) if cell else None
    except ValueError:
        return None
