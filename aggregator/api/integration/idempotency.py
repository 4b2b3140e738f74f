"""Idempotency-Key: a POST or PUT that is sent again is answered as before, and done once.

As draft-ietf-httpapi-idempotency-key-header-07 has it: the same key with another call is 422, with
a call that is under way 409. Keys belong to the caller who sent them. A call whose act was
committed, and whose answer was lost with the process that made it, is 409 from then on.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregator import audit
from aggregator.access.roles import Actor
from aggregator.api import problems
from aggregator.caller import actor_of
from aggregator.errors import AccessError, AggregatorError
from aggregator.service.context import Context
from aggregator.service.integration import answers
from aggregator.service.integration.answers import Answer

HEADER: Final = "Idempotency-Key"
METHODS: Final = frozenset({"POST", "PUT"})
NOT_KEPT: Final = frozenset({401, 403, 429})
"""Answers that another right or a pause would change; what is 500 or above is not kept either."""

_KEPT_HEADERS: Final = ("content-type", "etag", "location")
_PARAMETER: Final[dict[str, Any]] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "A text of the caller's own, new for each call: sent again with the same key, "
    "the call is answered as before and not made again.",
    "schema": {"type": "string", "maxLength": answers.KEY_CHARACTERS_MAX},
}


def describe(document: dict[str, Any]) -> None:
    """Let the API's description name the header where it is heeded."""
    for operations in document["paths"].values():
        for method in METHODS:
            operation = operations.get(method.lower())
            if operation is not None and _PARAMETER not in operation.get("parameters", []):
                operation.setdefault("parameters", []).append(_PARAMETER)


class IdempotentCalls:
    """Middleware that stands before the API's operations."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] not in METHODS:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        key = request.headers.get(HEADER)
        if key is None or not request.url.path.startswith("/api/"):
            await self._app(scope, receive, send)
            return
        try:
            actor = await actor_of(request)
        except AccessError:
            await self._app(scope, receive, send)  # which says so, as it does to everybody
            return
        try:
            response = await self._answered(request, actor, key.strip().strip('"'))
        except AggregatorError as error:
            response = await problems.ours(request, error)
        await response(scope, receive, send)

    async def _answered(self, request: Request, actor: Actor, key: str) -> Response:
        body = await _body(request, self._context.settings.imports.bytes_max)
        if body is None:
            return problems.problem(413, detail="the request is larger than any that is taken")
        url, headers = request.url, request.headers
        told = (headers.get("If-Match", ""), headers.get("X-Reason", ""))
        call = f"{request.method} {url.path}?{url.query}\n{told}\n".encode() + body
        known = await answers.begin(self._context, actor, key, call)
        if known is not None:
            return _response(known, {"Idempotency-Replayed": "true"})
        # A caller who hangs up must not leave the act done and its answer unkept.
        return await asyncio.shield(self._made(request, actor, key, body))

    async def _made(self, request: Request, actor: Actor, key: str, body: bytes) -> Response:
        answer = None
        try:
            with audit.made_by(audit.Call(actor.name, key)):
                answer = await _call(self._app, request, body)
        finally:
            keep = (
                answer is not None
                and answer.status < 500
                and answer.status not in NOT_KEPT
                and len(answer.body) <= self._context.settings.imports.answer_bytes_max
            )
            await answers.finish(self._context, actor, key, answer if keep else None)
        return _response(answer, {})


async def _body(request: Request, bytes_max: int) -> bytes | None:
    """Return the whole body, None where it is larger than ``bytes_max``."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > bytes_max:
            return None
    return bytes(body)


async def _call(app: ASGIApp, request: Request, body: bytes) -> Answer:
    """Make the call and return its whole answer."""
    messages: list[Message] = []
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            return {"type": "http.disconnect"}
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    await app(request.scope, receive, send)
    start, *parts = messages
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(
        status=start["status"],
        headers={name: headers[name] for name in _KEPT_HEADERS if name in headers},
        body=b"".join(part.get("body", b"") for part in parts),
    )


def _response(answer: Answer, more: dict[str, str]) -> Response:
    return Response(
        content=answer.body, status_code=answer.status, headers={**answer.headers, **more}
    )
