"""Master data as CSV tables, out and in, one a kind."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from aggregator.api import problems
from aggregator.api.reasons import ReasonHeader
from aggregator.caller import Caller, ContextOf
from aggregator.errors import InvalidError
from aggregator.service.master import tables
from aggregator.service.master.documents import EntityKind

routes = APIRouter(prefix="/master", tags=["master"])

_CSV: dict[str, Any] = {"text/csv": {"schema": {"type": "string"}}}


@routes.get(
    "/{kind}.csv",
    response_class=Response,
    responses={200: {"content": _CSV, "description": "A row for each entity."}},
    summary="Take one kind of master data out as CSV",
)
async def take_table(context: ContextOf, actor: Caller, kind: EntityKind) -> Response:
    """Return each entity by its version in force now; told to the audit trail."""
    data = await tables.export_table(context, actor, kind)
    headers = {"Content-Disposition": f'attachment; filename="{kind.value}.csv"'}
    return Response(data, media_type="text/csv", headers=headers)


@routes.post(
    "/{kind}.csv",
    response_model=None,
    openapi_extra={"requestBody": {"required": True, "content": _CSV}},
    summary="Take one kind of master data in from CSV, in whole or not at all",
)
async def put_table(
    context: ContextOf,
    actor: Caller,
    request: Request,
    *,
    kind: EntityKind,
    dry_run: Annotated[bool, Query(description="Tell what would come of it.")] = False,
    reason: ReasonHeader = "",
) -> dict[str, Any] | Response:
    """Put every row, or name every fault by line and column and put none."""
    data = await _body(request, context.settings.imports.bytes_max)
    done = await tables.import_table(context, actor, kind, data, dry_run=dry_run, why=reason)
    if done.faults and not dry_run:
        return problems.problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            detail=f"the table has {len(done.faults)} faults, and nothing was changed",
            kind="/problems/invalid",
            hint="mend every line that is named, then send the table again",
            errors=[
                {"pointer": f"/{line}/{column}", "detail": text, "hint": hint}
                for line, column, text, hint in done.faults
            ],
        )
    return done.to_json()


async def _body(request: Request, bytes_max: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > bytes_max:
            raise InvalidError(f"a table has {bytes_max} bytes at most", hint="divide it")
    return bytes(body)
