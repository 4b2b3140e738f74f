"""The transparency log as stored: one RFC 9162 tree, grown in the transaction that adds to it.

Its state is one row, read and written in that transaction, so that two writers cannot give one
position away twice and a transaction that fails leaves no leaf behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from aggregator.errors import EvidenceError
from aggregator.store.base import Param, Row, Transaction
from protocols.wire.checkpoint import Checkpoint, sign_checkpoint
from protocols.wire.reading import Nanoseconds
from protocols.wire.seal import SealKey
from protocols.wire.tlog import (
    HASH_BYTES,
    Frontier,
    NodeReader,
    consistency_path_from,
    inclusion_path_from,
    leaf_hash,
    root_from,
)

T = TypeVar("T")


class EntryKind(StrEnum):
    """What a leaf that is no bundle says."""

    EPOCH = "epoch"  # an epoch opened, was approved or was closed
    KEY = "key"  # a gateway's key was added or revoked
    AUDIT = "audit"  # an entry of the audit trail
    SIGNATURE = "signature"  # a person's electronic signature


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """What the one row says."""

    size: int
    checkpoint: str  # "" before the first
    checkpoint_size: int
    checkpoint_time: Nanoseconds
    trust_version: int


class Sequencer:
    """Appends leaves within one transaction; ``finish`` writes what was appended."""

    def __init__(self, tx: Transaction, frontier: Frontier, state: LogState) -> None:
        self.state = state
        self._tx = tx
        self._frontier = frontier
        self._hashes: list[Mapping[str, Param]] = []
        self._entries: list[Mapping[str, Param]] = []

    @classmethod
    async def take(cls, tx: Transaction) -> Sequencer:
        """Take up the log where the last transaction left it."""
        row = await tx.fetch_one("log.state")
        if row is None:
            raise EvidenceError("the store has no row for the state of its log")
        state = LogState(
            size=row["log_size"],
            checkpoint=row["checkpoint"],
            checkpoint_size=row["checkpoint_size"],
            checkpoint_time=row["checkpoint_time"],
            trust_version=row["trust_version"],
        )
        return cls(tx, _frontier(row), state)

    def append_bundle(self, leaf: bytes) -> int:
        """Add the leaf hash of a sealed header and return its position."""
        position = self._frontier.size
        self._hashes.extend(
            {"level": done.level, "position": done.position, "hash": done.digest}
            for done in self._frontier.append(leaf)
        )
        return position

    def append_entry(self, kind: EntryKind, data: bytes) -> int:
        """Add ``data`` as a leaf and return its position."""
        position = self.append_bundle(leaf_hash(data))
        self._entries.append({"position": position, "kind": kind.value, "data": data})
        return position

    async def finish(self) -> None:
        """Write the leaves and the new state; nothing where nothing was appended."""
        if not self._hashes:
            return
        await self._tx.execute_many("log.add_hash", self._hashes)
        await self._tx.execute_many("log.add_entry", self._entries)
        await self._tx.execute(
            "log.grow", size=self._frontier.size, frontier=b"".join(self._frontier.nodes)
        )
        self._hashes, self._entries = [], []


async def append_entry(tx: Transaction, kind: EntryKind, data: bytes) -> int:
    """Add one leaf that is no bundle and return its position."""
    sequencer = await Sequencer.take(tx)
    position = sequencer.append_entry(kind, data)
    await sequencer.finish()
    return position


async def entry_at(tx: Transaction, position: int) -> tuple[EntryKind, bytes] | None:
    """Return what leaf ``position`` says; None where it is a bundle, or is not there."""
    row = await tx.fetch_one("log.entry", position=position)
    return None if row is None else (EntryKind(row["kind"]), bytes(row["data"]))


async def make_checkpoint(
    tx: Transaction, *, origin: str, key: SealKey, record_time: Nanoseconds
) -> str | None:
    """Sign the log as it stands and return the note, None where it did not grow since the last."""
    row = await tx.fetch_one("log.state")
    if row is None or row["log_size"] == row["checkpoint_size"]:
        return None
    size = row["log_size"]
    checkpoint = Checkpoint(origin=origin, size=size, root=_frontier(row).root())
    note = sign_checkpoint(checkpoint, key).decode()
    await tx.execute("log.add_checkpoint", size=size, note=note, record_time=record_time)
    await tx.execute("log.set_checkpoint", size=size, note=note, record_time=record_time)
    return note


async def log_size(tx: Transaction) -> tuple[int, int]:
    """Return how many leaves the log has, and how many of them the newest checkpoint covers."""
    row = await tx.fetch_one("log.state")
    return (0, 0) if row is None else (row["log_size"], row["checkpoint_size"])


async def newest_checkpoint(tx: Transaction) -> str:
    """Return the newest signed checkpoint, "" before the first."""
    row = await tx.fetch_one("log.state")
    return "" if row is None else str(row["checkpoint"])


async def inclusion_proof(tx: Transaction, position: int, size: int) -> tuple[bytes, ...]:
    """Return the path from leaf ``position`` to the root of the first ``size`` leaves.

    Raises ProofError where there is no such leaf.
    """
    return await _read(tx, lambda node: inclusion_path_from(node, position, size))


async def inclusion_proofs(
    tx: Transaction, positions: Sequence[int], size: int
) -> list[tuple[bytes, ...]]:
    """Return the inclusion path of each leaf; what their paths share is read once."""
    return await _read(
        tx, lambda node: [inclusion_path_from(node, position, size) for position in positions]
    )


async def consistency_proof(tx: Transaction, old_size: int, size: int) -> tuple[bytes, ...]:
    """Return the path from the tree of ``old_size`` to that of ``size``; ProofError if none."""
    return await _read(tx, lambda node: consistency_path_from(node, old_size, size))


async def root_of(tx: Transaction, size: int) -> bytes:
    """Return the root of the first ``size`` leaves, from the stored hashes."""
    return await _read(tx, lambda node: root_from(node, size))


def _frontier(row: Row) -> Frontier:
    hashes = row["log_frontier"]
    return Frontier(
        row["log_size"],
        [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)],
    )


async def _read(tx: Transaction, work: Callable[[NodeReader], T]) -> T:
    """Return ``work`` over the stored hashes: about log2(size) reads.

    Which hashes a proof needs does not depend on what they are, so a first run only asks.
    """
    wanted: list[tuple[int, int]] = []

    def ask(level: int, position: int) -> bytes:
        wanted.append((level, position))
        return bytes(HASH_BYTES)

    work(ask)
    found: dict[tuple[int, int], bytes] = {}
    for level, position in dict.fromkeys(wanted):
        row = await tx.fetch_one("log.hash", level=level, position=position)
        if row is None:
            raise EvidenceError(
                f"the log has lost the hash {position} of level {level}",
                hint="restore the store from a backup; the gateways refill what it lacks",
            )
        found[level, position] = row["hash"]
    return work(lambda level, position: found[level, position])
