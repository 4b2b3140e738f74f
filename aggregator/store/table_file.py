"""A SQLite file, table by table: the one form in which a store of any kind is copied.

SQLite's file is described for good (sqlite.org/fileformat2.html), needs no server to be read, and
has the tables and columns of the other dialects.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Self

from aggregator.errors import SchemaError, StoreError
from aggregator.store.queries import migrations

Values = tuple[int | float | str | bytes | None, ...]


class Table(NamedTuple):
    """A table and its columns."""

    name: str
    columns: tuple[str, ...]


class TableFile:
    """An open file, which whoever opens it closes; another thread than that may use it."""

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        """Open the file; StoreError where it is no store, SchemaError where of another version."""
        mode = "rw" if writable else "ro"
        try:
            self._database = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode={mode}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
            )
            if writable:  # what is written here is one file, without a log beside it
                self._database.execute("PRAGMA journal_mode = DELETE")
                self._database.execute("BEGIN")
            self._check_version(path)
            self.tables = tuple(self._tables())
        except sqlite3.Error as error:
            raise StoreError(f"{path} cannot be read as a store: {error}") from None

    def __enter__(self) -> Self:
        """Return the file."""
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Keep what was put, unless the block raised, and close the file."""
        if kind is None and self._database.in_transaction:
            self._database.execute("COMMIT")
        self._database.close()

    def rows(self, table: Table) -> Iterator[Values]:
        """Yield every row of a table, in the order of its columns."""
        query = f"SELECT {_names(table.columns)} FROM {_name(table)}"  # noqa: S608 # of the schema
        yield from self._database.execute(query)

    def put(self, table: Table, rows: Iterable[Sequence[object]]) -> None:
        """Add rows to a table."""
        marks = ", ".join("?" * len(table.columns))
        names = _names(table.columns)
        statement = f"INSERT INTO {_name(table)} ({names}) VALUES ({marks})"  # noqa: S608 # as above
        self._database.executemany(statement, rows)

    def empty(self) -> None:
        """Take away every row, of what refers before what is referred to."""
        for table in reversed(self.tables):
            self._database.execute(f"DELETE FROM {_name(table)}")  # noqa: S608 # as above

    def back_up(self, path: Path) -> None:
        """Let the SQLite file at ``path`` be what this one is, at once."""
        with closing(sqlite3.connect(path)) as target:
            self._database.backup(target)

    def _check_version(self, path: Path) -> None:
        found = self._database.execute("SELECT number, subject FROM schema_migrations").fetchall()
        if set(found) != {(number, subject) for number, subject, _ in migrations("sqlite")}:
            raise SchemaError(
                f"{path} has the schema of another version",
                hint="restore it with the version that wrote it, then start this one",
            )

    def _tables(self) -> Iterator[Table]:
        """Yield the tables in the order in which they were made: none refers to a later one."""
        found = self._database.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' "
            "ESCAPE '\\' AND name <> 'schema_migrations' ORDER BY rowid"
        ).fetchall()
        for (name,) in found:
            columns = self._database.execute("SELECT name FROM pragma_table_info(?)", (name,))
            yield Table(name, tuple(column for (column,) in columns))


def _name(table: Table) -> str:
    return f'"{table.name}"'


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
