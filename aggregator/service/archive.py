"""Use cases: keep a copy of all that is stored, and restore one on a machine that has nothing else.

An archive is a folder: ``store.db``, a SQLite file whatever the store is, and ``manifest.cose``,
which names it by its hash, under the aggregator's seal. The aggregator's secret keys are not in it.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aggregator import audit
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError, EvidenceError, ExportError
from aggregator.service.context import Context
from aggregator.store.base import Store
from protocols.wire.errors import WireError
from protocols.wire.reading import Nanoseconds
from protocols.wire.seal import PublicKey, Purpose, open_seal, seal

PURPOSE: Final = Purpose("application/lotproof-archive+json", b"lotproof-archive-v1")
STORE_FILE: Final = "store.db"
MANIFEST_FILE: Final = "manifest.cose"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an archive is said to hold."""

    made: Nanoseconds  # record time
    by: str
    version: str  # of Lotproof, which reads it
    sha256: str  # of the store's file
    size: int  # of it, bytes

    def to_bytes(self) -> bytes:
        """Return the manifest as it is sealed: JSON."""
        file = {"name": STORE_FILE, "bytes": self.size, "sha256": self.sha256}
        said = {"made": self.made, "by": self.by, "version": self.version, "files": [file]}
        return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Return the manifest that was sealed."""
        said: dict[str, Any] = json.loads(data)
        (file,) = said["files"]
        return cls(
            made=said["made"],
            by=said["by"],
            version=said["version"],
            sha256=file["sha256"],
            size=file["bytes"],
        )


async def archive(context: Context, actor: Actor, folder: Path, *, why: str) -> Manifest:
    """Write an archive of all that is stored at this moment; the aggregator runs on meanwhile.

    Raises ExportError where the folder cannot be written, StoreConflictError where one is there.
    """
    require(actor, Act.KEEP_ARCHIVES)
    path, made = folder / STORE_FILE, context.clock.now()
    try:
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        await context.store.copy_to(path)
        digest, size = await asyncio.to_thread(_settled, path)
        found = Manifest(
            made=made,
            by=actor.name,
            version=importlib.metadata.version("lotproof"),
            sha256=digest,
            size=size,
        )
        sealed = seal(found.to_bytes(), context.keys.seal, PURPOSE)
        await asyncio.to_thread(_write, folder / MANIFEST_FILE, sealed)
    except OSError as error:
        raise ExportError(f"{folder} cannot be written: {error.strerror}") from None
    entry = audit.Entry(
        who=actor.name,
        act=Act.KEEP_ARCHIVES.value,
        what=f"archive {digest}",
        after={"bytes": size, "made": made},
        why=why,
    )
    async with context.store.write() as tx:
        await audit.record(tx, entry, context.clock)
    return found


async def restore(store: Store, folder: Path, key: PublicKey) -> Manifest:
    """Fill an empty store from an archive that the aggregator with the seal key ``key`` wrote.

    Prove it afterwards (``fsck``). Raises EvidenceError for an archive that is altered, not whole,
    or another aggregator's, ConflictError where anything is stored already.
    """
    async with store.read() as tx:
        state = await tx.fetch_one("log.state")
    if state is None or state["log_size"]:
        raise ConflictError("something is stored there already", hint="restore into an empty store")
    manifest = await asyncio.to_thread(_checked, folder, key)
    await store.fill_from(folder / STORE_FILE)
    return manifest


def _checked(folder: Path, key: PublicKey) -> Manifest:
    """Return the manifest of an archive whose file is as it says."""
    path = folder / STORE_FILE
    try:
        sealed = (folder / MANIFEST_FILE).read_bytes()
        digest, size = _digest(path), path.stat().st_size
    except OSError as error:
        raise EvidenceError(
            f"{error.filename} cannot be read: {error.strerror}",
            hint=f"an archive is a folder with {STORE_FILE} and {MANIFEST_FILE}",
        ) from None
    try:
        manifest = Manifest.from_bytes(open_seal(sealed, key, PURPOSE))
    except WireError as error:
        raise EvidenceError(f"the archive's manifest: {error}", hint=error.hint) from None
    if (digest, size) != (manifest.sha256, manifest.size):
        raise EvidenceError(
            f"{path} is not the file that was archived: SHA-256 {digest[:12]}…, "
            f"the manifest says {manifest.sha256[:12]}…",
            hint="take another copy of the archive",
        )
    return manifest


def _settled(path: Path) -> tuple[str, int]:
    """Return hash and length of a file that is on the disk by then, and nobody else's to read."""
    path.chmod(0o600)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return _digest(path), path.stat().st_size


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
