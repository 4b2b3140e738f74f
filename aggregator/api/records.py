"""Batch records: assemble a version, read versions, take one out as JSON, PDF or dossier."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from aggregator.caller import Caller, ContextOf
from aggregator.export.csv import Mark
from aggregator.export.disclosure import Disclosure
from aggregator.export.languages import CATALOGUES, Language
from aggregator.model.record.batch_record import BatchRecord
from aggregator.model.record.exceptions import ExceptionKind
from aggregator.service import assemble_record, export_dossier, export_forms, export_record, lots
from aggregator.service.assemble_record import RecordSummary

routes = APIRouter(prefix="/records", tags=["records"])

ByteOrderMark = Annotated[
    bool, Query(description="Put a byte order mark in front, as some spreadsheets want.")
]


@routes.get("", summary="List the newest record of each lot")
async def read_records(
    context: ContextOf, actor: Caller, count: Annotated[int, Query(ge=1, le=1000)] = 100
) -> dict[str, Any]:
    """Return summaries, the latest first."""
    found = await assemble_record.page(context, actor, count=count)
    return {"items": [shown(each) for each in found]}


@routes.get("/{gtin}/{lot}.pdf", summary="Take a record out on paper")
async def take_pdf(
    context: ContextOf,
    actor: Caller,
    gtin: str,
    lot: str,
    *,
    lang: Annotated[Language, Query(description="The language of the page.")] = Language.ENGLISH,
) -> Response:
    """Return the newest version as PDF/A; told to the audit trail."""
    data = await export_record.export_pdf(context, actor, gtin, lot, CATALOGUES[lang])
    return _file(data, "application/pdf", f"{lot}.pdf")


@routes.get("/{gtin}/{lot}.dossier", summary="Take out the file that proves a record offline")
async def take_dossier(
    context: ContextOf,
    actor: Caller,
    gtin: str,
    lot: str,
    *,
    disclosure: Annotated[
        Disclosure, Query(description="Bundles whole, or the lot's own signals alone.")
    ] = Disclosure.WHOLE,
) -> Response:
    """Return the newest version's dossier; told to the audit trail."""
    data = await export_dossier.export_dossier(context, actor, gtin, lot, disclosure)
    return _file(data, "application/vnd.lotproof.dossier+zip", f"{lot}.dossier")


@routes.get("/{gtin}/{lot}.exceptions.csv", summary="Take a record's exceptions out as CSV")
async def take_exceptions(
    context: ContextOf, actor: Caller, gtin: str, lot: str, *, bom: ByteOrderMark = False
) -> Response:
    """Return the exceptions of the newest version, one row each; told to the audit trail."""
    data = await export_forms.export_exceptions(context, actor, gtin, lot, _mark(bom))
    return _file(data, _CSV, f"{lot}.exceptions.csv")


@routes.get("/{gtin}/{lot}.values.csv", summary="Take typed values and test results out as CSV")
async def take_values(
    context: ContextOf, actor: Caller, gtin: str, lot: str, *, bom: ByteOrderMark = False
) -> Response:
    """Return what persons typed and laboratories found, one row each; told to the audit trail."""
    data = await export_forms.export_values(context, actor, gtin, lot, _mark(bom))
    return _file(data, _CSV, f"{lot}.values.csv")


@routes.get("/{gtin}/{lot}.csv", summary="Take a lot's readings out as CSV")
async def take_csv(
    context: ContextOf, actor: Caller, gtin: str, lot: str, *, bom: ByteOrderMark = False
) -> Response:
    """Return the readings that the newest version counts, one row each; told to the audit trail."""
    table = await export_forms.export_readings(context, actor, gtin, lot, _mark(bom))
    return StreamingResponse(table, media_type=_CSV, headers=_attached(f"{lot}.csv"))


@routes.get("/{gtin}/{lot}.parquet", summary="Take a lot's readings out as Parquet")
async def take_parquet(context: ContextOf, actor: Caller, gtin: str, lot: str) -> Response:
    """Return the readings that the newest version counts, typed; told to the audit trail."""
    data = await export_forms.export_parquet(context, actor, gtin, lot)
    return _file(data, "application/vnd.apache.parquet", f"{lot}.parquet")


@routes.get("/{gtin}/{lot}.epcis.json", summary="Take a record out as EPCIS events")
async def take_epcis(context: ContextOf, actor: Caller, gtin: str, lot: str) -> Response:
    """Return the newest version as an EPCIS 2.0 document; told to the audit trail."""
    data = await export_forms.export_epcis(context, actor, gtin, lot)
    return _file(data, "application/ld+json", f"{lot}.epcis.json")


@routes.get("/{gtin}/{lot}.batchml.xml", summary="Take a record out as BatchML")
async def take_batchml(context: ContextOf, actor: Caller, gtin: str, lot: str) -> Response:
    """Return the newest version as a BatchProductionRecord; told to the audit trail."""
    data = await export_forms.export_batchml(context, actor, gtin, lot)
    return _file(data, "application/xml", f"{lot}.batchml.xml")


@routes.get("/{gtin}/{lot}.json", summary="Take a record out as JSON")
async def take_json(context: ContextOf, actor: Caller, gtin: str, lot: str) -> Response:
    """Return the newest version exactly as it was hashed; told to the audit trail."""
    data = await export_record.export_json(context, actor, gtin, lot)
    return _file(data, "application/json", f"{lot}.json")


@routes.get("/{gtin}/{lot}/preview", summary="See what the record would be now")
async def read_preview(context: ContextOf, actor: Caller, gtin: str, lot: str) -> dict[str, Any]:
    """Return a summary of the record as the evidence gives it now; nothing is kept."""
    record = await lots.preview(context, actor, gtin, lot)
    return {
        "state": record.state.value,
        "readings": record.readings,
        "seals": record.seals.verified,
        "exceptions": len(record.exceptions),
        "excursions": _excursions(record),
        "unproved": [
            {"gateway": each.gateway, "flaw": each.flaw.value} for each in record.unproved
        ],
    }


@routes.get("/{gtin}/{lot}", summary="Read a lot's record, or an old version of it")
async def read_record(
    context: ContextOf,
    actor: Caller,
    gtin: str,
    lot: str,
    *,
    version: Annotated[int | None, Query(ge=1)] = None,
) -> dict[str, Any]:
    """Return what is known of a version, and the record itself."""
    found = await assemble_record.get(context, actor, gtin, lot, version=version)
    return {**shown(found.summary), "record": found.document}


@routes.post("/{gtin}/{lot}", status_code=201, summary="Assemble a lot's record")
async def assemble(context: ContextOf, actor: Caller, gtin: str, lot: str) -> dict[str, Any]:
    """Assemble the record, every seal verified; the newest version again where nothing changed."""
    found = await assemble_record.assemble_record(context, actor, gtin, lot)
    return shown(found.summary)


def shown(summary: RecordSummary) -> dict[str, Any]:
    """Return what is known of a version as the API shows it."""
    return {
        "gtin": summary.lot.gtin,
        "lot": summary.lot.lot,
        "version": summary.version,
        "content_hash": summary.content_hash,
        "state": summary.state.value,
        "readings": summary.readings,
        "exceptions": summary.exceptions,
        "start": summary.start,
        "end": summary.end,
        "recorded": summary.recorded,
        "recorded_by": summary.recorded_by,
    }


def _excursions(record: BatchRecord) -> int:
    return sum(each.kind is ExceptionKind.EXCURSION for each in record.exceptions)


def _mark(bom: bool) -> Mark:
    return Mark.BYTE_ORDER if bom else Mark.NONE


def _file(data: bytes, media_type: str, name: str) -> Response:
    return Response(data, media_type=media_type, headers=_attached(name))


def _attached(name: str) -> dict[str, str]:
    quoted = name.replace("\\", "_").replace('"', "_")
    return {"Content-Disposition": f'attachment; filename="{quoted}"'}


_CSV = "text/csv; charset=utf-8"
