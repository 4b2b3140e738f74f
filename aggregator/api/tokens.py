"""Service tokens: give one, list them, end one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from aggregator.access.roles import Actor, Role
from aggregator.access.tokens import Token, TokenKind
from aggregator.api.reasons import AskedReason, Reason
from aggregator.caller import Caller, ContextOf
from aggregator.service.access import tokens

routes = APIRouter(tags=["tokens"])


class TokenRequest(BaseModel):
    """A token that is asked for."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100, description="Who acts with it.")]
    roles: Annotated[frozenset[Role], Field(min_length=1)]
    reason: Reason


@routes.post("/tokens", status_code=201, summary="Give a service a token")
async def give_token(context: ContextOf, actor: Caller, asked: TokenRequest) -> dict[str, Any]:
    """Return the token's text; it is shown this once."""
    holder = Actor(name=asked.name, roles=asked.roles)
    token, text = await tokens.give(context, actor, holder, TokenKind.SERVICE, why=asked.reason)
    return _shown(token) | {"token": text}


@routes.get("/tokens", summary="List the tokens of services")
async def read_tokens(context: ContextOf, actor: Caller) -> dict[str, Any]:
    """Return all tokens of services, without their secrets."""
    return {"items": [_shown(token) for token in await tokens.list_services(context, actor)]}


@routes.delete("/tokens/{token_id}", status_code=204, summary="End a token at once")
async def end_token(context: ContextOf, actor: Caller, token_id: str, reason: AskedReason) -> None:
    """End a token; calls that use it are refused from now on."""
    await tokens.end(context, actor, token_id, why=reason)


def _shown(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.actor.name,
        "roles": sorted(token.actor.roles),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "ended_at": token.ended_at,
    }
