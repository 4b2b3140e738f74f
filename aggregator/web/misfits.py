"""The pages of what came from other systems and does not fit: look at it, take it, dismiss it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from aggregator.access.roles import Actor, allows
from aggregator.caller import Person, actor_of, context_of
from aggregator.errors import AggregatorError, InvalidError
from aggregator.service.integration import imports, misfits
from aggregator.service.integration.items import ACT_OF, Changes, parse_item
from aggregator.service.integration.misfits import Misfit, MisfitState
from aggregator.web.forms import form_of
from aggregator.web.pages import render_answer, render_page

routes = APIRouter(prefix="/misfits", include_in_schema=False)

STATES: Final[Mapping[MisfitState, str]] = {
    MisfitState.WAITING: "waits for a person",
    MisfitState.TAKEN: "taken",
    MisfitState.DISMISSED: "dismissed",
}
_PAGE: Final = 50
_FORM_BYTES_MAX: Final = 1 << 20


@routes.get("")
async def queue(
    request: Request, state: MisfitState = MisfitState.WAITING, after: str = ""
) -> Response:
    """Show what waits for a person, or what became of it."""
    actor = await actor_of(request)
    found = await misfits.page(context_of(request), actor, state, after=after, count=_PAGE)
    values = {
        "misfits": found,
        "state": state,
        "states": STATES,
        "after": found[-1].id if len(found) == _PAGE else "",
    }
    return render_page(request, "misfits.html", actor, values)


@routes.get("/{misfit}")
async def one(request: Request, misfit: str) -> Response:
    """Show a misfit as it came, with what is wrong and what to do."""
    return await _one(request, await actor_of(request), misfit)


@routes.post("/{misfit}/submission")
async def submit(request: Request, person: Person, misfit: str) -> Response:
    """Take a misfit, as it came or as it was corrected."""
    form = await form_of(request, bytes_max=_FORM_BYTES_MAX)
    context, document = context_of(request), form.secret("document")
    try:
        came = (await misfits.get(context, person.actor, misfit)).document
        await misfits.submit(
            context,
            person.actor,
            misfit,
            None if _parts(document) == _parts(came) else document,
            changes=Changes.TAKE if form.text("changes") else None,
            why=form.text("reason"),
        )
    except AggregatorError as error:
        return await _one(request, person.actor, misfit, error, document)
    return RedirectResponse("/misfits", status_code=303)


@routes.post("/{misfit}/dismissal")
async def dismiss(request: Request, person: Person, misfit: str) -> Response:
    """Decide that a misfit is not to be taken."""
    why = (await form_of(request)).text("reason")
    try:
        await misfits.dismiss(context_of(request), person.actor, misfit, why=why)
    except AggregatorError as error:
        return await _one(request, person.actor, misfit, error)
    return RedirectResponse("/misfits", status_code=303)


async def _one(
    request: Request,
    actor: Actor,
    misfit: str,
    error: AggregatorError | None = None,
    document: str = "",
) -> Response:
    found = await misfits.get(context_of(request), actor, misfit)
    values = {
        "misfit": found,
        "states": STATES,
        "document": document or indented(found.document),
        "waiting": found.state is MisfitState.WAITING,
        "takes": await _takes(request, actor, found),
    }
    return render_answer(request, "misfit.html", actor, values, error)


async def _takes(request: Request, actor: Actor, found: Misfit) -> bool:
    """Tell whether the actor may change what the item changes; no one where its adapter is gone."""
    try:
        channel = await imports.channel_named(context_of(request), found.interface)
    except AggregatorError:
        return False
    return allows(actor, ACT_OF[channel.interface])


def indented(raw: str) -> str:
    """Return JSON a member a line, letter by letter as its values came; other text as it is."""
    try:
        parse_item(raw)
    except InvalidError:
        return raw
    lines, depth, opened = "", 0, False
    for part in _parts(raw):
        closes = part in ("}", "]")
        depth -= closes
        new = opened is not closes or lines.endswith(",")
        lines += f"\n{'  ' * depth}{part}" if new and lines else part
        opened = part in ("{", "[")
        depth += opened
        lines += " " if part == ":" else ""
    return lines


def _parts(raw: str) -> list[str]:
    return _TOKEN.findall(raw)


_TOKEN: Final = re.compile(r'"(?:\\.|[^"\\])*"|[\[\]{},:]|[^\s\[\]{},:"]+|"')
