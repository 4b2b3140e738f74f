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
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from edge_agent.buffer.database import (
    APPLICATION_ID,
    PAGE_BYTES,
    SCHEMA_VERSION,
    SQL,
    check_ours,
    connect,
    disk,
    pragma,
    transaction,
)
from edge_agent.errors import BufferDamagedError, BufferFullError, BundleUnreadableError
from protocols.wire.bundle import Bundle, open_body, peek_header
from protocols.wire.errors import WireError
from protocols.wire.header import Counters, Epoch, GatewayId, Header, Opening, OpeningReason
from protocols.wire.reading import WHOLE_GATEWAY, Gap, GapReason, Nanoseconds
from protocols.wire.tlog import leaf_hash

BYTES_MAX_LEAST: Final = 1_048_576
FREE_AT_ONCE: Final = 500  # bundles freed in one transaction
_PAGE: Final = 1000  # numbers read at once
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


class Noted(NamedTuple):
    """A receipt, the newest checkpoint, and the clock floor that they prove."""

    epoch: Epoch
    receipt: StoredReceipt
    checkpoint: StoredCheckpoint | None = None
    floor: Nanoseconds = 0


class Buffer:
    """An open buffer; make one with ``create``, ``open`` or ``read_only``."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, bytes_max: int) -> None:
        self.path = path
        self.bytes_max = bytes_max
        self._connection = connection
        with disk(path):
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
        self.noted: Noted | None = None
        """What the next ``append`` stores along; lost with the power, it comes again."""

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
        with disk(path):
            connection = connect(path, bytes_max)
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
        with disk(path):
            connection = connect(path, bytes_max)
            check_ours(path, connection)
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
        with disk(path):
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
            )
            check_ours(path, connection)
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
        with transaction(self.path, self._connection):
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
            self._write_noted()
        self.head = head
        self.floor = max(self.floor, floor)
        self._take_noted()

    def note(self, noted: Noted) -> None:
        """Store this receipt with the next append: a commit of its own would wear the flash.

        Until it is stored it frees nothing. One of another epoch is of no use here.
        """
        if noted.epoch == self.epoch:
            self.noted = noted

    def store_noted(self) -> None:
        """Store the receipt that waits for an append now; nothing is done where none waits."""
        if self.noted is not None:
            with transaction(self.path, self._connection):
                self._write_noted()
            self._take_noted()

    def free(self, *, sealed_before: Nanoseconds, keep_bytes: int) -> int:
        """Free bundles that a receipt covers: old ones, and any while over ``keep_bytes``.

        Returns how many; at most ``FREE_AT_ONCE``, so call again while it returns that.
        """
        if self.used_bytes() > keep_bytes:
            sealed_before = 2**63 - 1
        with transaction(self.path, self._connection):
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

    def unreadable(self, number: int) -> Gap:
        """Return the gap that a bundle leaves which cannot be read: by its header, else by others.

        The bundles on either side tell when it was, and how many readings it held.
        """
        own, before, after = map(self._header, (number, number - 1, number + 1))
        count: int | None = None
        if own is not None:
            start, end, count = own.first_time, own.last_time, own.count
        else:
            end = self.sealed_time(number) if after is None else after.first_time
            start = end if before is None else before.last_time
            if before is not None and after is not None:
                count = after.first_reading - before.end_reading
        return Gap(
            subject=WHOLE_GATEWAY,
            start=min(start, end),
            end=max(start, end),
            count=count,
            reason=GapReason.UNREADABLE,
        )

    def leaf(self, number: int) -> bytes | None:
        """Return the leaf hash of a bundle, None where it was freed; of the head always."""
        if number == self.head.number:
            return self.head.leaf
        with disk(self.path):
            row = self._connection.execute(SQL["leaf"], (number,)).fetchone()
        return None if row is None else bytes(row[0])

    def sealed_time(self, number: int) -> Nanoseconds:
        """Return when a bundle was sealed; where it is not there, when the first that is was."""
        with disk(self.path):
            row = self._connection.execute(SQL["sealed_time"], (number,)).fetchone()
        return self.head.sealed_time if row is None else int(row[0])

    def numbers(self) -> Iterator[int]:
        """Yield the numbers of the bundles stored, in order.

        Some at a time: a cursor left open would keep a running agent's log from being folded in.
        """
        after = -1
        while True:
            with disk(self.path):
                page = self._connection.execute(SQL["numbers"], (after, _PAGE)).fetchall()
            yield from (number for (number,) in page)
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    def freed(self, number: int) -> bool:
        """Tell whether a bundle was freed by now: a receipt covers it, and none before it is left.

        Asked of the file, where a running agent frees while another process reads.
        """
        with disk(self.path):
            stored = self._connection.execute(SQL["receipt"]).fetchone()
        _, first = self.extent()
        return first > number and stored is not None and int(stored[0]) >= number

    def extent(self) -> tuple[int, int]:
        """Return how many bundles are stored and the number of the first (head + 1 if none)."""
        with disk(self.path):
            count, first = self._connection.execute(SQL["extent"]).fetchone()
        return count, self.head.number + 1 if first is None else first

    def used_bytes(self) -> int:
        """Return the bytes of the file that hold something."""
        with disk(self.path):
            pages = pragma(self._connection, "page_count")
            free = pragma(self._connection, "freelist_count")
        return (pages - free) * PAGE_BYTES

    def problems(self) -> list[str]:
        """Return what SQLite's own integrity check says, nothing where all is well."""
        with disk(self.path):
            rows = self._connection.execute("PRAGMA integrity_check(100)").fetchall()
        return [row[0] for row in rows if row[0] != "ok"]

    def close(self) -> None:
        """Close the file; what was appended stays."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def _write_noted(self) -> None:
        if self.noted is None:
            return
        self._connection.execute(SQL["store_receipt"], self.noted.receipt)
        self._connection.execute(SQL["raise_floor"], (self.noted.floor,))
        if self.noted.checkpoint not in (None, self.checkpoint):
            self._connection.execute(SQL["store_checkpoint"], self.noted.checkpoint)

    def _take_noted(self) -> None:
        noted, self.noted = self.noted, None
        if noted is not None:
            self.receipt = noted.receipt
            self.checkpoint = noted.checkpoint or self.checkpoint
            self.floor = max(self.floor, noted.floor)

    def _header(self, number: int) -> Header | None:
        """Return a bundle's header as it stands there; None where it cannot be read."""
        try:
            row = self._connection.execute(SQL["bundle"], (number,)).fetchone()
            header = None if row is None else peek_header(row[1])[1]
        except (sqlite3.Error, WireError):
            return None
        return header if header is not None and header.number == number else None

    def _check_head(self) -> None:
        """Refuse a buffer whose head is not the bundle that its row says."""
        if self.head.number >= 0:
            with disk(self.path):  # a read that fails says nothing against what is stored
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
