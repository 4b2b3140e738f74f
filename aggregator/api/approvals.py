"""Requests for what takes a second person: asked for by one, approved or denied by another."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from aggregator.api.accounts import Password, ReasonRequest, issued_once
from aggregator.api.reasons import Reason
from aggregator.caller import ContextOf, Person
from aggregator.model.approval import Approval
from aggregator.service.approval import approvals
from aggregator.service.approval.approvals import Verdict
from aggregator.service.approval.sensitive import Sensitive

routes = APIRouter(prefix="/approvals", tags=["approvals"])

CHANGED: dict[int | str, dict[str, Any]] = {
    409: {"description": "It is no longer as it was shown, or it takes another person."}
}


class AskRequest(BaseModel):
    """A sensitive act that is asked for."""

    model_config = ConfigDict(extra="forbid")

    act: Sensitive
    reason: Reason


class ApproveRequest(BaseModel):
    """An approval, with the password of whoever gives it."""

    model_config = ConfigDict(extra="forbid")

    shown: Annotated[str, Field(description="Hash of the act that the approver saw.")]
    password: Password
    reason: Reason


@routes.get("", summary="List what was asked for")
async def read_approvals(context: ContextOf, person: Person) -> dict[str, Any]:
    """Return what one asked for, may decide or may audit, the latest first."""
    found = await approvals.every(context, person)
    return {
        "items": [
            _shown(each.approval) | {"state": each.state.value, "may_decide": each.may_decide}
            for each in found
        ]
    }


@routes.post("", status_code=201, responses=CHANGED, summary="Ask for a sensitive act")
async def ask(context: ContextOf, person: Person, asked: AskRequest) -> dict[str, Any]:
    """Ask for what takes a second person; it waits until one decides."""
    return _shown(await approvals.ask(context, person, asked.act, why=asked.reason))


@routes.post("/{approval}/approve", responses=CHANGED, summary="Approve what another asked for")
async def approve(
    context: ContextOf, person: Person, approval: str, asked: ApproveRequest
) -> dict[str, Any]:
    """Approve it and do it; what it hands out is shown this once."""
    verdict = Verdict(shown=asked.shown, password=asked.password, why=asked.reason)
    decided, handed = await approvals.approve(context, person, approval, verdict)
    issued = {} if handed.issued is None else {"issued": issued_once(handed.issued)}
    token = {"token": handed.token} if handed.token else {}
    return _shown(decided) | issued | token


@routes.post("/{approval}/deny", responses=CHANGED, summary="Refuse what another asked for")
async def deny(
    context: ContextOf, person: Person, approval: str, asked: ReasonRequest
) -> dict[str, Any]:
    """Refuse it, or take an approval back that was not used up."""
    return _shown(await approvals.deny(context, person, approval, why=asked.reason))


@routes.post("/{approval}/withdraw", responses=CHANGED, summary="Take back what one asked for")
async def withdraw(
    context: ContextOf, person: Person, approval: str, asked: ReasonRequest
) -> dict[str, Any]:
    """Take back what one asked for oneself."""
    return _shown(await approvals.withdraw(context, person, approval, why=asked.reason))


def _shown(approval: Approval) -> dict[str, Any]:
    return {
        "id": approval.id,
        "act": json.loads(approval.document),
        "shown": approval.hash,
        "reason": approval.why,
        "state": approval.state.value,
        "asked_by": approval.asked_by,
        "asked_at": approval.asked_at,
        "expires_at": approval.expires_at,
        "decided_by": approval.decided_by,
        "in_place_of": approval.in_place_of,
        "decided_at": approval.decided_at,
        "decided_reason": approval.decided_why,
    }
