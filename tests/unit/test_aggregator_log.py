"""The log and the audit trail in a store: what is proved, and what is found when it is altered."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aggregator import audit
from aggregator.audit import Entry
from aggregator.clock import SystemClock
from aggregator.errors import EvidenceError, InvalidError
from aggregator.ingest.checkpointer import Checkpointer
from aggregator.ingest.fsck import fsck
from aggregator.settings import LogSettings
from aggregator.store.keys import Keys, load_keys
from aggregator.store.log import (
    EntryKind,
    Sequencer,
    append_entry,
    consistency_proof,
    inclusion_proof,
    newest_checkpoint,
    root_of,
)
from aggregator.store.sqlite import SqliteStore
from protocols.wire.checkpoint import NoteKey, open_checkpoint
from protocols.wire.tlog import leaf_hash, root, verify_consistency, verify_inclusion

LEAVES = [f"entry {number}".encode() for number in range(13)]
CLOCK = SystemClock()
ORIGIN = LogSettings().origin


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "test.db")
    await store.open()
    await store.migrate()
    yield store
    await store.close()


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return load_keys(tmp_path / "keys")


async def fill(store: SqliteStore) -> list[bytes]:
    for data in LEAVES:
        async with store.write() as tx:
            await append_entry(tx, EntryKind.KEY, data)
    return [leaf_hash(data) for data in LEAVES]


def entry(number: int = 0) -> Entry:
    return Entry(who="ana", act="test", what="lot 1", after={"number": number}, why="because")


async def test_every_leaf_is_proved_in_every_tree_after_it(store: SqliteStore) -> None:
    leaves = await fill(store)
    async with store.read() as tx:
        for size in range(1, len(leaves) + 1):
            assert await root_of(tx, size) == root(leaves[:size])
            for at in range(size):
                path = await inclusion_proof(tx, at, size)
                verify_inclusion(leaves[at], at, size, path, root(leaves[:size]))


async def test_every_tree_continues_every_one_before(store: SqliteStore) -> None:
    leaves = await fill(store)
    async with store.read() as tx:
        for new in range(1, len(leaves) + 1):
            for old in range(1, new + 1):
                path = await consistency_proof(tx, old, new)
                verify_consistency(old, root(leaves[:old]), new, root(leaves[:new]), path)


async def test_a_transaction_that_fails_leaves_no_leaf(store: SqliteStore) -> None:
    async def fail() -> None:
        async with store.write() as tx:
            await append_entry(tx, EntryKind.KEY, b"lost")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    leaves = await fill(store)
    async with store.read() as tx:
        assert await root_of(tx, len(leaves)) == root(leaves)


async def test_positions_are_given_once(store: SqliteStore) -> None:
    async with store.write() as tx:
        sequencer = await Sequencer.take(tx)
        positions = [sequencer.append_bundle(bytes([number]) * 32) for number in range(5)]
        await sequencer.finish()
        await sequencer.finish()  # nothing is left to write
        assert await append_entry(tx, EntryKind.KEY, b"x") == 5
    assert positions == list(range(5))


async def test_a_checkpoint_is_signed_when_the_log_has_grown(
    store: SqliteStore, keys: Keys
) -> None:
    checkpointer = Checkpointer(store, keys, CLOCK, LogSettings())
    assert await checkpointer.step() is None
    leaves = await fill(store)
    note = await checkpointer.step()
    assert note is not None
    assert await checkpointer.step() is None
    opened = open_checkpoint(note.encode(), NoteKey(name=ORIGIN, key=keys.log.public))
    assert (opened.checkpoint.size, opened.checkpoint.root) == (len(leaves), root(leaves))
    async with store.read() as tx:
        assert await newest_checkpoint(tx) == note


async def test_a_lost_hash_is_said(store: SqliteStore, tmp_path: Path) -> None:
    leaves = await fill(store)
    with sqlite3.connect(tmp_path / "test.db") as database:
        database.execute("DELETE FROM log_hashes WHERE level = 1 AND position = 1")
    database.close()
    async with store.read() as tx:
        with pytest.raises(EvidenceError, match="has lost the hash"):
            await inclusion_proof(tx, 0, len(leaves))


async def test_the_audit_trail_is_chained_and_in_the_log(store: SqliteStore) -> None:
    for number in range(3):
        async with store.write() as tx:
            assert await audit.record(tx, entry(number), CLOCK) == number
    async with store.read() as tx:
        assert await audit.check(tx) == 3
        rows = await tx.fetch("audit.after", sequence=-1, count=9)
        entries = {row["position"]: row for row in await tx.fetch("log.entries")}
    assert [entries[row["position"]]["kind"] for row in rows] == ["audit"] * 3
    assert rows[2]["previous"] == rows[1]["hash"]


@pytest.mark.parametrize("missing", ["who", "act", "what", "why"])
async def test_an_act_without_a_reason_is_not_recorded(store: SqliteStore, missing: str) -> None:
    fields = {"who": "ana", "act": "test", "what": "lot 1", "why": "because", missing: " "}
    with pytest.raises(InvalidError, match=missing):
        async with store.write() as tx:
            await audit.record(tx, Entry(**fields), CLOCK)
    async with store.read() as tx:
        assert await audit.check(tx) == 0


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit SET who = 'bob' WHERE sequence = 1",
        "UPDATE audit SET after = '{}' WHERE sequence = 1",
        "UPDATE audit SET record_time = record_time + 1 WHERE sequence = 1",
        "DELETE FROM audit WHERE sequence = 1",
        "UPDATE log_entries SET data = x'00' WHERE position = 1",
        "DELETE FROM log_entries WHERE position = 1",
        "UPDATE log_hashes SET hash = zeroblob(32) WHERE level = 1 AND position = 0",
        "UPDATE evidence_state SET log_size = log_size - 1",
        "UPDATE checkpoints SET note = replace(note, 'lotproof', 'another_')",
    ],
)
async def test_whatever_is_altered_is_found(
    store: SqliteStore, keys: Keys, tmp_path: Path, tampering: str
) -> None:
    for number in range(4):
        async with store.write() as tx:
            await audit.record(tx, entry(number), CLOCK)
    await Checkpointer(store, keys, CLOCK, LogSettings()).step()
    log_key = NoteKey(name=ORIGIN, key=keys.log.public)
    assert (await fsck(store, log_key)).faults == []
    with sqlite3.connect(tmp_path / "test.db") as database:
        database.execute(tampering)
    database.close()
    assert (await fsck(store, log_key)).faults != []
