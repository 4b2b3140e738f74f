"""The page that traces an item: a drawing of the nearest items, and the same as a table of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from aggregator.caller import actor_of, context_of
from aggregator.errors import AggregatorError, NotFoundError
from aggregator.model.binding.fact import FOREVER
from aggregator.model.genealogy.item import Item, parse_item, scanned_item
from aggregator.model.genealogy.trace import Direction
from aggregator.service.genealogy.trace_lot import Answer, Question, TracedItem, trace
from aggregator.web.pages import render_page
from protocols.wire.dossier.instant import format_time
from protocols.wire.reading import Nanoseconds

routes = APIRouter(include_in_schema=False)

_PAGE: Final = 200
_DRAWN_MAX: Final = 60
_LABEL_MAX: Final = 30
_BOX: Final = (230, 46)
_STEP: Final = (290, 60)  # from one box to the next, across and down


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """An item in the drawing; x and y are of its upper left corner, in CSS pixels."""

    x: int
    y: int
    item: Item
    label: str  # the key, cut where it is long
    address: str  # as the page's own question


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Boxes in columns by their distance from the origin, and the lines between them."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[tuple[int, int, int, int], ...]  # x and y of both ends


@routes.get("/trace")
async def trace_page(
    request: Request,
    gs1: str = "",
    direction: Direction = Direction.BACK,
    start: int = 0,
) -> HTMLResponse:
    """Ask for an item, a scanned label or its kind and key, and show where it leads."""
    actor = await actor_of(request)
    values: dict[str, Any] = {
        "asked": gs1,
        "direction": direction.value,
        "answer": None,
        "drawing": None,
        "problem": None,
        "page_size": _PAGE,
        "moment": _moment,
    }
    status = 200
    if gs1:
        try:
            question = Question(item=_item(gs1.strip()), direction=direction)
            answer = await trace(context_of(request), actor, question, start=start, count=_PAGE)
            values |= {"answer": answer, "drawing": draw(answer)}
        except AggregatorError as error:
            values["problem"] = error
            status = 404 if isinstance(error, NotFoundError) else 422
    page = render_page(request, "trace.html", actor, values)
    page.status_code = status
    return page


def draw(answer: Answer) -> Drawing | None:
    """Return the drawing of the nearest items; None on a page that does not begin with them."""
    if answer.start:
        return None
    shown = answer.items[:_DRAWN_MAX]
    rows: dict[int, int] = {}
    corners: dict[int, tuple[int, int]] = {}
    boxes = []
    for each in shown:
        row = rows.get(each.level, 0)
        rows[each.level] = row + 1
        x, y = 1 + each.level * _STEP[0], 1 + row * _STEP[1]
        corners[each.number] = (x, y)
        boxes.append(
            Box(x=x, y=y, item=each.item, label=_label(each.item.key), address=str(each.item))
        )
    return Drawing(
        width=max(box.x for box in boxes) + _BOX[0] + 1,
        height=max(rows.values()) * _STEP[1],
        boxes=tuple(boxes),
        lines=tuple(_line(each, corners) for each in shown if each.source in corners),
    )


def _line(each: TracedItem, corners: dict[int, tuple[int, int]]) -> tuple[int, int, int, int]:
    from_x, from_y = corners[each.source or 0]
    to_x, to_y = corners[each.number]
    return from_x + _BOX[0], from_y + _BOX[1] // 2, to_x, to_y + _BOX[1] // 2


def _label(key: str) -> str:
    return key if len(key) <= _LABEL_MAX else f"{key[: _LABEL_MAX - 1]}…"


def _item(text: str) -> Item:
    """Return the item of ``kind:key``, or else of what a label says."""
    kind, colon, _ = text.partition(":")
    return (
        parse_item(text)
        if colon and kind.isidentifier() and "//" not in text
        else scanned_item(text)
    )


def _moment(time: Nanoseconds) -> str:
    """Return a time to the millisecond, a dash where there is no bound."""
    if time in (0, FOREVER):
        return "–"
    text = format_time(time)
    return f"{text[:10]} {text[11:23]} UTC"
