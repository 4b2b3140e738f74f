"""The store in one SQLite file: a writer's thread and a few readers' threads.

WAL with synchronous FULL is the one mode that lost nothing in any power cut; the pragmas are read
back at every start, since SQLite answers a mode that it cannot have with another one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from aggregator.errors import (
    SchemaError,
    StoreConflictError,
    StoreError,
    StoreUnavailableError,
)
from aggregator.store.base import Param, Row
from aggregator.store.queries import query_named
from aggregator.store.schema import pending
from aggregator.store.table_file import TableFile

T = TypeVar("T")
DIALECT: Final = "sqlite"


class SqliteStore:
    """A store in the file ``path``, which is made where it is missing."""

    def __init__(self, path: Path, *, readers: int = 2, timeout_seconds: float = 10.0) -> None:
        """Keep the file at ``path``; ``timeout_seconds`` bounds the wait for another process."""
        self._path = path
        self._timeout = timeout_seconds
        self._writer = _Connection("store-writer", path, timeout_seconds)
        self._readers = [
            _Connection(f"store-reader-{number}", path, timeout_seconds)
            for number in range(readers)
        ]
        self._turn = asyncio.Lock()
        self._idle: asyncio.Queue[_Connection] = asyncio.Queue()

    async def open(self) -> None:
        """Make or open the file and read the pragmas back."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailableError(
                f"the folder of {self._path} cannot be made: {error}",
                hint="set store.url to a place that the aggregator may write to",
            ) from None
        for connection in (self._writer, *self._readers):
            await connection.open()
        for reader in self._readers:
            self._idle.put_nowait(reader)

    async def close(self) -> None:
        """Close every connection; the last one folds the WAL into the file."""
        while not self._idle.empty():
            self._idle.get_nowait()
        for connection in (*self._readers, self._writer):
            await connection.close()

    async def migrate(self) -> list[str]:
        """Apply what is missing of the migrations, each in a transaction of its own."""
        async with self._turn:
            return await self._writer.run(_migrate)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[SqliteTransaction]:
        """Begin the one transaction that writes."""
        async with self._turn, self._transaction(self._writer, "BEGIN IMMEDIATE") as transaction:
            yield transaction

    @asynccontextmanager
    async def read(self) -> AsyncIterator[SqliteTransaction]:
        """Begin a transaction that sees one state."""
        async with self._reader() as reader, self._transaction(reader, "BEGIN") as transaction:
            yield transaction

    async def look(self, name: str, /, **params: Param) -> list[Row]:
        """Return all rows of one query: a statement alone is a transaction of its own."""
        sql = _sql(name, params)
        async with self._reader() as reader:
            return await reader.run(lambda database: database.execute(sql, params).fetchall())

    async def copy_to(self, path: Path) -> None:
        """Write all that is stored into a new file."""
        if await asyncio.to_thread(path.exists):
            raise StoreConflictError(f"{path} is there already")
        connection = _Connection("store-copy", self._path, self._timeout)
        await connection.open()
        try:
            await connection.run(lambda database: database.execute("VACUUM INTO ?", (str(path),)))
        finally:
            await connection.close()

    async def fill_from(self, path: Path) -> None:
        """Put what a file holds in the place of all that is stored."""
        async with self._turn:
            await asyncio.to_thread(_fill, path, self._path)

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[_Connection]:
        try:
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes with the reader.
            async with asyncio.timeout(self._timeout):
                reader = await self._idle.get()
        except TimeoutError:
            raise StoreUnavailableError("every reader of the store is busy") from None
        try:
            yield reader
        finally:
            self._idle.put_nowait(reader)

    @asynccontextmanager
    async def _transaction(
        self, connection: _Connection, begin: str
    ) -> AsyncIterator[SqliteTransaction]:
        transaction = SqliteTransaction(connection)
        try:
            await connection.run(lambda database: database.execute(begin))
            yield transaction
            transaction.end()
            await connection.run(lambda database: database.execute("COMMIT"))
        except BaseException:
            transaction.end()
            # Shielded, and even where the caller was cancelled in BEGIN or COMMIT: the thread does
            # what it was given, and must not leave a transaction open behind the caller.
            await asyncio.shield(connection.run(_roll_back))
            raise


class SqliteTransaction:
    """One transaction; each call is a statement in the connection's thread."""

    __slots__ = ("_connection", "_ended")

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._ended = False

    def end(self) -> None:
        """Refuse every call from now on."""
        self._ended = True

    async def fetch(self, name: str, /, **params: Param) -> list[Row]:
        """Return all rows."""
        sql = _sql(name, params)
        return await self._run(lambda database: database.execute(sql, params).fetchall())

    async def fetch_one(self, name: str, /, **params: Param) -> Row | None:
        """Return the first row, if any."""
        sql = _sql(name, params)
        row: Row | None = await self._run(lambda database: database.execute(sql, params).fetchone())
        return row

    async def execute(self, name: str, /, **params: Param) -> int:
        """Run a statement and return how many rows it touched."""
        sql = _sql(name, params)
        return await self._run(lambda database: database.execute(sql, params).rowcount)

    async def execute_many(self, name: str, rows: Sequence[Mapping[str, Param]], /) -> None:
        """Run a statement for each of ``rows``."""
        if rows:
            sql = _sql(name, rows[0])
            await self._run(lambda database: database.executemany(sql, rows))

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._ended:
            raise StoreError("the transaction is over")
        return await self._connection.run(work)


def _sql(name: str, params: Mapping[str, Param]) -> str:
    query = query_named(DIALECT, name)
    query.check(params)
    return query.sql


class _Connection:
    """A connection and the one thread that uses it."""

    def __init__(self, name: str, path: Path, timeout_seconds: float) -> None:
        self._name = name
        self._path = path
        self._timeout = timeout_seconds
        self._thread: ThreadPoolExecutor | None = None
        self._database: sqlite3.Connection | None = None

    async def open(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=self._name)
        loop = asyncio.get_running_loop()
        try:
            self._database = await loop.run_in_executor(self._thread, self._connect)
        except sqlite3.Error as error:
            raise StoreUnavailableError(
                f"{self._path} cannot be opened as a store: {error}",
                hint="store.url must name a SQLite file on a local disk, or one yet to be made",
            ) from None

    async def close(self) -> None:
        database, thread = self._database, self._thread
        self._database = self._thread = None
        if thread is not None:
            if database is not None:
                await asyncio.get_running_loop().run_in_executor(thread, database.close)
            thread.shutdown()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``work`` makes of the connection, in its thread."""
        database, thread = self._database, self._thread
        if database is None or thread is None:
            raise StoreError("the store is not open")
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, work, database)
        except sqlite3.IntegrityError as error:
            raise StoreConflictError(f"the store refused a row: {error}") from None
        except sqlite3.OperationalError as error:
            raise StoreUnavailableError(
                f"the store could not do it: {error}", hint="see whether its disk is full"
            ) from None
        except (sqlite3.Error, OverflowError) as error:
            raise StoreError(f"the store could not do it: {error}") from None

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(
            self._path,
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        database.row_factory = _as_mapping
        for pragma, wanted in _PRAGMAS.items():
            database.execute(f"PRAGMA {pragma} = {wanted}")
            (found,) = database.execute(f"PRAGMA {pragma}").fetchone().values()
            if found != wanted:
                database.close()
                raise sqlite3.OperationalError(f"PRAGMA {pragma} is {found!r}, not {wanted!r}")
        return database


_PRAGMAS: Final[Mapping[str, str | int]] = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: a commit is on the disk before it is acknowledged
    "foreign_keys": 1,
    "cache_size": -65_536,  # KiB
}


def _as_mapping(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip([column[0] for column in cursor.description], row, strict=True))


def _roll_back(database: sqlite3.Connection) -> None:
    if database.in_transaction:
        database.execute("ROLLBACK")


def _fill(source: Path, target: Path) -> None:
    try:
        with TableFile(source) as file:
            file.back_up(target)
    except sqlite3.Error as error:
        raise StoreError(f"the store could not be filled: {error}") from None


def _migrate(database: sqlite3.Connection) -> list[str]:
    database.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations"
        " (number INTEGER PRIMARY KEY, subject TEXT NOT NULL, digest TEXT NOT NULL) STRICT"
    )
    applied = {
        row["number"]: row["digest"]
        for row in database.execute("SELECT number, digest FROM schema_migrations")
    }
    taken = []
    for migration in pending(DIALECT, applied):
        try:
            database.execute("BEGIN IMMEDIATE")
            for statement in _statements(migration.sql):
                database.execute(statement)
            database.execute(
                "INSERT INTO schema_migrations VALUES (?, ?, ?)",
                (migration.number, migration.subject, migration.digest),
            )
            database.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(database)
            raise SchemaError(f"the migration {migration.name} failed: {error}") from None
        taken.append(migration.name)
    return taken


def _statements(script: str) -> list[str]:
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements
