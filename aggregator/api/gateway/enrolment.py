"""Enrolment of gateways: people invite and admit, gateways ask with a token and come back."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from aggregator.api.accounts import ReasonRequest
from aggregator.api.approvals import CHANGED
from aggregator.api.problems import problem
from aggregator.api.reasons import Reason
from aggregator.caller import Caller, ContextOf, Person, context_of
from aggregator.clock import Clock
from aggregator.errors import AccessError
from aggregator.service.enrolment import admit
from protocols.wire.reading import SECOND, Nanoseconds

routes = APIRouter(prefix="/gateways", tags=["gateways"])
open_routes = APIRouter(prefix="/enrol/v1", include_in_schema=False)
"""For gateways, which have a token and nothing else."""

_TEXT_MAX: Final = 4 * admit.REQUEST_BYTES_MAX // 3 + 4


class InviteRequest(BaseModel):
    """An invitation for one gateway."""

    model_config = ConfigDict(extra="forbid")

    gateway: Annotated[str, Field(max_length=64)]
    reason: Reason


class AdmitRequest(BaseModel):
    """Admission of a gateway whose fingerprint was compared."""

    model_config = ConfigDict(extra="forbid")

    fingerprint: Annotated[
        str, Field(max_length=64, description="As the gateway printed it, not as shown here.")
    ]
    reason: Reason


class AskRequest(BaseModel):
    """A gateway that asks to be let in."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[str, Field(max_length=64)]
    request: Annotated[str, Field(max_length=_TEXT_MAX)]
    statement: Annotated[str, Field(max_length=_TEXT_MAX)]


class Attempts:
    """How many may be looked at in a minute: tokens cannot be tried out."""

    def __init__(self, clock: Clock, per_minute: int) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._minute: Nanoseconds = 0
        self._seen = 0

    def allow(self) -> bool:
        """Count one, and tell whether it may be looked at."""
        minute = self._clock.monotonic() // (60 * SECOND)
        if minute != self._minute:
            self._minute, self._seen = minute, 0
        self._seen += 1
        return self._seen <= self._per_minute


@routes.post("/invitations", status_code=201, summary="Invite a gateway")
async def invite(context: ContextOf, person: Person, asked: InviteRequest) -> dict[str, Any]:
    """Return a token that lets one gateway ask to be let in, once; it is shown this once."""
    token, expires = await admit.invite(context, person.actor, asked.gateway, why=asked.reason)
    return {"gateway": asked.gateway, "token": token, "expires_time": expires}


@routes.get("/enrolments", summary="List gateways that asked to be let in")
async def read_enrolments(context: ContextOf, actor: Caller) -> dict[str, Any]:
    """Return who asked to be let in, the latest first."""
    return {"items": [dict(row) for row in await admit.every(context, actor)]}


@routes.post("/enrolments/{enrolment}/admit", responses=CHANGED, summary="Admit a gateway")
async def admit_gateway(
    context: ContextOf, person: Person, enrolment: str, asked: AdmitRequest
) -> dict[str, Any]:
    """Let a gateway in, after its fingerprint was compared by another than who invited it."""
    issued = await admit.admit(
        context, person.actor, enrolment, asked.fingerprint, why=asked.reason
    )
    return {"certificate": issued.fingerprint, "not_after": issued.not_after}


@routes.post(
    "/enrolments/{enrolment}/refuse", status_code=204, responses=CHANGED, summary="Refuse a gateway"
)
async def refuse_gateway(
    context: ContextOf, person: Person, enrolment: str, asked: ReasonRequest
) -> None:
    """Do not let a gateway in."""
    await admit.refuse(context, person.actor, enrolment, why=asked.reason)


@open_routes.post("", status_code=201, response_model=None)
async def ask(request: Request, asked: AskRequest) -> dict[str, Any] | Response:
    """Take in what a gateway asks with."""
    context = context_of(request)
    if not request.app.state.attempts.allow():
        return problem(429, detail="too many ask to be let in", hint="try again in a minute")
    found = await admit.ask(context, asked.token, asked.request, asked.statement)
    return {"enrolment": found.id, "gateway": found.gateway, "fingerprint": found.fingerprint}


@open_routes.get("/{enrolment}", response_model=None)
async def look(
    request: Request, enrolment: str, token: Annotated[str, Header(alias="X-Enrolment-Token")] = ""
) -> dict[str, Any] | Response:
    """Tell a gateway what became of it, and hand out what it needs."""
    try:
        return await admit.look(context_of(request), enrolment, token)
    except AccessError:
        if not request.app.state.attempts.allow():
            return problem(429, detail="too many ask", hint="try again in a minute")
        raise
