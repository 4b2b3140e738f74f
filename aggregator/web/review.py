"""The pages of review: what waits in two lanes, and a lot's exceptions to decide and sign.

Signing goes through the API by ``static/review.js``: what the dialog shows is what is signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from aggregator.access.roles import Act, ActorKind
from aggregator.caller import actor_of, context_of
from aggregator.export.signatures import zoned
from aggregator.model.disposition import TRANSITIONS, Event, Stage
from aggregator.model.signature import Meaning
from aggregator.service.access.rights import acts_of
from aggregator.service.review import review_record
from aggregator.service.review.signing import ABOUT_SUBJECTS, ACT_OF, EVENT_OF
from aggregator.service.review.standing import Standing
from aggregator.web.pages import render_page

routes = APIRouter(include_in_schema=False)

BUTTONS: Final[Mapping[Meaning, str]] = {
    Meaning.EXCEPTION_ACCEPTED: "Accept",
    Meaning.EXCEPTION_REJECTED: "Do not accept",
    Meaning.DEVIATION_RAISED: "Raise a deviation",
    Meaning.ENTRY_CHECKED: "Vouch for it",
    Meaning.REVIEWED: "Sign the review",
    Meaning.RELEASED: "Release",
    Meaning.REJECTED: "Reject",
    Meaning.HELD: "Hold",
    Meaning.HOLD_LIFTED: "Lift the hold",
    Meaning.ADDENDUM: "Sign an addendum",
}
"""What a button says that leads to a signature: the act, not what will have been done."""


@routes.get("/review")
async def lanes(request: Request) -> Response:
    """Show what waits: lots with nothing to decide, and those that need a decision."""
    actor = await actor_of(request)
    found = await review_record.lanes(context_of(request), actor)
    return render_page(request, "review.html", actor, {"lanes": found})


@routes.get("/records/{gtin}/{lot}/review")
async def review(request: Request, gtin: str, lot: str) -> Response:
    """Show a lot's exceptions with their decisions, what can be signed now, and who signed."""
    actor = await actor_of(request)
    context = context_of(request)
    standing = await review_record.get(context, actor, gtin, lot)
    signs = actor.kind is ActorKind.PERSON
    acts = await acts_of(context, actor) if signs else frozenset()
    return render_page(request, "review_record.html", actor, _values(standing, acts))


def _values(standing: Standing, acts: frozenset[Act]) -> dict[str, Any]:
    lot, document = standing.disposition, standing.looked_at.document
    unchecked = set(lot.unchecked)
    return {
        "standing": standing,
        "record": document,
        "summary": standing.looked_at.summary,
        "stage": lot.stage.value.replace("_", " "),
        "opens": Act.REVIEW_RECORD in acts and (lot.stage, Event.OPEN_REVIEW) in TRANSITIONS,
        "decides": Act.REVIEW_RECORD in acts and (lot.stage, Event.DECIDE) in TRANSITIONS,
        "checks": Act.REVIEW_RECORD in acts and (lot.stage, Event.CHECK_ENTRY) in TRANSITIONS,
        "meanings": [each for each in possible(lot.stage) if ACT_OF[each] in acts],
        "buttons": BUTTONS,
        "entries": [fact for fact in document["facts"] if fact["id"] in unchecked],
        "verdicts": {each: kept.signature for each, kept in standing.decisions.items()},
        "zoned": zoned,
    }


def possible(stage: Stage) -> list[Meaning]:
    """Return what can be signed about the lot as a whole at a stage."""
    return [
        meaning
        for meaning, event in EVENT_OF.items()
        if meaning not in ABOUT_SUBJECTS and (stage, event) in TRANSITIONS
    ]
