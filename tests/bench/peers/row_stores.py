"""What a historian usually is, to be measured beside: a row a reading, with a key, durable.

Both are given the rows ready to be stored, and verify nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from protocols.wire.reading import Reading
from tests.servers import running_postgres


class ReadingRow(NamedTuple):
    """A reading as a row."""

    signal: int
    source_time: int
    gateway_time: int
    value: float
    status: int


def rows_of(readings: Iterable[Reading], signals: dict[str, int]) -> list[ReadingRow]:
    """Return numeric readings as rows; ``signals`` gives each signal its number."""
    return [
        ReadingRow(
            signals.setdefault(reading.signal, len(signals)),
            reading.source_time or reading.gateway_time,
            reading.gateway_time,
            float(reading.value) if isinstance(reading.value, int | float) else 0.0,
            int(reading.status),
        )
        for reading in readings
    ]


class Key(Enum):
    """By what a table of readings is ordered."""

    SIGNAL_AND_TIME = "PRIMARY KEY (signal, source_time)"  # as a historian asks for them
    ARRIVAL = "number INTEGER PRIMARY KEY"  # as a queue takes them, which costs least to write


class SqliteRows:
    """A table of readings in SQLite, WAL and synchronous FULL."""

    def __init__(self, path: Path, key: Key = Key.SIGNAL_AND_TIME) -> None:
        self.database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = wal", "synchronous = full", "cache_size = -65536"):
            self.database.execute(f"PRAGMA {pragma}")
        self.database.execute(
            "CREATE TABLE IF NOT EXISTS reading (signal INTEGER, source_time INTEGER,"
            f" gateway_time INTEGER, value REAL, status INTEGER, {key.value})"
        )

    def store(self, rows: Sequence[ReadingRow]) -> None:
        """Store rows in one transaction."""
        self.database.execute("BEGIN IMMEDIATE")
        self.database.executemany(_INSERT, rows)
        self.database.execute("COMMIT")

    def free(self, *, before: int) -> None:
        """Delete the readings older than a source time, in one transaction."""
        self.database.execute("DELETE FROM reading WHERE source_time < ?", (before,))

    def close(self) -> None:
        """Let go of the file."""
        self.database.close()


_INSERT = (
    "INSERT OR IGNORE INTO reading (signal, source_time, gateway_time, value, status)"
    " VALUES (?, ?, ?, ?, ?)"
)


class PostgresRows:
    """A table of readings in PostgreSQL, durable as it comes: COPY into it, and a btree."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def store(self, rows: Sequence[ReadingRow]) -> None:
        """Store rows in one transaction."""
        connection: Any = self._connection  # its methods are not annotated
        await connection.copy_records_to_table("reading", records=rows)


@asynccontextmanager
async def postgres_rows() -> AsyncIterator[PostgresRows]:
    """Run a cluster of its own with such a table."""
    with running_postgres() as server:
        connect: Any = asyncpg.connect  # not annotated
        connection = await connect(server.database())
        try:
            await connection.execute("ALTER SYSTEM SET max_wal_size = '4GB'")
            await connection.execute("SELECT pg_reload_conf()")
            await connection.execute(
                "CREATE TABLE reading (signal integer, source_time bigint, gateway_time bigint,"
                " value double precision, status smallint);"
                "CREATE INDEX ON reading (signal, source_time)"
            )
            yield PostgresRows(connection)
        finally:
            await connection.close()
