"""Events: as pages, and as a stream that takes up where the reader left off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from aggregator.access.roles import Actor
from aggregator.api.problems import problem
from aggregator.caller import Caller, ContextOf
from aggregator.errors import AggregatorError
from aggregator.model.integration.event import envelope
from aggregator.service.context import Context
from aggregator.service.integration import events
from protocols.wire.reading import SECOND

routes = APIRouter(tags=["events"])

STREAM: Final = "text/event-stream"
STREAM_SECONDS_MAX: Final = 3_600
"""A stream ends after an hour; the reader opens another, with its token looked at anew."""


@routes.get(
    "/events",
    summary="Read events, or follow them",
    response_model=None,
    responses={
        200: {
            "description": "CloudEvents 1.0; as a stream where `Accept: text/event-stream` is sent",
            "content": {STREAM: {"schema": {"type": "string"}}},
        }
    },
)
async def read_events(
    request: Request,
    context: ContextOf,
    actor: Caller,
    *,
    after: Annotated[
        int | None, Query(ge=0, description="Number of the last event that is known.")
    ] = None,
    count: Annotated[int, Query(ge=1, le=events.EVENTS_MAX)] = 100,
    last_event_id: Annotated[
        int | None, Header(ge=0, description="The same, as a browser's EventSource says it.")
    ] = None,
) -> Response:
    """Return events in their order, without those whose subject the caller may not read.

    A page starts after ``after``, or with the first that is kept. A stream starts after
    ``Last-Event-ID`` or ``after``, or with what happens next.
    """
    known = after if last_event_id is None else last_event_id
    if STREAM not in request.headers.get("Accept", ""):
        page = await events.page(context, actor, after=known or 0, count=count)
        origin = context.settings.log.origin
        items = [envelope(each, origin) for each in page.events]
        return JSONResponse({"items": items, "after": page.after})
    if known is None:
        known = await events.newest(context, actor)
    first = await events.page(context, actor, after=known, count=events.EVENTS_MAX)
    return await _streamed(request, context, actor, first)


async def _streamed(
    request: Request, context: Context, actor: Actor, first: events.Page
) -> Response:
    state: Any = request.app.state
    if getattr(state, "streams", 0) >= context.settings.events.streams_max:
        return problem(
            503,
            detail="as many streams of events are open as may be",
            kind="/problems/streams",
            hint="read pages instead, or raise events.streams_max",
        )

    async def stream() -> AsyncIterator[bytes]:
        state.streams = getattr(state, "streams", 0) + 1
        try:
            async for part in _follow(context, actor, first):
                yield part
        finally:
            state.streams -= 1

    return StreamingResponse(stream(), media_type=STREAM)


async def _follow(context: Context, actor: Actor, page: events.Page) -> AsyncIterator[bytes]:
    """Yield events as they come, and a comment where none has come for a while.

    What waits stands in the store and is read a page at a time, at the reader's own pace.
    """
    settings = context.settings.events
    origin = context.settings.log.origin
    started = spoke = context.clock.monotonic()
    yield b": lotproof\n\n"
    while context.clock.monotonic() - started < STREAM_SECONDS_MAX * SECOND:
        for event in page.events:
            data = json.dumps(envelope(event, origin), ensure_ascii=False, separators=(",", ":"))
            yield f"id: {event.sequence}\nevent: {event.type}\ndata: {data}\n\n".encode()
        now = context.clock.monotonic()
        if page.events:
            spoke = now
        elif now - spoke >= settings.heartbeat_seconds * SECOND:
            yield b": still here\n\n"
            spoke = now
        try:
            following = await events.page(context, actor, after=page.after, count=events.EVENTS_MAX)
        except AggregatorError:  # the reader opens another stream, and is told what is wrong
            return
        if following.after == page.after:
            await asyncio.sleep(settings.poll_seconds)
        page = following
