"""Use cases: take a record out in the forms that other systems read; each is told to the audit.

Every form says what the newest version says: where the evidence gives another record by now, it is
a ConflictError, and the record must be assembled again first (21 CFR 11.10(b)).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError
from aggregator.export.batchml import write_batchml
from aggregator.export.csv import Mark, exceptions_table, readings_table, values_table
from aggregator.export.epcis.decisions import Decision
from aggregator.export.epcis.document import write_epcis
from aggregator.export.epcis.naming import Naming
from aggregator.export.parquet import write_parquet
from aggregator.model.genealogy.item import lot_item
from aggregator.model.master.lot import check_lot_key
from aggregator.model.record.assemble import bound
from aggregator.service.assemble_record import Assembled, StoredRecord, stored
from aggregator.service.context import Context
from aggregator.service.export_record import current, told, version_of
from aggregator.service.genealogy.edges import every_edge
from aggregator.service.review.standing import signatures_of


async def export_readings(
    context: Context, actor: Actor, gtin: str, lot: str, mark: Mark = Mark.NONE
) -> Iterator[bytes]:
    """Return a lot's readings as CSV, chunk by chunk; iterate in a thread."""
    _, made = await _leaving(context, actor, gtin, lot, "csv")
    return readings_table(await asyncio.to_thread(bound, made.gathered.inputs), mark)


async def export_exceptions(
    context: Context, actor: Actor, gtin: str, lot: str, mark: Mark = Mark.NONE
) -> bytes:
    """Return the exceptions of the newest version as CSV."""
    found = await _as_stored(context, actor, gtin, lot, "exceptions.csv")
    return b"".join(exceptions_table(found.document, mark=mark))


async def export_values(
    context: Context, actor: Actor, gtin: str, lot: str, mark: Mark = Mark.NONE
) -> bytes:
    """Return the typed values and test results of the newest version as CSV."""
    found = await _as_stored(context, actor, gtin, lot, "values.csv")
    return b"".join(values_table(found.document, mark=mark))


async def export_parquet(context: Context, actor: Actor, gtin: str, lot: str) -> bytes:
    """Return a lot's readings as Parquet; its metadata name the record by its hash."""
    found, made = await _leaving(context, actor, gtin, lot, "parquet")
    about = {
        "gtin": found.summary.lot.gtin,
        "lot": found.summary.lot.lot,
        "record": found.summary.content_hash,
        "version": str(found.summary.version),
    }

    def write() -> bytes:
        return write_parquet(bound(made.gathered.inputs), about)

    return await asyncio.to_thread(write)


async def export_epcis(context: Context, actor: Actor, gtin: str, lot: str) -> bytes:
    """Return the newest version as an EPCIS 2.0 document; ConflictError before the lot's end.

    With it the genealogy that the lot is part of, and what persons decided of it.
    """
    found, made = await _leaving(context, actor, gtin, lot, "epcis", ended=True)
    places = made.gathered.inputs.plant.equipment
    naming = Naming(
        site=context.settings.log.origin,
        glns={place.path: place.gln for place in places if place.gln},
    )
    summary = found.summary
    async with context.store.read() as tx:
        edges = [each async for each in every_edge(tx, lot_item(summary.lot))]
        signatures = await signatures_of(tx, summary.lot)
    decisions = [
        Decision(meaning=each.meaning, time=each.time, offset_minutes=each.offset_minutes)
        for each in (kept.signature for kept in signatures)
    ]

    def write() -> bytes:
        return write_epcis(
            found.document,
            summary.content_hash,
            summary.recorded,
            naming,
            edges=edges,
            decisions=decisions,
        )

    return await asyncio.to_thread(write)


async def export_batchml(context: Context, actor: Actor, gtin: str, lot: str) -> bytes:
    """Return the newest version as a BatchML BatchProductionRecord."""
    found, made = await _leaving(context, actor, gtin, lot, "batchml")

    def write() -> bytes:
        return write_batchml(found.document, version_of(found), bound(made.gathered.inputs))

    return await asyncio.to_thread(write)


async def _as_stored(
    context: Context, actor: Actor, gtin: str, lot: str, form: str
) -> StoredRecord:
    """Return the newest version, whatever came since, and tell the audit that it leaves."""
    require(actor, Act.EXPORT_RECORD)
    async with context.store.write() as tx:
        found = await stored(tx, check_lot_key(gtin, lot))
        await told(context, tx, actor, found, form)
    return found


async def _leaving(
    context: Context, actor: Actor, gtin: str, lot: str, form: str, *, ended: bool = False
) -> tuple[StoredRecord, Assembled]:
    """Return the newest version and what it was made of, and tell the audit that it leaves."""
    require(actor, Act.EXPORT_RECORD)
    found, made = await current(context, check_lot_key(gtin, lot))
    if ended and made.record.end is None:
        raise ConflictError(
            f"{found.summary.lot} has not ended",
            hint="say when it ended, assemble the record, then export it",
        )
    async with context.store.write() as tx:
        await told(context, tx, actor, found, form)
    return found, made
