"""Versions of master data: what waits for a second person, what was, approve and reject."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from aggregator.api.accounts import Password, ReasonRequest
from aggregator.api.master.entities import entity
from aggregator.api.reasons import Reason
from aggregator.caller import Caller, ContextOf, Person
from aggregator.service.master.documents import EntityKind
from aggregator.service.master.master_data import PAGE_MAX, Versioned
from aggregator.service.review import approve_master
from aggregator.service.review.approve_master import Proposal

routes = APIRouter(prefix="/master", tags=["master"])

CHANGED: dict[int | str, dict[str, Any]] = {
    409: {"description": "It does not wait any more, or it takes another person."}
}


class ApproveRequest(BaseModel):
    """An approval, with the password of whoever gives it."""

    model_config = ConfigDict(extra="forbid")

    password: Password
    reason: Reason


@routes.get("/proposals", summary="List the versions that wait for a second person")
async def read_proposals(
    context: ContextOf, actor: Caller, count: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100
) -> dict[str, Any]:
    """Return proposed versions of all kinds, the oldest first."""
    found = await approve_master.proposals(context, actor, count=count)
    return {"items": [_shown(each) for each in found]}


@routes.get("/{kind}/{key:path}/versions", summary="List every version of one entity")
async def read_versions(
    context: ContextOf, actor: Caller, kind: EntityKind, key: str
) -> dict[str, Any]:
    """Return all versions, the newest first, the rejected ones too."""
    found = await approve_master.history(context, actor, kind, key)
    return {"items": [_shown(each) for each in found]}


@routes.post(
    "/{kind}/{key:path}/versions/{version}/approve",
    responses=CHANGED,
    summary="Approve a version that another person has proposed",
)
async def approve_version(
    context: ContextOf,
    person: Person,
    *,
    kind: EntityKind,
    key: str,
    version: int,
    asked: ApproveRequest,
) -> dict[str, Any]:
    """Let it come into force, at its time or now."""
    proposal = Proposal(kind=kind, key=key, version=version)
    return _shown(
        await approve_master.approve(
            context, person, proposal, password=asked.password, why=asked.reason
        )
    )


@routes.post(
    "/{kind}/{key:path}/versions/{version}/reject",
    responses=CHANGED,
    summary="Reject a proposed version, or take one's own back",
)
async def reject_version(
    context: ContextOf,
    person: Person,
    *,
    kind: EntityKind,
    key: str,
    version: int,
    asked: ReasonRequest,
) -> dict[str, Any]:
    """Refuse it for good; its number is not used again."""
    proposal = Proposal(kind=kind, key=key, version=version)
    return _shown(await approve_master.reject(context, person, proposal, why=asked.reason))


def _shown(found: Versioned) -> dict[str, Any]:
    return {"kind": found.document.kind.value, **entity(found)}
