"""The gateway's buffer: sealed bundles on disk until the aggregator's receipt covers them.

One SQLite file is one epoch. WAL with synchronous=FULL, read back at the start: what ``append``
returned from is on disk when power fails (docs/decisions/0003-gateway-buffer.md). Bundle, head,
counters and clock floor move in one transaction. The file never grows past its cap, and data is
refused below it, so that there is always room to write receipts and to free what they cover.

Used from one thread at a time; ``storage.Storage`` sees to that.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from edge_agent.errors import (
    BufferDamagedError,
    BufferFullError,
    BundleUnreadableError,
    StorageFailedError,
)
from protocols.wire.bundle import Bundle, open_body, peek_header
from protocols.wire.errors import WireError
from protocols.wire.header import Counters, Epoch, GatewayId, Opening, OpeningReason
from protocols.wire.reading import Nanoseconds
from protocols.wire.tlog import leaf_hash

APPLICATION_ID: Final = 0x4C50_6275  # "LPbu"
SCHEMA_VERSION: Final = 1
PAGE_BYTES: Final = 1024  # a commit writes whole pages: small ones spare the flash
BYTES_MAX_LEAST: Final = 1_048_576
FREE_AT_ONCE: Final = 500  # bundles freed in one transaction
_ROOM_PERCENT: Final = {False: 90, True: 97}  # of the cap: for all, and for what comes only once
_ROW_BYTES: Final = 1500  # what a row costs beside its blobs: partly filled pages, the head


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of the chain, and what was counted up to it."""

    number: int  # of the last sealed bundle; -1 before the first
    leaf: bytes
    end_reading: int
    sealed_time: Nanoseconds
    counters: Counters


class Appended(NamedTuple):
    """A bundle to be stored, and its place in the chain."""

    number: int
    leaf: bytes
    sealed_time: Nanoseconds
    bundle: Bundle


class StoredReceipt(NamedTuple):
    """The newest receipt; number -1 and no bytes before the first."""

    number: int
    sealed: bytes


class StoredCheckpoint(NamedTuple):
    """The newest checkpoint and the record time of the receipt that brought it."""

    time: Nanoseconds
    note: str


class Buffer:
    """An open buffer; make one with ``create``, ``open`` or ``read_only``."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, bytes_max: int) -> None:
        self.path = path
        self.bytes_max = bytes_max
        self._connection = connection
        with _disk(path):
            row = connection.execute(SQL["epoch"]).fetchone()
            if row is None:
                raise BufferDamagedError(f"{path} holds no epoch")
            stored = connection.execute(SQL["receipt"]).fetchone()
            seen = connection.execute(SQL["checkpoint"]).fetchone()
        self.gateway, self.epoch, reason, previous, head, receipt, *rest = row
        self.gateway = GatewayId(self.gateway)
        self.epoch = Epoch(self.epoch)
        self.opening = Opening(
            reason=OpeningReason(reason),
            previous_epoch=previous,
            previous_head=head,
            last_receipt=receipt,
        )
        number, leaf, end_reading, sealed_time, read, sealed, refused, self.floor = rest
        counters = Counters(read=read, sealed=sealed, refused=json.loads(refused))
        self.head = Head(
            number=number,
            leaf=leaf,
            end_reading=end_reading,
            sealed_time=sealed_time,
            counters=counters,
        )
        self.receipt = StoredReceipt(*stored) if stored else StoredReceipt(-1, b"")
        self.checkpoint = StoredCheckpoint(*seen) if seen else None

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        gateway: GatewayId,
        epoch: Epoch,
        opening: Opening,
        time: Nanoseconds,
        floor: Nanoseconds,
        bytes_max: int,
    ) -> Self:
        """Make a buffer for a new epoch; StorageFailedError where the disk does not take it."""
        with _disk(path):
            connection = _connect(path, bytes_max)
            connection.execute("BEGIN IMMEDIATE")
            for statement in SQL["schema"].split(";\n\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute(
                SQL["create_epoch"],
                (
                    gateway,
                    epoch,
                    int(opening.reason),
                    opening.previous_epoch,
                    opening.previous_head,
                    opening.last_receipt,
                    time,
                    floor,
                ),
            )
            connection.execute("COMMIT")
        return cls(path, connection, bytes_max=bytes_max)

    @classmethod
    def open(cls, path: Path, *, gateway: GatewayId, bytes_max: int) -> Self:
        """Open the buffer in ``path`` and look at its head.

        Raises BufferDamagedError where it is no whole buffer of ``gateway``, StorageFailedError
        where the disk does not serve.
        """
        with _disk(path):
            connection = _connect(path, bytes_max)
            _check_ours(path, connection)
        buffer = cls(path, connection, bytes_max=bytes_max)
        if buffer.gateway != gateway:
            buffer.close()
            raise BufferDamagedError(f"{path} is the buffer of gateway {buffer.gateway}")
        try:
            buffer._check_head()
        except BundleUnreadableError as error:
            buffer.close()
            raise BufferDamagedError(f"{path}: {error}") from error
        return buffer

    @classmethod
    def read_only(cls, path: Path) -> Self:
        """Open the buffer in ``path`` beside a running agent, or after it; errors as ``open``."""
        if not path.exists():
            raise BufferDamagedError(f"{path} does not exist", hint="look at gateway.data_dir")
        with _disk(path):
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
            )
            _check_ours(path, connection)
        return cls(path, connection, bytes_max=0)

    def append(
        self, bundles: Sequence[Appended], head: Head, *, floor: Nanoseconds, urgent: bool
    ) -> None:
        """Store ``bundles`` and move the head, or do neither.

        Raises BufferFullError past the room (more of it for ``urgent``), StorageFailedError when
        the disk fails: then nothing may be acknowledged any more.
        """
        wanted = sum(
            len(added.bundle.sealed_header) + len(added.bundle.body) + _ROW_BYTES
            for added in bundles
        )
        if self.used_bytes() + wanted > self.bytes_max * _ROOM_PERCENT[urgent] // 100:
            raise BufferFullError(f"the buffer {self.path} is at its cap of {self.bytes_max} bytes")
        counters = head.counters
        with self._transaction():
            self._connection.executemany(
                SQL["append"],
                [(added.number, added.leaf, added.sealed_time, *added.bundle) for added in bundles],
            )
            self._connection.execute(
                SQL["move_head"],
                (
                    head.number,
                    head.leaf,
                    head.end_reading,
                    head.sealed_time,
                    counters.read,
                    counters.sealed,
                    json.dumps(dict(counters.refused), sort_keys=True),
                    floor,
                ),
            )
        self.head = head
        self.floor = max(self.floor, floor)

    def receive(
        self, receipt: StoredReceipt, checkpoint: StoredCheckpoint | None, *, floor: Nanoseconds
    ) -> None:
        """Store the newest receipt, and the checkpoint that it brought."""
        with self._transaction():
            self._connection.execute(SQL["store_receipt"], receipt)
            self._connection.execute(SQL["raise_floor"], (floor,))
            if checkpoint is not None:
                self._connection.execute(SQL["store_checkpoint"], checkpoint)
        self.receipt = receipt
        self.checkpoint = checkpoint or self.checkpoint
        self.floor = max(self.floor, floor)

    def free(self, *, sealed_before: Nanoseconds, keep_bytes: int) -> int:
        """Free bundles that a receipt covers: old ones, and any while over ``keep_bytes``.

        Returns how many; at most ``FREE_AT_ONCE``, so call again while it returns that.
        """
        if self.used_bytes() > keep_bytes:
            sealed_before = 2**63 - 1
        with self._transaction():
            return self._connection.execute(
                SQL["free_older"], (sealed_before, FREE_AT_ONCE)
            ).rowcount

    def bundle(self, number: int) -> Bundle:
        """Return a bundle, checked against its own hashes; BundleUnreadableError if it is not."""
        try:
            row = self._connection.execute(SQL["bundle"], (number,)).fetchone()
        except sqlite3.Error as error:
            raise BundleUnreadableError(f"bundle {number} cannot be read: {error}") from error
        return _whole(number, row)

    def leaf(self, number: int) -> bytes | None:
        """Return the leaf hash of a bundle, None where it was freed; of the head always."""
        if number == self.head.number:
            return self.head.leaf
        with _disk(self.path):
            row = self._connection.execute(SQL["leaf"], (number,)).fetchone()
        return None if row is None else bytes(row[0])

    def sealed_time(self, number: int) -> Nanoseconds:
        """Return when a bundle was sealed; where it is not there, when the first that is was."""
        with _disk(self.path):
            row = self._connection.execute(SQL["sealed_time"], (number,)).fetchone()
        return self.head.sealed_time if row is None else int(row[0])

    def numbers(self, after: int = -1) -> Iterator[int]:
        """Yield the numbers of the bundles stored beyond ``after``, in order."""
        with _disk(self.path):
            for (number,) in self._connection.execute(SQL["numbers"], (after,)):
                yield number

    def extent(self) -> tuple[int, int]:
        """Return how many bundles are stored and the number of the first (head + 1 if none)."""
        with _disk(self.path):
            count, first = self._connection.execute(SQL["extent"]).fetchone()
        return count, self.head.number + 1 if first is None else first

    def used_bytes(self) -> int:
        """Return the bytes of the file that hold something."""
        with _disk(self.path):
            pages = _pragma(self._connection, "page_count")
            free = _pragma(self._connection, "freelist_count")
        return (pages - free) * PAGE_BYTES

    def problems(self) -> list[str]:
        """Return what SQLite's own integrity check says, nothing where all is well."""
        with _disk(self.path):
            rows = self._connection.execute("PRAGMA integrity_check(100)").fetchall()
        return [row[0] for row in rows if row[0] != "ok"]

    def close(self) -> None:
        """Close the file; what was appended stays."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with _disk(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _check_head(self) -> None:
        """Refuse a buffer whose head is not the bundle that its row says."""
        if self.head.number >= 0:
            with _disk(self.path):  # a read that fails says nothing against what is stored
                row = self._connection.execute(SQL["bundle"], (self.head.number,)).fetchone()
            bundle = _whole(self.head.number, row)
            if leaf_hash(bundle.sealed_header) != self.head.leaf:
                raise BundleUnreadableError("the head of the chain is not the last bundle")


def _whole(number: int, row: tuple[Any, ...] | None) -> Bundle:
    """Return the bundle of a row; BundleUnreadableError unless it is the one that was stored."""
    if row is None:
        raise BundleUnreadableError(f"bundle {number} is not in the buffer")
    leaf, bundle = row[0], Bundle(*row[1:])
    try:
        _, header = peek_header(bundle.sealed_header)
        open_body(header, bundle.body)
    except WireError as error:
        raise BundleUnreadableError(f"bundle {number} is damaged: {error}") from error
    if leaf_hash(bundle.sealed_header) != leaf or header.number != number:
        raise BundleUnreadableError(f"bundle {number} is not the one that was stored")
    return bundle


def _connect(path: Path, bytes_max: int) -> sqlite3.Connection:
    """Open a database for writing, durable, and believe no pragma that is not read back."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute("PRAGMA journal_size_limit = 8388608")
    connection.execute("PRAGMA trusted_schema = OFF")
    cap = connection.execute(f"PRAGMA max_page_count = {bytes_max // PAGE_BYTES}").fetchone()[0]
    wrong = [
        name
        for name, found, wanted in (
            ("journal_mode", mode, "wal"),
            ("synchronous", _pragma(connection, "synchronous"), 2),
            ("page_size", _pragma(connection, "page_size"), PAGE_BYTES),
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


def _check_ours(path: Path, connection: sqlite3.Connection) -> None:
    found = _pragma(connection, "application_id"), _pragma(connection, "user_version")
    if found != (APPLICATION_ID, SCHEMA_VERSION):
        connection.close()
        raise BufferDamagedError(f"{path} is not a buffer of this version of Lotproof")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


@contextlib.contextmanager
def _disk(path: Path) -> Iterator[None]:
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


def _statements(text: str) -> dict[str, str]:
    """Return the statements of a file by name."""
    parts = text.split("-- name: ")[1:]
    return {name: body.strip() for name, _, body in (part.partition("\n") for part in parts)}


SQL: Final = _statements(resources.files("edge_agent").joinpath("buffer.sql").read_text("utf-8"))
