"""Use cases: take a record out as JSON or on paper; each time is told to the audit trail."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from aggregator import audit
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError
from aggregator.export.charts import Chart, chart
from aggregator.export.pdf.printing import print_record
from aggregator.export.pdf.view import Version
from aggregator.export.words import ENGLISH, Words
from aggregator.model.master.lot import LotKey, check_lot_key
from aggregator.model.record.batch_record import BatchRecord, content_hash
from aggregator.model.series import Series, SignalKey
from aggregator.service.approval.leaving import Leaving, guard_export
from aggregator.service.assemble_record import (
    Assembled,
    StoredRecord,
    assemble_now,
    stored,
)
from aggregator.service.context import Context
from aggregator.service.review.standing import KeptSignature, signatures_of
from aggregator.store.base import Transaction
from protocols.wire.dossier.series import Interval


async def export_json(context: Context, actor: Actor, gtin: str, lot: str) -> bytes:
    """Return the newest version of a lot's record, exactly as it was hashed."""
    require(actor, Act.EXPORT_RECORD)
    key = check_lot_key(gtin, lot)
    async with context.store.write() as tx:
        found = await stored(tx, key)
        await told(context, tx, actor, found, "json")
    return found.data


async def export_pdf(
    context: Context, actor: Actor, gtin: str, lot: str, words: Words = ENGLISH
) -> bytes:
    """Return the newest version of a lot's record on paper, with all that was signed of it.

    The same version with the same signatures is the same bytes; ``words`` are of its language.

    Raises ConflictError where data have come that the version does not know of.
    """
    require(actor, Act.EXPORT_RECORD)
    key = check_lot_key(gtin, lot)
    found, made = await current(context, key)
    async with context.store.read() as tx:
        signatures = await signatures_of(tx, key)
    pdf = await asyncio.to_thread(print_stored, found, made, signatures, words)
    async with context.store.write() as tx:
        await told(context, tx, actor, found, "pdf")
    return pdf


async def current(context: Context, key: LotKey) -> tuple[StoredRecord, Assembled]:
    """Return the newest version and the evidence that gives it.

    Raises ConflictError where the evidence gives another record by now.
    """
    async with context.store.read() as tx:
        found = await stored(tx, key)
    made = await assemble_now(context, key)
    if content_hash(made.data) != found.summary.content_hash:
        raise ConflictError(
            f"data or facts have come since version {found.summary.version} of {key} was made",
            hint="assemble the record again, then export it",
        )
    return found, made


def print_stored(
    found: StoredRecord,
    made: Assembled,
    signatures: Sequence[KeptSignature],
    words: Words = ENGLISH,
) -> bytes:
    """Return the PDF of a version."""
    return print_record(
        found.data,
        version_of(found),
        charts_of(made.record, made.gathered.inputs.series),
        words,
        signatures=[each.signature for each in signatures],
    )


def version_of(found: StoredRecord) -> Version:
    """Return what a document says of a version besides its content."""
    summary = found.summary
    return Version(
        number=summary.version,
        content_hash=summary.content_hash,
        recorded=summary.recorded,
        recorded_by=summary.recorded_by,
        checkpoint=found.checkpoint,
    )


def charts_of(record: BatchRecord, series: Mapping[SignalKey, Series]) -> dict[str, Chart]:
    """Return the chart of each critical parameter, by its name."""
    drawn: dict[str, Chart] = {}
    for each in record.parameters:
        if each.series is None or record.start is None or each.spec.signal not in series:
            continue
        end = max(span.end.time for span in each.spans)
        drawn[each.spec.parameter] = chart(
            series[each.spec.signal],
            whole=Interval(record.start, max(record.end or end, record.start + 1)),
            intervals=[Interval(span.start.time, span.end.time) for span in each.spans],
            gaps=[Interval(gap.start, gap.end) for gap in each.gaps],
            excursions=[Interval(found.start, found.end or end) for found in each.excursions],
            limits=each.spec.limits,
        )
    return drawn


async def told(
    context: Context, tx: Transaction, actor: Actor, found: StoredRecord, form: str
) -> None:
    """Let a version leave the system, and tell the audit trail.

    Raises SecondPersonError for a confidential one whose leaving nobody has approved.
    """
    summary = found.summary
    leaving = Leaving(lot=summary.lot, record=summary.content_hash, form=form)
    approval = await guard_export(context, tx, actor, leaving)
    after: dict[str, audit.JsonValue] = {
        "version": summary.version,
        "hash": summary.content_hash,
        "form": form,
    }
    entry = audit.Entry(
        who=actor.name,
        act=Act.EXPORT_RECORD.value,
        what=f"record {summary.lot}",
        after=after if approval is None else after | {"approval": approval},
        why=f"exported as {form}",
    )
    await audit.record(tx, entry, context.clock)
