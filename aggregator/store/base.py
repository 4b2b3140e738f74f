"""The contract that every store passes (tests/contract/test_store_contract.py).

SQL stands in files of named queries (``store/sql/queries``); callers name a query and give its
parameters. Values are integers (64 bits), floats, text, bytes or None; JSON travels as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

Param = int | float | str | bytes | None
Row = Mapping[str, Any]


class Transaction(Protocol):
    """What can be done between begin and commit; unusable after either.

    Every method raises StoreError: StoreConflictError where a constraint is broken,
    StoreUnavailableError where the store is locked, full or gone.
    """

    async def fetch(self, name: str, /, **params: Param) -> list[Row]:
        """Return all rows of the query ``name``."""

    async def fetch_one(self, name: str, /, **params: Param) -> Row | None:
        """Return the first row of the query ``name``, None where there is none."""

    async def execute(self, name: str, /, **params: Param) -> int:
        """Run the query ``name`` and return how many rows it touched."""

    async def execute_many(self, name: str, rows: Sequence[Mapping[str, Param]], /) -> None:
        """Run the query ``name`` once for each of ``rows``."""


class Store(Protocol):
    """A place that keeps rows durably."""

    async def open(self) -> None:
        """Connect; StoreUnavailableError where there is nothing to connect to."""

    async def close(self) -> None:
        """Let go of every connection; safe to call twice."""

    async def migrate(self) -> list[str]:
        """Bring the schema to this program's version and return the steps taken, often none.

        Raises SchemaError where the store is newer, or a step differs from the one applied.
        """

    def write(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin the one transaction that writes; others wait for their turn.

        It commits durably where the block ends, and rolls back where the block raises.
        """

    def read(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction that sees one state of the store and changes nothing."""

    async def look(self, name: str, /, **params: Param) -> list[Row]:
        """Return all rows of one query that changes nothing: ``read`` for who asks all day.

        Raises what a transaction's methods do.
        """

    async def copy_to(self, path: Path) -> None:
        """Write all that is stored, of one moment, into the new SQLite file ``path``.

        Others read and write meanwhile. Raises StoreConflictError where the file is there.
        """

    async def fill_from(self, path: Path) -> None:
        """Put what the SQLite file ``path`` holds in the place of all that is stored.

        All of it or nothing is taken over. Raises StoreError for a file that is no store, and
        SchemaError for one whose schema is not this version's.
        """
