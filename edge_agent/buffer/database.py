"""The buffer's database file: opened durable or not at all, its errors told by what they mean.

The home of SQLite in the agent. WAL with synchronous=FULL, read back at the start: what a commit
returned from is on disk when power fails (docs/decisions/0003-gateway-buffer.md).
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Final

from edge_agent.errors import BufferDamagedError, BufferFullError, StorageFailedError

APPLICATION_ID: Final = 0x4C50_6275  # "LPbu"
SCHEMA_VERSION: Final = 1
PAGE_BYTES: Final = 1024  # a commit writes whole pages: small ones spare the flash


def connect(path: Path, bytes_max: int) -> sqlite3.Connection:
    """Open a database for writing, durable, and believe no pragma that is not read back."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute("PRAGMA journal_size_limit = 8388608")
    connection.execute("PRAGMA trusted_schema = OFF")
    # A page is written once and read once: a larger cache only fills up in an outage.
    connection.execute("PRAGMA cache_size = -256")
    # Zeros over what was freed would be written to other cells of the flash than those they mean.
    connection.execute("PRAGMA secure_delete = OFF")
    cap = connection.execute(f"PRAGMA max_page_count = {bytes_max // PAGE_BYTES}").fetchone()[0]
    wrong = [
        name
        for name, found, wanted in (
            ("journal_mode", mode, "wal"),
            ("synchronous", pragma(connection, "synchronous"), 2),
            ("page_size", pragma(connection, "page_size"), PAGE_BYTES),
        )
        if found != wanted
    ]
    if wrong:
        connection.close()
        raise StorageFailedError(
            f"the file system of {path} does not give {', '.join(wrong)} as it must be",
            hint="put gateway.data_dir on a local disk (ext4, xfs, f2fs), not on a network share",
        )
    if cap * PAGE_BYTES > bytes_max:
        connection.close()
        raise StorageFailedError(
            f"{path} is larger ({cap * PAGE_BYTES} bytes) than buffer.bytes_max allows",
            hint="raise buffer.bytes_max to at least its size; a buffer's file does not shrink",
        )
    return connection


def check_ours(path: Path, connection: sqlite3.Connection) -> None:
    """Raise BufferDamagedError where the database is not a buffer of this version."""
    found = pragma(connection, "application_id"), pragma(connection, "user_version")
    if found != (APPLICATION_ID, SCHEMA_VERSION):
        connection.close()
        raise BufferDamagedError(f"{path} is not a buffer of this version of Lotproof")


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """Return what a pragma says."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


@contextlib.contextmanager
def disk(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, by what they mean for the agent."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "") or type(error).__name__
        if name == "SQLITE_FULL":
            raise BufferFullError(f"no room to write {path}: {error}") from error
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR")):
            raise BufferDamagedError(f"{path} is damaged: {error} ({name})") from error
        raise StorageFailedError(
            f"the buffer {path} failed: {error} ({name})",
            hint="look at the disk (dmesg, smartctl); nothing was acknowledged after this",
        ) from error


@contextlib.contextmanager
def transaction(path: Path, connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done inside, durably, or nothing of it; errors as ``disk`` tells them."""
    with disk(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _statements(text: str) -> dict[str, str]:
    """Return the statements of a file by name."""
    parts = text.split("-- name: ")[1:]
    return {name: body.strip() for name, _, body in (part.partition("\n") for part in parts)}


SQL: Final = _statements(
    resources.files("edge_agent.buffer").joinpath("buffer.sql").read_text("utf-8")
)
