"""Recalls: open a case, locate what it concerns, carry it to its end; and drills."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from aggregator.api.genealogy import balance
from aggregator.api.reasons import Reason
from aggregator.api.trace import one_item
from aggregator.caller import Caller, ContextOf
from aggregator.model.binding.fact import FOREVER
from aggregator.model.genealogy.item import parse_item
from aggregator.model.genealogy.recall import CaseEvent, CaseId, Fate, Trigger
from aggregator.service.genealogy import recall
from aggregator.service.genealogy.recall import CASES_MAX, ITEMS_MAX, Case, Happened, Located

routes = APIRouter(prefix="/recalls", tags=["recalls"])


class CaseAct(StrEnum):
    """What can be done with a case by this address."""

    ASSIGN = "assign"  # somebody is to see to it
    PUBLISH = "publish"  # those concerned were told
    CLOSE = "close"  # nothing is left to do
    CANCEL = "cancel"  # there was no reason after all


class TriggerRequest(BaseModel):
    """What is in doubt, since when, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item: Annotated[str, Field(max_length=400, description="Kind and key of the item.")] = ""
    gs1: Annotated[str, Field(max_length=2000, description="Instead: what a label says.")] = ""
    since: Annotated[int, Field(ge=0, description="Nanoseconds since 1970.")] = 0
    until: Annotated[int | None, Field(ge=0, description="Left out: still in doubt.")] = None
    reason: Reason


class LocateRequest(BaseModel):
    """Why it is traced now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reason


class ActRequest(BaseModel):
    """What is done with a case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    act: CaseAct
    reason: Reason
    details: Annotated[
        dict[str, str], Field(max_length=20, description="Who is to act, who was told, and how.")
    ] = {}


class FateRequest(BaseModel):
    """What became of located items."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: Annotated[list[str], Field(min_length=1, max_length=ITEMS_MAX)]
    fate: Fate
    reason: Reason


class DrillRequest(BaseModel):
    """By what chance the lot is drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: Annotated[str, Field(max_length=100, description="Left out: a new one.")] = ""


@routes.get("", summary="List recalls and drills")
async def read_cases(
    context: ContextOf, actor: Caller, count: Annotated[int, Query(ge=1, le=CASES_MAX)] = 100
) -> dict[str, Any]:
    """Return cases, the latest first."""
    return {"items": [shown(each) for each in await recall.page(context, actor, count=count)]}


@routes.post("", status_code=201, summary="Open a recall")
async def open_case(context: ContextOf, actor: Caller, asked: TriggerRequest) -> dict[str, Any]:
    """Open a case; nothing is located yet."""
    trigger = Trigger(
        item=one_item(asked.item, asked.gs1),
        since=asked.since,
        until=FOREVER if asked.until is None else asked.until,
        reason=asked.reason,
    )
    return shown(await recall.open_case(context, actor, trigger))


@routes.post("/drills", status_code=201, summary="Drill: recall a lot drawn by chance")
async def drill(context: ContextOf, actor: Caller, asked: DrillRequest) -> dict[str, Any]:
    """Locate all that came of the lot, and return how long it took."""
    found = await recall.drill(context, actor, seed=asked.seed)
    return {
        "case": shown(found.case),
        "seed": found.seed,
        "lots": found.lots,
        "seconds": found.seconds,
    }


@routes.get("/{case_id}", summary="Read a case and its timeline")
async def read_case(context: ContextOf, actor: Caller, case_id: str) -> dict[str, Any]:
    """Return the case and everything that happened in it."""
    case, timeline = await recall.get(context, actor, CaseId(case_id))
    return {**shown(case), "timeline": [_event(each) for each in timeline]}


@routes.post("/{case_id}/locate", summary="Locate what a case concerns")
async def locate(
    context: ContextOf, actor: Caller, case_id: str, asked: LocateRequest
) -> dict[str, Any]:
    """Trace forward from the trigger; done again, what was recorded since is added."""
    return shown(await recall.locate(context, actor, CaseId(case_id), why=asked.reason))


@routes.get("/{case_id}/items", summary="Read what a case located")
async def read_items(
    context: ContextOf,
    actor: Caller,
    case_id: str,
    start: Annotated[int, Query(ge=0)] = 0,
    count: Annotated[int, Query(ge=1, le=ITEMS_MAX)] = ITEMS_MAX,
) -> dict[str, Any]:
    """Return a page of items, nearest first, each with its mass balance."""
    found = await recall.located(context, actor, CaseId(case_id), start=start, count=count)
    return {"items": [_item(each) for each in found]}


@routes.post("/{case_id}/fates", summary="Say what became of located items")
async def account(
    context: ContextOf, actor: Caller, case_id: str, asked: FateRequest
) -> dict[str, Any]:
    """Account for items; said again, the later word counts and both are in the timeline."""
    items = [parse_item(each) for each in asked.items]
    case = CaseId(case_id)
    return shown(await recall.account(context, actor, case, items, asked.fate, why=asked.reason))


@routes.post("/{case_id}/acts", summary="Assign, publish, close or cancel a case")
async def act(context: ContextOf, actor: Caller, case_id: str, asked: ActRequest) -> dict[str, Any]:
    """Carry the case on; 409 where it does not take that now."""
    return shown(
        await recall.go_on(
            context,
            actor,
            CaseId(case_id),
            CaseEvent(asked.act.value),
            why=asked.reason,
            details=asked.details,
        )
    )


def shown(case: Case) -> dict[str, Any]:
    """Return a case as the API shows it."""
    return {
        "id": case.id,
        "kind": case.kind.value,
        "state": case.state.value,
        "item": str(case.trigger.item),
        "since": case.trigger.since,
        "until": None if case.trigger.until == FOREVER else case.trigger.until,
        "reason": case.trigger.reason,
        "opened": case.opened,
        "opened_by": case.opened_by,
        "located": case.located,
        "accounted": case.accounted,
    }


def _event(happened: Happened) -> dict[str, Any]:
    return {
        "sequence": happened.sequence,
        "event": happened.event,
        "state": happened.state.value,
        "recorded": happened.recorded,
        "who": happened.who,
        "why": happened.why,
        "details": happened.details,
    }


def _item(found: Located) -> dict[str, Any]:
    return {
        "item": str(found.item),
        "time": found.time,
        "level": found.level,
        "edge": found.edge,
        "from": None if found.source is None else str(found.source),
        "balance": balance(found.balance),
        "fate": None if found.fate is None else found.fate.value,
        "fate_reason": found.fate_reason,
        "fate_by": found.fate_by,
        "fate_time": found.fate_time,
    }
