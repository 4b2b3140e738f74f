"""The one buffer in force: opened, renewed, and reached from one thread alone.

    data_dir/lock              held while an agent runs
    data_dir/epoch.json        memory of the epoch beside its buffer, for when the buffer is lost
    data_dir/buffer/buffer.db  the buffer in force; a folder, so that its files move as one
    data_dir/buffer-aside-N/   what was set aside; never deleted by the agent

A buffer that is lost, damaged, foreign, rolled back or cloned ends its epoch. It is set aside and
a new epoch opens, whose first bundle says why and what was last known (docs/specs/bundle.md).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import functools
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import structlog

from edge_agent.buffer.buffer import Buffer
from edge_agent.clock import GatewayClock
from edge_agent.errors import (
    BufferDamagedError,
    BufferFullError,
    BufferLockedError,
    StorageFailedError,
)
from protocols.wire.header import Epoch, GatewayId, Opening, OpeningReason
from protocols.wire.limits import TEXT_BYTES_MAX
from protocols.wire.reading import Nanoseconds

T = TypeVar("T")
BUFFER_FILE: Final = Path("buffer") / "buffer.db"
_log = structlog.get_logger("storage")


class Storage:
    """The buffer in force; every access goes through ``run``."""

    def __init__(
        self, folder: Path, *, gateway: GatewayId, bytes_max: int, clock: GatewayClock
    ) -> None:
        """Keep everything in ``folder``; nothing is touched before ``open``."""
        self.folder = folder
        self.failed: StorageFailedError | None = None
        self.missing_since: Nanoseconds | None = None
        """Gateway time from which readings are missing when ``open`` returns; None: unknown."""
        self._gateway = gateway
        self._bytes_max = bytes_max
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="buffer")
        self._lock: int | None = None
        self._buffer: Buffer | None = None

    @property
    def buffer(self) -> Buffer:
        """The buffer in force, for what it holds in memory: head, receipt, epoch."""
        if self._buffer is None:
            raise StorageFailedError("the buffer is not open")
        return self._buffer

    async def open(self) -> None:
        """Open the buffer, or make one and open an epoch in it.

        Raises BufferLockedError beside another agent, StorageFailedError when the disk fails.
        """
        await asyncio.get_running_loop().run_in_executor(self._thread, self._open)

    async def run(self, work: Callable[[Buffer], T]) -> T:
        """Return what ``work`` does with the buffer, after all work that was asked before.

        Once the disk failed every call raises StorageFailedError: nothing is acknowledged then.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    async def renew(self, reason: OpeningReason, *, head: int | None = None) -> bool:
        """Set the buffer aside and open a new epoch for ``reason``; tell whether it was done.

        Where ``head`` is given, only while no bundle beyond that number is stored.
        """
        return await self.run(functools.partial(self._renew, reason, head))

    async def remember(self) -> None:
        """Write the memory of the epoch, newest receipt included, beside the buffer."""
        await self.run(self._remember)

    async def close(self) -> None:
        """Close the buffer and let another agent have it."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _run(self, work: Callable[[Buffer], T]) -> T:
        if self.failed is not None:
            raise self.failed
        try:
            with _system(self.folder):
                try:
                    return work(self.buffer)
                except BufferDamagedError:
                    _read_through(self.buffer.path.parent)
                    return work(self.buffer)
        except StorageFailedError as error:
            self.failed = error
            raise

    def _open(self) -> None:
        with _system(self.folder):
            self._open_or_make()

    def _open_or_make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_lock()
        path = self.folder / BUFFER_FILE
        if _exists(path):
            try:
                self._use(self._opened(path))
            except BufferDamagedError as error:
                _log.error("buffer set aside", reason=str(error), path=str(path))
            else:
                self.missing_since = self.buffer.head.sealed_time
                return
        known, self.missing_since = self._recall()
        if known is None and _exists(path.parent):
            known = Opening(reason=OpeningReason.BUFFER_LOST)
        self._replace(known or Opening(reason=OpeningReason.NEW))

    def _opened(self, path: Path) -> Buffer:
        """Open a buffer; one that looks damaged is read through and looked at once more."""
        try:
            return Buffer.open(path, gateway=self._gateway, bytes_max=self._bytes_max)
        except BufferDamagedError:
            _read_through(path.parent)
            return Buffer.open(path, gateway=self._gateway, bytes_max=self._bytes_max)

    def _renew(self, reason: OpeningReason, head: int | None, buffer: Buffer) -> bool:
        if head is not None and buffer.head.number > head:
            return False
        self._replace(
            Opening(
                reason=reason,
                previous_epoch=buffer.epoch,
                previous_head=buffer.head.leaf if buffer.head.number >= 0 else None,
                last_receipt=buffer.receipt.sealed[:TEXT_BYTES_MAX] or None,
            )
        )
        return True

    def _replace(self, opening: Opening) -> None:
        """Set aside what is there, and put a new epoch's buffer in its place.

        Until then the closed one stays in force for what it holds in memory: the event loop asks
        for its epoch and head meanwhile.
        """
        if self._buffer is not None:
            self._buffer.close()
        path = self.folder / BUFFER_FILE
        if _exists(path.parent):
            aside = next(
                name
                for number in range(1, 1_000_000)
                if not _exists(name := self.folder / f"buffer-aside-{number}")
            )
            path.parent.rename(aside)
            _log.warning("buffer kept aside", path=str(aside), reason=opening.reason.name)
        draft = self.folder / "buffer.new"
        for left in draft.glob("*"):  # of a start that was cut short: it held nothing yet
            left.unlink()
        try:
            draft.mkdir(exist_ok=True, mode=0o700)
            Buffer.create(
                draft / path.name,
                gateway=self._gateway,
                epoch=Epoch(os.urandom(16)),
                opening=opening,
                time=self._clock.gateway_time(),
                floor=self._clock.floor,
                bytes_max=self._bytes_max,
            ).close()
            draft.rename(path.parent)
            _sync_folder(self.folder)
        except (OSError, BufferFullError) as error:
            raise StorageFailedError(
                f"no buffer can be made in {self.folder}: {error}",
                hint="the folder must be writable and its disk have room for buffer.bytes_max",
            ) from error
        self._use(Buffer.open(path, gateway=self._gateway, bytes_max=self._bytes_max))

    def _use(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._clock.raise_floor(buffer.floor)
        self._remember(buffer)

    def _remember(self, buffer: Buffer) -> None:
        known = {
            "epoch": buffer.epoch.hex(),
            "head": buffer.head.leaf.hex() if buffer.head.number >= 0 else None,
            "receipt": base64.b64encode(buffer.receipt.sealed[:TEXT_BYTES_MAX]).decode() or None,
            # Were the buffer lost, all up to here is with the aggregator, and the rest is missing.
            "stored_until": buffer.sealed_time(buffer.receipt.number),
        }
        path = self.folder / "epoch.json"
        draft = path.with_suffix(".new")
        try:
            with draft.open("w", encoding="utf-8") as file:
                json.dump(known, file)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
        except OSError as error:
            # The buffer itself holds all of it: this memory matters only once that is lost.
            _log.warning("epoch not remembered", path=str(path), error=str(error))

    def _recall(self) -> tuple[Opening | None, Nanoseconds | None]:
        """Return what is remembered of a lost epoch, and since when its data is missing."""
        try:
            known = json.loads((self.folder / "epoch.json").read_text(encoding="utf-8"))
            opening = Opening(
                reason=OpeningReason.BUFFER_LOST,
                previous_epoch=Epoch(bytes.fromhex(known["epoch"])),
                previous_head=bytes.fromhex(known["head"]) if known["head"] else None,
                last_receipt=base64.b64decode(known["receipt"]) if known["receipt"] else None,
            )
            return opening, int(known["stored_until"])
        except FileNotFoundError:
            return None, None
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("memory of the epoch unreadable", error=str(error))
            return Opening(reason=OpeningReason.BUFFER_LOST), None

    def _take_lock(self) -> None:
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BufferLockedError(
                f"another agent runs on {self.folder}",
                hint="stop it first, or give this one a gateway.data_dir of its own",
            ) from None

    def _close(self) -> None:
        if self._buffer is not None:
            if self.failed is None:
                with contextlib.suppress(StorageFailedError):
                    self._remember(self._buffer)
            self._buffer.close()
        if self._lock is not None:
            with contextlib.suppress(OSError):  # the lock ends with the process at the latest
                os.close(self._lock)
            self._lock = None


@contextlib.contextmanager
def _system(folder: Path) -> Iterator[None]:
    """Turn the system's errors into ours."""
    try:
        yield
    except OSError as error:
        raise StorageFailedError(
            f"the folder {folder} cannot be used: {error.strerror}",
            hint="gateway.data_dir must be writable for the user that runs the agent, and its disk "
            "sound (dmesg, smartctl, df)",
        ) from error


def _exists(path: Path) -> bool:
    """Tell whether a path is there; OSError where the disk does not say.

    Unlike ``Path.exists``, which from Python 3.14 on takes a failing disk for an absent file: a
    sound buffer would be set aside for it.
    """
    try:
        path.stat()
    except FileNotFoundError:
        return False
    return True


def _read_through(folder: Path) -> None:
    """Read every byte in a folder; OSError where the disk does not give it.

    SQLite reports a read that fails with EIO as SQLITE_CORRUPT, like damage (vdbe.c makes it of
    SQLITE_IOERR_CORRUPTFS). Only a disk that gives every byte may condemn what is written there.
    """
    for path in folder.iterdir():
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
