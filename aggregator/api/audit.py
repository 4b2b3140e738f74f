"""The audit trail: who did what, when, from what to what, and why."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from aggregator.caller import Caller, ContextOf
from aggregator.service import audit_trail

routes = APIRouter(tags=["audit"])


@routes.get("/audit", summary="Read the audit trail")
async def read_audit(
    context: ContextOf,
    actor: Caller,
    after: Annotated[int, Query(ge=-1, description="Sequence after which to start.")] = -1,
    count: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """Return entries in the order in which they were written."""
    return {"items": await audit_trail.page(context, actor, after=after, count=count)}
