"""Use cases: assemble a lot's batch record, keep it as a version, and read what is kept.

The bytes of a version never change. Assembled again from the same evidence, a record is the same
bytes, and stays the same version.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from aggregator import audit
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import NotFoundError
from aggregator.model.master.lot import LotKey, check_lot_key
from aggregator.model.record.assemble import assemble
from aggregator.model.record.batch_record import BatchRecord, RecordState, content_hash
from aggregator.model.record.document import encode_record
from aggregator.service.binding.sightings import refresh
from aggregator.service.context import Context
from aggregator.service.gather import Gathered, gather
from aggregator.store.base import Row, Transaction
from aggregator.store.log import newest_checkpoint
from protocols.wire.reading import Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSummary:
    """What is known of a version of a record without reading it."""

    lot: LotKey
    version: int  # from 1
    content_hash: str  # SHA-256 of the bytes
    state: RecordState
    readings: int
    exceptions: int
    start: Nanoseconds | None
    end: Nanoseconds | None
    recorded: Nanoseconds
    recorded_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """A version of a record."""

    summary: RecordSummary
    checkpoint: str  # the log's newest signed note when it was made; "" before the first
    data: bytes  # canonical JSON

    @property
    def document(self) -> dict[str, Any]:
        """The record as JSON's own types."""
        document: dict[str, Any] = json.loads(self.data)
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """A record as the evidence gives it now, with all that it was made of."""

    record: BatchRecord
    data: bytes
    gathered: Gathered
    mark: int  # everything that had been looked at by then is in it
    heard: int  # the last entry of the audit trail by then; -1 for none


async def assemble_record(context: Context, actor: Actor, gtin: str, lot: str) -> StoredRecord:
    """Assemble the record of a lot, every seal verified, and keep it as a version.

    Returns the newest version where nothing changed. Raises NotFoundError for a lot that is not
    known.
    """
    require(actor, Act.ASSEMBLE_RECORD)
    key = check_lot_key(gtin, lot)
    made = await assemble_now(context, key)
    async with context.store.write() as tx:
        await tx.execute("rebinding.caught_up", gtin=key.gtin, lot=key.lot, mark=made.mark)
        row = await tx.fetch_one("records.latest", gtin=key.gtin, lot=key.lot)
        if row is not None and row["content_hash"] == content_hash(made.data):
            return stored_of(row)
        await _keep(context, tx, actor, made, row)
        if row is None:
            await _mark_remastered(context, tx, made)
        row = await tx.fetch_one("records.latest", gtin=key.gtin, lot=key.lot)
    if row is None:
        raise NotFoundError(f"there is no record of {key}")
    return stored_of(row)


async def assemble_now(context: Context, key: LotKey) -> Assembled:
    """Assemble the record of a lot from what is stored now, and keep nothing."""
    await refresh(context)
    async with context.store.read() as tx:
        state = await tx.fetch_one("rebinding.state")
        said = await tx.fetch_one("audit.last")
        gathered = await gather(context, tx, key)
    record, data = await asyncio.to_thread(_assemble, gathered)
    mark = 0 if state is None else state["mark"]
    heard = -1 if said is None else said["sequence"]
    return Assembled(record=record, data=data, gathered=gathered, mark=mark, heard=heard)


async def get(
    context: Context, actor: Actor, gtin: str, lot: str, *, version: int | None = None
) -> StoredRecord:
    """Return the newest version of a lot's record, or the one asked for; NotFoundError if none."""
    require(actor, Act.READ_RECORDS)
    async with context.store.read() as tx:
        return await stored(tx, check_lot_key(gtin, lot), version)


async def page(context: Context, actor: Actor, *, count: int = 100) -> list[RecordSummary]:
    """Return the newest version of each lot's record, latest first."""
    require(actor, Act.READ_RECORDS)
    async with context.store.read() as tx:
        return [_summary(row) for row in await tx.fetch("records.list", count=count)]


async def stored(tx: Transaction, key: LotKey, version: int | None = None) -> StoredRecord:
    """Return a stored version (None: the newest); NotFoundError if there is none."""
    if version is None:
        row = await tx.fetch_one("records.latest", gtin=key.gtin, lot=key.lot)
    else:
        row = await tx.fetch_one("records.version", gtin=key.gtin, lot=key.lot, version=version)
    if row is None:
        raise NotFoundError(
            f"there is no record of {key}" + (f" version {version}" if version else ""),
            hint="assemble it first",
        )
    return stored_of(row)


def stored_of(row: Row) -> StoredRecord:
    """Return the version that a row holds."""
    return StoredRecord(
        summary=_summary(row), checkpoint=row["checkpoint"], data=bytes(row["bytes"])
    )


def _assemble(gathered: Gathered) -> tuple[BatchRecord, bytes]:
    record = assemble(gathered.inputs, gathered.found)
    return record, encode_record(record)


async def _keep(
    context: Context, tx: Transaction, actor: Actor, made: Assembled, before: Row | None
) -> None:
    record, key = made.record, made.record.lot.key
    version = 1 if before is None else before["version"] + 1
    digest = content_hash(made.data)
    await tx.execute(
        "records.add",
        gtin=key.gtin,
        lot=key.lot,
        version=version,
        content_hash=digest,
        state=record.state.value,
        readings=record.readings,
        exceptions=len(record.exceptions),
        start_time=record.start,
        end_time=record.end,
        recorded_time=context.clock.now(),
        recorded_by=actor.name,
        checkpoint=await newest_checkpoint(tx),
        bytes=made.data,
    )
    entry = audit.Entry(
        who=actor.name,
        act=Act.ASSEMBLE_RECORD.value,
        what=f"record {key}",
        before=None
        if before is None
        else {"version": before["version"], "hash": before["content_hash"]},
        after={
            "version": version,
            "hash": digest,
            "state": record.state.value,
            "raised": _raised(record, before),
        },
        why="assembled from the evidence",
    )
    await audit.record(tx, entry, context.clock)


async def _mark_remastered(context: Context, tx: Transaction, made: Assembled) -> None:
    """List a first record as overtaken where master data have changed while it was made.

    Whoever looked for the records that the change is about since, cannot have found this one.
    """
    changed = await tx.fetch_one("rebinding.mastered_since", sequence=made.heard)
    state = await tx.fetch_one("rebinding.state")
    if changed is not None and changed["changed"] and state is not None:
        key, mark = made.record.lot.key, state["mark"]
        if mark > made.mark:  # else nobody has looked yet
            since = {"mark": mark, "since": context.clock.now(), "why": "master"}
            await tx.execute("rebinding.mark", gtin=key.gtin, lot=key.lot, **since)


def _raised(record: BatchRecord, before: Row | None) -> list[audit.JsonValue]:
    """Return the exceptions that the version before does not have: id and kind, never a value."""
    known = set() if before is None else {each["id"] for each in _exceptions(before)}
    return [
        {"id": each.id, "kind": each.kind.value}
        for each in record.exceptions
        if each.id not in known
    ]


def _exceptions(row: Row) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stored_of(row).document["exceptions"]
    return found


def _summary(row: Row) -> RecordSummary:
    return RecordSummary(
        lot=LotKey(row["gtin"], row["lot"]),
        version=row["version"],
        content_hash=row["content_hash"],
        state=RecordState(row["state"]),
        readings=row["readings"],
        exceptions=row["exceptions"],
        start=row["start_time"],
        end=row["end_time"],
        recorded=row["recorded_time"],
        recorded_by=row["recorded_by"],
    )
