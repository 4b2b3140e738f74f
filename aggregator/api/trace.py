"""Trace: what came of an item, or what it came of, from a scanned label or a key."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from aggregator.api.genealogy import shown as shown_edge
from aggregator.caller import Caller, ContextOf
from aggregator.errors import InvalidError
from aggregator.model.binding.fact import FOREVER
from aggregator.model.genealogy.item import Item, parse_item, scanned_item
from aggregator.model.genealogy.trace import Direction
from aggregator.service.genealogy.trace_lot import PAGE_MAX, Answer, Question, trace, way_to

routes = APIRouter(prefix="/trace", tags=["trace"])

ItemQuery = Annotated[str, Query(max_length=400, description="Kind and key of the item.")]
LabelQuery = Annotated[
    str,
    Query(max_length=2000, description="Instead: what a label says, or a GS1 Digital Link."),
]
SinceQuery = Annotated[
    int, Query(ge=0, description="Nanoseconds since 1970: forward, in doubt from then on.")
]
UntilQuery = Annotated[
    int | None, Query(ge=0, description="Back: as it was then; forward: in doubt until then.")
]


async def _asked(
    *,
    item: ItemQuery = "",
    gs1: LabelQuery = "",
    direction: Direction = Direction.BACK,
    since: SinceQuery = 0,
    until: UntilQuery = None,
) -> Question:
    return Question(
        item=one_item(item, gs1),
        direction=direction,
        since=since,
        until=FOREVER if until is None else until,
    )


Asked = Annotated[Question, Depends(_asked)]


@routes.get("", summary="Trace an item forward or back")
async def read_trace(
    context: ContextOf,
    actor: Caller,
    question: Asked,
    *,
    start: Annotated[int, Query(ge=0, description="Number of the first item wanted.")] = 0,
    count: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_MAX,
) -> dict[str, Any]:
    """Return a page of the items reached, nearest first; `total` says how many there are."""
    return shown(await trace(context, actor, question, start=start, count=count))


@routes.get("/way", summary="Read the steps that lead from an item to another")
async def read_way(
    context: ContextOf,
    actor: Caller,
    question: Asked,
    to: Annotated[str, Query(max_length=400, description="Kind and key of the other item.")],
) -> dict[str, Any]:
    """Return each step with its edge, which says when it happened and who vouches for it."""
    steps = await way_to(context, actor, question, parse_item(to))
    return {
        "steps": [
            {"from": str(source), "edge": shown_edge(edge), "to": str(target)}
            for source, edge, target in steps
        ]
    }


def one_item(item: str, gs1: str) -> Item:
    """Return the item of a request; InvalidError unless it names exactly one way."""
    if bool(item) == bool(gs1):
        raise InvalidError("give either `item` or `gs1`", hint="item=lot:(01)…(10)…, or a label")
    return parse_item(item) if item else scanned_item(gs1)


def shown(answer: Answer) -> dict[str, Any]:
    """Return a page of a trace as the API shows it."""
    return {
        "item": str(answer.question.item),
        "direction": answer.question.direction.value,
        "total": answer.total,
        "edges": answer.edges,
        "depth": answer.depth,
        "start": answer.start,
        "items": [
            {
                "number": each.number,
                "item": str(each.item),
                "time": None if each.time == FOREVER else each.time,
                "level": each.level,
                "from": None if each.source_item is None else str(each.source_item),
                "edge": each.edge,
                "kind": each.kind,
            }
            for each in answer.items
        ],
    }
