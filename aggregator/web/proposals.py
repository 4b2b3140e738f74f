"""The page of what waits for a person's word: ends that are proposed for jobs, and master data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from aggregator.access.roles import Act, Actor, ActorKind, allows
from aggregator.caller import Person, actor_of, context_of
from aggregator.errors import AggregatorError, NotFoundError
from aggregator.model.binding.closing import Evidence
from aggregator.model.binding.fact import FactId
from aggregator.service.access.accounts import Proof
from aggregator.service.access.rights import acts_of
from aggregator.service.binding import unended
from aggregator.service.context import Context
from aggregator.service.master.documents import EntityKind
from aggregator.service.master.versions import Versioned
from aggregator.service.review import approve_master
from aggregator.service.review.approve_master import Proposal
from aggregator.web.forms import form_of
from aggregator.web.pages import render_answer

routes = APIRouter(prefix="/proposals", include_in_schema=False)

EVIDENCE: Final[Mapping[Evidence, str]] = {
    Evidence.NEXT: "something else was there since",
    Evidence.IDLE: "the equipment has done nothing since",
}


@routes.get("")
async def proposals(request: Request) -> Response:
    """Show the jobs that nobody has ended, and the versions that wait for a second person."""
    return await _page(request, await actor_of(request))


@routes.post("/jobs/{fact}")
async def close(request: Request, person: Person, fact: str) -> Response:
    """Sign the proposed end of a job."""
    form = await form_of(request)
    try:
        await unended.close(
            context_of(request),
            person,
            FactId(fact),
            shown=form.text("shown"),
            proof=Proof(password=form.secret("password"), code=form.text("code")),
            reason=form.text("reason"),
        )
    except AggregatorError as error:
        return await _page(request, person.actor, error)
    return RedirectResponse("/proposals", status_code=303)


@routes.post("/master")
async def decide(request: Request, person: Person) -> Response:
    """Approve a proposed version of master data, or reject it."""
    form = await form_of(request)
    context, why = context_of(request), form.text("reason")
    try:
        proposal = Proposal(
            kind=_kind(form.text("kind")),
            key=form.text("key"),
            version=form.whole("version"),
        )
        if form.text("decision") == "reject":
            await approve_master.reject(context, person, proposal, why=why)
        else:
            password = form.secret("password")
            await approve_master.approve(context, person, proposal, password=password, why=why)
    except AggregatorError as error:
        return await _page(request, person.actor, error)
    return RedirectResponse("/proposals", status_code=303)


async def _page(request: Request, actor: Actor, error: AggregatorError | None = None) -> Response:
    context = context_of(request)
    person = actor.kind is ActorKind.PERSON
    approves = person and Act.APPROVE_MASTER in await acts_of(context, actor)
    values = {
        "evidence": EVIDENCE,
        "unended": await unended.unended(context, actor),
        "signs": person and allows(actor, Act.WRITE_FACTS),
        "versions": [
            await _version(context, actor, each)
            for each in await approve_master.proposals(context, actor)
        ],
        "approves": approves,
    }
    return render_answer(request, "proposals.html", actor, values, error)


def _kind(text: str) -> EntityKind:
    if text not in set(EntityKind):
        raise NotFoundError(f"{text[:40]!r} is no kind of master data")
    return EntityKind(text)


async def _version(context: Context, actor: Actor, found: Versioned) -> dict[str, Any]:
    """Return a proposed version, with what it says otherwise than the one before it."""
    history = await approve_master.history(context, actor, found.document.kind, found.key)
    before = next((each for each in history if each.version == found.version - 1), None)
    said, was = _said(found), {} if before is None else _said(before)
    changed = [
        (name, was.get(name, "–"), said.get(name, "–"))
        for name in dict.fromkeys([*said, *was])
        if said.get(name) != was.get(name)
    ]
    return {"found": found, "changed": changed, "own": found.recorded_by == actor.name}


def _said(found: Versioned) -> dict[str, str]:
    """Return the fields of a version as texts; those that say nothing are left out."""
    document = found.document.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in document.items()
    }
