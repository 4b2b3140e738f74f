"""The pages of review: what waits in two lanes, and a lot's exceptions to decide and sign.

Signing goes through the API by ``static/review.js``: what the dialog shows is what is signed.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from aggregator.caller import actor_of, context_of
from aggregator.export.signatures import zoned
from aggregator.model.disposition import TRANSITIONS, Event, Stage
from aggregator.model.signature import Meaning
from aggregator.service.review import review_record
from aggregator.service.review.signing import ABOUT_SUBJECTS, EVENT_OF
from aggregator.service.review.standing import Standing
from aggregator.web.pages import render_page

routes = APIRouter(include_in_schema=False)


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
    standing = await review_record.get(context_of(request), actor, gtin, lot)
    return render_page(request, "review_record.html", actor, _values(standing))


def _values(standing: Standing) -> dict[str, Any]:
    lot, document = standing.disposition, standing.looked_at.document
    unchecked = set(lot.unchecked)
    return {
        "standing": standing,
        "record": document,
        "summary": standing.looked_at.summary,
        "stage": lot.stage.value.replace("_", " "),
        "opens": (lot.stage, Event.OPEN_REVIEW) in TRANSITIONS,
        "decides": (lot.stage, Event.DECIDE) in TRANSITIONS,
        "meanings": possible(lot.stage),
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
