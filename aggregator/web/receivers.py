"""The pages of those who are told of events: how far each is, what it did not take, and again."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from aggregator.access.roles import Actor
from aggregator.caller import Person, actor_of, context_of
from aggregator.errors import AggregatorError, NotFoundError
from aggregator.model.integration.event import EventType
from aggregator.service.integration import receivers
from aggregator.service.integration.receivers import BROKER, Progress
from aggregator.web.forms import Form, form_of
from aggregator.web.pages import render_answer, render_page

routes = APIRouter(prefix="/receivers", include_in_schema=False)

STATES: Final = ("paused", "not taken", "behind", "up to date")
"""What is said of a receiver in a word."""
_LETTERS_MAX: Final = 200
_LAST: Final = 2**63 - 1


@routes.get("")
async def every(request: Request) -> Response:
    """Show all receivers with how far each is, and how another is added."""
    actor = await actor_of(request)
    found = await receivers.progress(context_of(request), actor)
    values = {"receivers": found, "types": list(EventType), "state_of": state_of}
    return render_page(request, "receivers.html", actor, values)


@routes.get("/{receiver}")
async def one(request: Request, receiver: str) -> Response:
    """Show a receiver and what it did not take."""
    return await _one(request, await actor_of(request), receiver)


@routes.post("/{receiver}/{act}")
async def change(request: Request, person: Person, receiver: str, act: str) -> Response:
    """Pause a receiver, let it go on, end it, or send it again what it did not take."""
    form = await form_of(request)
    try:
        await _change(request, person.actor, receiver, act, form)
    except AggregatorError as error:
        return await _one(request, person.actor, receiver, error)
    return RedirectResponse(
        "/receivers" if act == "end" else f"/receivers/{receiver}", status_code=303
    )


def state_of(found: Progress) -> str:
    """Return one of STATES."""
    if found.receiver.paused:
        return "paused"
    if found.receiver.error and found.receiver.failures:
        return "not taken"
    return "behind" if found.waiting else "up to date"


async def _change(request: Request, actor: Actor, receiver: str, act: str, form: Form) -> None:
    context, why = context_of(request), form.text("reason")
    match act:
        case "pause":
            await receivers.pause(context, actor, receiver, why=why)
        case "resume":
            await receivers.resume(context, actor, receiver, why=why)
        case "end":
            await receivers.end(context, actor, receiver, why=why)
        case "send-again":
            one_alone = form.text("sequence")
            first, last = (form.whole("sequence"),) * 2 if one_alone else (1, _LAST)
            await receivers.send_again(context, actor, receiver, first=first, last=last, why=why)
        case _:
            raise NotFoundError(f"nothing is done to a receiver by {act[:40]!r}")


async def _one(
    request: Request, actor: Actor, receiver: str, error: AggregatorError | None = None
) -> Response:
    context = context_of(request)
    found = [
        each for each in await receivers.progress(context, actor) if each.receiver.id == receiver
    ]
    if not found:
        raise NotFoundError(f"there is no receiver {receiver}")
    letters = await receivers.dead_letters(context, actor, receiver, after=0, count=_LETTERS_MAX)
    values = {
        "found": found[0],
        "letters": letters,
        "state_of": state_of,
        "ends": receiver != BROKER,
    }
    return render_answer(request, "receiver.html", actor, values, error)
