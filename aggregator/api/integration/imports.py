"""Imports: many orders, lots, edges or test results at once, and what of them did not fit."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from aggregator.api.reasons import Reason, ReasonHeader
from aggregator.caller import Caller, ContextOf
from aggregator.errors import InvalidError
from aggregator.model.lab_result import to_document
from aggregator.service.integration import imports, misfits, results
from aggregator.service.integration.items import Changes, Outcome
from aggregator.service.integration.misfits import Misfit, MisfitState

routes = APIRouter(tags=["imports"])

ChangesAsked = Annotated[
    Changes | None,
    Query(description="Of an item that is known and now says otherwise; else as the adapter has."),
]


class Submission(BaseModel):
    """A misfit that is to be taken after all."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    document: Annotated[
        str | None, Field(description="JSON to be taken in its place; left out: it fits now.")
    ] = None


class Dismissal(BaseModel):
    """A misfit that is not to be taken."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


@routes.get("/import/misfits", summary="List what did not fit")
async def read_misfits(
    context: ContextOf,
    actor: Caller,
    *,
    state: MisfitState = MisfitState.WAITING,
    after: Annotated[str, Query(description="Id after which the page starts.")] = "",
    count: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """Return misfits in a state, each as it came, with what is wrong and what to do."""
    found = await misfits.page(context, actor, state, after=after, count=count)
    following = found[-1].id if len(found) == count else None
    return {"items": [asdict(each) for each in found], "after": following}


@routes.get("/import/misfits/{misfit_id}", summary="Read what did not fit")
async def read_misfit(context: ContextOf, actor: Caller, misfit_id: str) -> Misfit:
    """Return a misfit."""
    return await misfits.get(context, actor, misfit_id)


@routes.post("/import/misfits/{misfit_id}/submission", summary="Take it, corrected or as it is")
async def submit_misfit(
    context: ContextOf,
    actor: Caller,
    misfit_id: str,
    asked: Submission,
    *,
    changes: ChangesAsked = None,
) -> dict[str, Any]:
    """Return the misfit and what became of it; what is still wrong is a problem document."""
    found, outcome = await misfits.submit(
        context, actor, misfit_id, asked.document, changes=changes, why=asked.reason
    )
    return {"outcome": outcome, **asdict(found)}


@routes.post("/import/misfits/{misfit_id}/dismissal", summary="Decide that it is not to be taken")
async def dismiss_misfit(
    context: ContextOf, actor: Caller, misfit_id: str, asked: Dismissal
) -> Misfit:
    """Return the misfit; it stays, with the reason."""
    return await misfits.dismiss(context, actor, misfit_id, why=asked.reason)


@routes.post(
    "/import/{interface}",
    summary="Take many items at once",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {}},
                "application/x-ndjson": {"schema": {"type": "string"}},
            },
        }
    },
)
async def import_items(
    request: Request,
    context: ContextOf,
    actor: Caller,
    interface: str,
    *,
    changes: ChangesAsked = None,
    reason: ReasonHeader = "imported",
) -> dict[str, Any]:
    """Return what became of each item; none holds up another.

    ``interface`` is orders, lots, genealogy or test-results (a JSON array, or a JSON value a line),
    or the name of an adapter (a document of the system that it is for).
    """
    channel = await imports.channel_named(context, interface)
    text = await _text(request, context.settings.imports.bytes_max)
    judged = await imports.take_all(context, actor, channel, text, channel.terms(changes, reason))
    counts = {outcome.value: 0 for outcome in Outcome}
    for each in judged:
        counts[each.outcome.value] += 1
    return {"counts": counts, "items": [asdict(each) for each in judged]}


@routes.get("/test-results/{gtin}/{lot}", summary="Read a lot's test results")
async def read_results(context: ContextOf, actor: Caller, gtin: str, lot: str) -> dict[str, Any]:
    """Return the current version of each result."""
    found = await results.of_lot(context, actor, gtin, lot)
    return {
        "items": [
            {
                **to_document(each.result),
                "version": each.version,
                "recorded_time": each.recorded_time,
                "recorded_by": each.recorded_by,
            }
            for each in found
        ]
    }


async def _text(request: Request, bytes_max: int) -> str:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > bytes_max:
            raise InvalidError(
                f"an import has at most {bytes_max} bytes", hint="send it in several imports"
            )
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise InvalidError("the import is no text in UTF-8") from None
