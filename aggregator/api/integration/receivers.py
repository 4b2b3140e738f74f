"""Receivers: whom events are delivered to by webhook, and what could not be."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from aggregator.api.accounts import ReasonRequest
from aggregator.api.reasons import AskedReason, Reason
from aggregator.caller import Caller, ContextOf
from aggregator.model.integration.event import EventType, envelope
from aggregator.model.integration.webhook import URL_CHARACTERS_MAX
from aggregator.service.integration import receivers
from aggregator.service.integration.receivers import Receiver

routes = APIRouter(prefix="/receivers", tags=["events"])


class ReceiverRequest(BaseModel):
    """Somebody who wants to be told."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100, description="As people call it.")]
    url: Annotated[
        str,
        Field(min_length=1, max_length=URL_CHARACTERS_MAX, examples=["https://qms.example/hook"]),
    ]
    types: Annotated[
        frozenset[EventType], Field(description="Types to be told of; none: all of them.")
    ] = frozenset()
    reason: Reason


class SendAgain(BaseModel):
    """Dead letters that are to be sent again."""

    model_config = ConfigDict(extra="forbid")

    first: Annotated[int, Field(ge=1, description="Sequence of the first.")] = 1
    last: Annotated[int, Field(ge=1, description="Sequence of the last.")] = 2**63 - 1
    reason: Reason


@routes.post("", status_code=201, summary="Tell a receiver by webhook")
async def add_receiver(context: ContextOf, actor: Caller, asked: ReceiverRequest) -> dict[str, Any]:
    """Return the receiver and the secret that its messages are signed with, shown this once."""
    receiver, secret = await receivers.add(
        context, actor, name=asked.name, url=asked.url, types=asked.types, why=asked.reason
    )
    return _shown(receiver) | {"secret": secret}


@routes.get("", summary="List the receivers, and how far each has come")
async def read_receivers(context: ContextOf, actor: Caller) -> dict[str, Any]:
    """Return the receivers that have not ended, the broker among them where it is one."""
    return {"items": [_shown(each) for each in await receivers.list_all(context, actor)]}


@routes.delete("/{receiver_id}", status_code=204, summary="Tell a receiver nothing more")
async def end_receiver(
    context: ContextOf, actor: Caller, receiver_id: str, reason: AskedReason
) -> None:
    """End a receiver; what it has not had is not delivered."""
    await receivers.end(context, actor, receiver_id, why=reason)


@routes.post("/{receiver_id}/pause", status_code=204, summary="Try nothing for a while")
async def pause_receiver(
    context: ContextOf, actor: Caller, receiver_id: str, asked: ReasonRequest
) -> None:
    """Deliver nothing until it is let go on; what happens meanwhile waits for it."""
    await receivers.pause(context, actor, receiver_id, why=asked.reason)


@routes.post("/{receiver_id}/resume", status_code=204, summary="Let a receiver go on at once")
async def resume_receiver(
    context: ContextOf, actor: Caller, receiver_id: str, asked: ReasonRequest
) -> None:
    """Deliver from where it stopped, be it paused or waiting for its next attempt."""
    await receivers.resume(context, actor, receiver_id, why=asked.reason)


@routes.get("/{receiver_id}/dead-letters", summary="List what a receiver did not take")
async def read_dead_letters(
    context: ContextOf,
    actor: Caller,
    receiver_id: str,
    *,
    after: Annotated[int, Query(ge=0, description="Sequence after which to start.")] = 0,
    count: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """Return the events that were given up, oldest first."""
    found = await receivers.dead_letters(context, actor, receiver_id, after=after, count=count)
    return {
        "items": [
            {
                "sequence": each.event.sequence,
                "event": envelope(each.event, context.settings.log.origin),
                "attempts": each.attempts,
                "error": each.error,
                "given_up_time": each.given_up_time,
                "asked_time": each.asked_time,
            }
            for each in found
        ]
    }


@routes.post(
    "/{receiver_id}/dead-letters/send-again",
    status_code=202,
    summary="Send dead letters again",
)
async def send_again(
    context: ContextOf, actor: Caller, receiver_id: str, asked: SendAgain
) -> dict[str, int]:
    """Return how many will be sent again; one that fails again stays a dead letter."""
    letters = await receivers.send_again(
        context, actor, receiver_id, first=asked.first, last=asked.last, why=asked.reason
    )
    return {"letters": letters}


def _shown(receiver: Receiver) -> dict[str, Any]:
    return {
        "id": receiver.id,
        "name": receiver.name,
        "url": receiver.url,
        "types": sorted(receiver.types),
        "position": receiver.position,
        "failures": receiver.failures,
        "retry_time": None if receiver.paused else receiver.retry_time,
        "paused": receiver.paused,
        "error": receiver.error,
        "created_time": receiver.created_time,
        "created_by": receiver.created_by,
    }
