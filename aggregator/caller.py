"""Who calls: the bearer token of a request, or the session cookie of a browser that only reads."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Request

from aggregator.access.roles import Actor
from aggregator.errors import AccessError
from aggregator.service import tokens
from aggregator.service.context import Context

COOKIE: Final = "lotproof_session"
_READS: Final = frozenset({"GET", "HEAD"})


def context_of(request: Request) -> Context:
    """Return the context that the application was made with."""
    context = request.app.state.context
    if not isinstance(context, Context):
        raise TypeError("the application was made without a context")
    return context


async def actor_of(request: Request) -> Actor:
    """Return who makes the request; AccessError where nobody known does.

    A cookie is taken for reading alone, so that no other site can make a browser change anything.
    """
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        text = request.cookies.get(COOKIE, "") if request.method in _READS else ""
    if not text:
        raise AccessError(
            "no token was given", hint="send `Authorization: Bearer <token>`, or open a login link"
        )
    return await tokens.who_is(context_of(request), text.strip())


ContextOf = Annotated[Context, Depends(context_of)]
Caller = Annotated[Actor, Depends(actor_of)]
