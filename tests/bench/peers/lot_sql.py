"""The readings of a lot as a table, and the SQL that reckons what a record says of them."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from protocols.wire.reading import SECOND, Kind, Reading
from tests.bench.measure import Figures, Side, Stopwatch
from tests.sealed import START
from tests.servers import running_postgres

GAP_MAX: Final = 3 * SECOND
"""Longest time between two readings that is no gap."""

_SCAN: Final = (
    "SELECT signal, count(*), min(value), max(value), sum(value), max(source_time), sum(status)"
    " FROM {table} GROUP BY signal ORDER BY signal"
)
_FULL: Final = """
WITH ordered AS (
  SELECT signal, source_time, value, status,
         coalesce(lead(source_time) OVER w, {end}) - source_time AS span,
         lag(value) OVER w AS before
  FROM {table} WHERE source_time >= {start} AND source_time < {end}
  WINDOW w AS (PARTITION BY signal ORDER BY source_time)
)
SELECT signal, count(*),
       count(*) FILTER (WHERE status = 0) AS good,
       count(*) FILTER (WHERE status = 1) AS uncertain,
       count(*) FILTER (WHERE status = 2) AS bad,
       min(value) AS low, max(value) AS high,
       sum(value * least(span, {gap})) / sum(least(span, {gap})) AS mean,
       count(*) FILTER (WHERE span > {gap}) AS gaps,
       sum(span - {gap}) FILTER (WHERE span > {gap}) AS gap_time,
       count(*) FILTER (WHERE value > action_high AND NOT coalesce(before > action_high, false))
         AS excursions,
       sum(span) FILTER (WHERE value > action_high) AS excursion_time
FROM ordered JOIN limits USING (signal) GROUP BY signal ORDER BY signal
"""


class LotReadings:
    """The readings of a lot, column by column, in the order in which they came."""

    def __init__(self, *, end: int) -> None:
        self.end = end
        self.signals: dict[str, Kind] = {}  # in the order of their numbers
        self.limits: list[float] = []  # by the signals' numbers
        self._numbers: dict[str, int] = {}
        self._columns = (array("i"), array("q"), array("q"), array("d"), array("b"))

    def __len__(self) -> int:
        return len(self._columns[0])

    def add(self, readings: Sequence[Reading]) -> None:
        """Add readings, all of which have a number as value."""
        signal, source, gateway, value, status = self._columns
        for reading in readings:
            number = self._numbers.setdefault(reading.signal, len(self._numbers))
            self.signals.setdefault(reading.signal, reading.kind)
            signal.append(number)
            source.append(reading.source_time or 0)
            gateway.append(reading.gateway_time)
            value.append(float(reading.value))  # type: ignore[arg-type]
            status.append(int(reading.status))

    def finish(self) -> None:
        """Set the limits: one reading of ten thousand is above."""
        signal, _, _, value, _ = self.arrays()
        order = np.argsort(signal, kind="stable")
        parts = np.split(value[order], np.cumsum(np.bincount(signal))[:-1])
        self.limits = [float(np.quantile(part, 0.9999, method="lower")) for part in parts]

    def arrays(self) -> tuple[Any, ...]:
        """Return signal, source_time, gateway_time, value and status as arrays."""
        return tuple(np.frombuffer(each, dtype=each.typecode) for each in self._columns)

    def compare(self, record: dict[str, Any]) -> None:
        """Raise RuntimeError unless a record counts what is here: both sides did the same work."""
        parameters = [*record["parameters"], *record["other_parameters"]]
        counted = sum(each["figures"]["readings"] for each in parameters)
        if counted != len(self) or len(parameters) != len(self.signals):
            raise RuntimeError(f"the record counts {counted:,} readings of {len(self):,}")


class DuckLot:
    """The readings in a Parquet file, signal by signal in order of time, and DuckDB over it."""

    def __init__(self, path: Path, readings: LotReadings) -> None:
        names = ("signal", "source_time", "gateway_time", "value", "status")
        columns = readings.arrays()
        order = np.lexsort((columns[1], columns[0]))
        arrow: Any = pa  # not annotated
        rows = {name: each[order] for name, each in zip(names, columns, strict=True)}
        write: Any = pq.write_table
        write(arrow.table(rows), path, compression="zstd")
        self._database = duckdb.connect()
        numbers = list(range(len(readings.limits)))
        limits = arrow.table({"signal": numbers, "action_high": readings.limits})
        self._database.register("given", limits)
        self._database.execute("CREATE TABLE limits AS SELECT * FROM given")
        self._scan = _SCAN.format(table=f"'{path}'")
        self._full = _full_sql(f"'{path}'", readings)

    async def scan(self) -> Figures:
        """Look at every reading once."""
        return await asyncio.to_thread(self._timed, self._scan)

    async def full(self) -> Figures:
        """Reckon what the record says."""
        return await asyncio.to_thread(self._timed, self._full)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _timed(self, sql: str) -> Figures:
        with Stopwatch() as watch:
            self._database.execute(sql).fetchall()
        return {"seconds": watch.seconds}


@asynccontextmanager
async def postgres_lot(readings: LotReadings) -> AsyncIterator[Side]:
    """Yield the same SQL over a table with a btree on (signal, source_time), analysed."""
    with running_postgres() as server:
        connect: Any = asyncpg.connect  # not annotated
        connection = await connect(server.database())
        try:
            await connection.execute(
                "CREATE TABLE reading (signal integer, source_time bigint, gateway_time bigint,"
                " value double precision, status smallint);"
                "CREATE TABLE limits (signal integer, action_high double precision)"
            )
            lists = [each.tolist() for each in readings.arrays()]
            await connection.copy_records_to_table("reading", records=zip(*lists, strict=True))
            await connection.copy_records_to_table(
                "limits", records=list(enumerate(readings.limits))
            )
            await connection.execute("CREATE INDEX ON reading (signal, source_time)")
            await connection.execute("SET work_mem = '256MB'")
            await connection.execute("VACUUM ANALYZE reading")
            sql = _full_sql("reading", readings)

            async def full() -> Figures:
                with Stopwatch() as watch:
                    await connection.fetch(sql)
                return {"seconds": watch.seconds}

            yield full
        finally:
            await connection.close()


def _full_sql(table: str, readings: LotReadings) -> str:
    return _FULL.format(table=table, start=START, end=readings.end, gap=GAP_MAX)
