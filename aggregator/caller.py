"""Who calls: the bearer token of a request, or the session cookie of a browser."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request

from aggregator.access.roles import Actor
from aggregator.errors import AccessError, DeniedError
from aggregator.service.access import accounts, tokens
from aggregator.service.access.accounts import Session
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


async def person_of(request: Request) -> Session:
    """Return the person who makes the request, having logged in with password and code.

    Raises AccessError where nobody known asks, DeniedError for a service.
    """
    context, text = context_of(request), session_text_of(request)
    await tokens.who_is(context, text)
    try:
        return await accounts.session_of(context, text)
    except AccessError:
        raise DeniedError(
            "only a person who has logged in can do this",
            hint="log in with user, password and code; a token or a login link is not a person",
        ) from None


def session_text_of(request: Request) -> str:
    """Return the token of a request that changes something, from its header or its cookie.

    A cookie is taken where the request comes from a page of this very server, as its ``Origin``
    says. Raises AccessError where there is none.
    """
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        text = request.cookies.get(COOKIE, "")
        origin = urlsplit(request.headers.get("Origin", "")).netloc
        if request.method not in _READS and origin != request.headers.get("Host", ""):
            text = ""
    if not text:
        raise AccessError("nobody has logged in", hint="log in with user, password and code")
    return text.strip()


ContextOf = Annotated[Context, Depends(context_of)]
Caller = Annotated[Actor, Depends(actor_of)]
Person = Annotated[Session, Depends(person_of)]
