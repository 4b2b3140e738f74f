"""The store in PostgreSQL, for many gateways and several workers.

Writers take an advisory lock for the length of their transaction, so that one at a time extends
the log and the chains; readers see one snapshot and wait for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from aggregator.errors import (
    SchemaError,
    StoreConflictError,
    StoreError,
    StoreUnavailableError,
)
from aggregator.store.base import Param, Row
from aggregator.store.queries import Query, query_named
from aggregator.store.schema import pending
from aggregator.store.sqlite import SqliteStore
from aggregator.store.table_file import Table, TableFile

_pg: Final[Any] = asyncpg  # its annotations are partial
DIALECT: Final = "postgres"
_WRITERS_LOCK: Final = 0x10780F  # any number that all workers agree on
_COPY_S: Final = 86_400.0
"""A copy of all that a plant has stored may take its time."""
_PAGE: Final = 1_000  # rows


class PostgresStore:
    """A store in the database that ``url`` names."""

    def __init__(self, url: str, *, readers: int = 2, timeout_seconds: float = 10.0) -> None:
        """Use up to ``readers`` connections besides the writer's; each statement is bounded."""
        self._url = url
        self._size = readers + 1
        self._timeout = timeout_seconds
        self._pool: Any = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Connect; StoreUnavailableError where there is no server, or it lets us not in."""
        try:
            self._pool = await _pg.create_pool(
                self._url,
                min_size=1,
                max_size=self._size,
                timeout=self._timeout,
                command_timeout=self._timeout,
                server_settings={"application_name": "lotproof-aggregator"},
            )
        except (OSError, _pg.PostgresError, _pg.InterfaceError, ValueError) as error:
            raise StoreUnavailableError(
                f"PostgreSQL cannot be reached: {error or type(error).__name__}",
                hint="see store.url, and whether the server runs and lets this user in",
            ) from None

    async def close(self) -> None:
        """Close every connection."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                async with asyncio.timeout(self._timeout):
                    await pool.close()
            except TimeoutError:
                pool.terminate()

    async def migrate(self) -> list[str]:
        """Apply what is missing of the migrations, all in one transaction."""
        taken = []
        async with self._connection() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _WRITERS_LOCK)
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations"
                " (number BIGINT PRIMARY KEY, subject TEXT NOT NULL, digest TEXT NOT NULL)"
            )
            rows = await connection.fetch("SELECT number, digest FROM schema_migrations")
            for migration in pending(DIALECT, {row["number"]: row["digest"] for row in rows}):
                try:
                    await connection.execute(migration.sql)
                except _pg.PostgresError as error:
                    raise SchemaError(f"the migration {migration.name} failed: {error}") from None
                await connection.execute(
                    "INSERT INTO schema_migrations VALUES ($1, $2, $3)",
                    migration.number,
                    migration.subject,
                    migration.digest,
                )
                taken.append(migration.name)
        return taken

    @asynccontextmanager
    async def write(self) -> AsyncIterator[PostgresTransaction]:
        """Begin the one transaction that writes."""
        async with self._turn, self._transaction() as transaction:
            await transaction.lock()
            yield transaction

    @asynccontextmanager
    async def read(self) -> AsyncIterator[PostgresTransaction]:
        """Begin a transaction that sees one state."""
        async with self._transaction(isolation="repeatable_read", readonly=True) as transaction:
            yield transaction

    async def look(self, name: str, /, **params: Param) -> list[Row]:
        """Return all rows of one query: a statement alone is a transaction of its own."""
        async with self._connection() as connection:
            return await PostgresTransaction(connection).fetch(name, **params)

    async def copy_to(self, path: Path) -> None:
        """Write all that is stored into a new SQLite file."""
        if await asyncio.to_thread(path.exists):
            raise StoreConflictError(f"{path} is there already")
        await _make(path)
        async with self._connection() as connection:
            with _Translated(), TableFile(path, writable=True) as file:
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    file.empty()
                    for table in file.tables:
                        await _copy_out(connection, table, file)

    async def fill_from(self, path: Path) -> None:
        """Put what a SQLite file holds in the place of all that is stored."""
        async with self._turn, self._connection() as connection:
            with _Translated(), TableFile(path) as file:
                async with connection.transaction():
                    await connection.execute("SELECT pg_advisory_xact_lock($1)", _WRITERS_LOCK)
                    names = ", ".join(f'"{table.name}"' for table in file.tables)
                    await connection.execute(f"TRUNCATE {names}")
                    for table in file.tables:
                        await connection.copy_records_to_table(
                            table.name,
                            records=file.rows(table),
                            columns=table.columns,
                            timeout=_COPY_S,
                        )

    @asynccontextmanager
    async def _transaction(self, **options: Any) -> AsyncIterator[PostgresTransaction]:
        async with self._connection() as connection:
            inner = connection.transaction(**options)
            with _Translated():
                await inner.start()
            transaction = PostgresTransaction(connection)
            try:
                yield transaction
            except BaseException:
                transaction.end()
                with _Translated():
                    await asyncio.shield(inner.rollback())
                raise
            transaction.end()
            with _Translated():
                await inner.commit()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        if self._pool is None:
            raise StoreError("the store is not open")
        with _Translated():
            connection = await self._pool.acquire(timeout=self._timeout)
        try:
            yield connection
        finally:
            await self._pool.release(connection, timeout=self._timeout)


class PostgresTransaction:
    """One transaction on one connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Any) -> None:
        self._connection: Any = connection

    async def lock(self) -> None:
        """Wait until no other worker writes; the end of the transaction lets the next one in."""
        with _Translated():
            await self._open().execute("SELECT pg_advisory_xact_lock($1)", _WRITERS_LOCK)

    def end(self) -> None:
        """Refuse every call from now on."""
        self._connection = None

    async def fetch(self, name: str, /, **params: Param) -> list[Row]:
        """Return all rows."""
        query, values = _bound(name, params)
        with _Translated():
            return list(await self._open().fetch(query.numbered, *values))

    async def fetch_one(self, name: str, /, **params: Param) -> Row | None:
        """Return the first row, if any."""
        query, values = _bound(name, params)
        with _Translated():
            row: Row | None = await self._open().fetchrow(query.numbered, *values)
        return row

    async def execute(self, name: str, /, **params: Param) -> int:
        """Run a statement and return how many rows it touched."""
        query, values = _bound(name, params)
        with _Translated():
            status: str = await self._open().execute(query.numbered, *values)
        count = status.rpartition(" ")[2]  # "UPDATE 3", "INSERT 0 1"
        return int(count) if count.isdigit() else -1

    async def execute_many(self, name: str, rows: Sequence[Mapping[str, Param]], /) -> None:
        """Run a statement for each of ``rows``."""
        if not rows:
            return
        query, _ = _bound(name, rows[0])
        values = [[row[param] for param in query.params] for row in rows]
        with _Translated():
            await self._open().executemany(query.numbered, values)

    def _open(self) -> Any:
        if self._connection is None:
            raise StoreError("the transaction is over")
        return self._connection


async def _make(path: Path) -> None:
    """Make a SQLite file with the tables that this store has."""
    made = SqliteStore(path)
    await made.open()
    try:
        await made.migrate()
    finally:
        await made.close()


async def _copy_out(connection: Any, table: Table, file: TableFile) -> None:
    columns = ", ".join(f'"{column}"' for column in table.columns)
    page: list[tuple[Any, ...]] = []
    query = f'SELECT {columns} FROM "{table.name}"'  # noqa: S608 # names of the schema
    async for row in connection.cursor(query, prefetch=_PAGE, timeout=_COPY_S):
        page.append(tuple(row))
        if len(page) == _PAGE:
            await asyncio.to_thread(file.put, table, page)
            page = []
    await asyncio.to_thread(file.put, table, page)


def _bound(name: str, params: Mapping[str, Param]) -> tuple[Query, list[Param]]:
    query = query_named(DIALECT, name)
    query.check(params)
    return query, [params[param] for param in query.params]


class _Translated:
    """Lets no error of the library out."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        """Raise ours in place of the library's."""
        match error:
            case _pg.IntegrityConstraintViolationError():
                raise StoreConflictError(f"the store refused a row: {error}") from None
            case _pg.DataError() | _pg.SyntaxOrAccessError():
                raise StoreError(f"the store could not do it: {error}") from None
            case _pg.PostgresError() | _pg.InterfaceError() | ConnectionError() | TimeoutError():
                raise StoreUnavailableError(
                    f"PostgreSQL could not do it: {error or type(error).__name__}",
                    hint="see the server's log",
                ) from None
