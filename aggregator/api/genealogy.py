"""Genealogy: say what became of what, one edge or many at once, and correct what was said."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from aggregator.caller import Caller, ContextOf
from aggregator.model.genealogy.balance import Balance, of_edge
from aggregator.model.genealogy.edge import FLOW, Edge, EdgeId, EdgeKind, Part, quantity
from aggregator.model.genealogy.item import parse_item
from aggregator.service.genealogy import edges

routes = APIRouter(prefix="/genealogy", tags=["genealogy"])

ItemText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=400,
        description="Kind and key: lot:(01)GTIN(10)lot, sublot:(01)GTIN(10)lot#part, "
        "unit:(01)GTIN(21)serial, carrier:(00)SSCC, and what records name: signal, equipment, "
        "calibration, gateway_key, settings, recipe, limit, operator.",
        examples=["lot:(01)09506000134352(10)L-1"],
    ),
]
Reason = Annotated[str, Field(min_length=1, max_length=1000)]


class Said(StrEnum):
    """What may be said by the API; uses are taken from batch records."""

    TRANSFORMATION = "transformation"  # material became other material
    SPLIT = "split"  # one lot became parts, or units
    MERGE = "merge"  # several lots became one
    REWORK = "rework"  # worked on again, as a new sublot or lot
    AGGREGATION = "aggregation"  # a carrier held items, to move them
    ASSOCIATION = "association"  # a carrier belonged to items


class PartRequest(BaseModel):
    """An item on one side of an edge, and how much of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item: ItemText
    quantity: Annotated[
        str, Field(max_length=40, description="A number above zero; left out: not known.")
    ] = ""
    unit: Annotated[str, Field(max_length=20, description="UCUM; 1 counts pieces.")] = "1"


class EdgeRequest(BaseModel):
    """What happened between start and end: the inputs became, or held, the outputs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Said
    start: Annotated[
        int | None, Field(ge=0, description="Nanoseconds since 1970; left out: now.")
    ] = None
    end: Annotated[
        int | None,
        Field(ge=0, description="Left out: of a carrier, it lasts; else the same as the start."),
    ] = None
    inputs: list[PartRequest]
    outputs: list[PartRequest]
    tolerance: Annotated[
        Decimal, Field(ge=0, le=1, description="Part of the inputs that may be missing or more.")
    ] = Decimal(0)
    uncertainty: Annotated[int, Field(ge=0, description="Nanoseconds, of start and end.")] = 0
    text: Annotated[str, Field(max_length=200, description="The step, as people call it.")] = ""


class Edges(BaseModel):
    """Edges that are taken together or not at all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edges: Annotated[list[EdgeRequest], Field(min_length=1, max_length=edges.EDGES_MAX)]
    reason: Reason


class EdgeCorrection(BaseModel):
    """What takes the place of a wrong edge; without ``right`` nothing does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reason
    right: EdgeRequest | None = None


@routes.post("/edges", status_code=201, summary="Say what became of what")
async def add_edges(context: ContextOf, actor: Caller, asked: Edges) -> dict[str, Any]:
    """Record edges, all or none; said twice, an edge is one."""
    now = context.clock.now()
    new = [_edge(each, actor.name, now) for each in asked.edges]
    added = await edges.add(context, actor, new, why=asked.reason)
    return {"items": [shown(edge) for edge in added]}


@routes.post("/edges/{edge_id}/corrections", status_code=201, summary="Correct what was said")
async def correct_edge(
    context: ContextOf, actor: Caller, edge_id: str, asked: EdgeCorrection
) -> dict[str, Any]:
    """Supersede an edge; both stay."""
    right = None
    if asked.right is not None:
        right = _edge(asked.right, actor.name, context.clock.now())
    added = await edges.supersede(context, actor, EdgeId(edge_id), right, reason=asked.reason)
    return shown(added)


@routes.get("/edges", summary="Read the edges in force that an item is part of")
async def read_edges(
    context: ContextOf, actor: Caller, item: Annotated[str, Query(max_length=400)]
) -> dict[str, Any]:
    """Return the edges, oldest first."""
    found = await edges.of_item(context, actor, parse_item(item))
    return {"items": [shown(edge) for edge in found]}


def shown(edge: Edge) -> dict[str, Any]:
    """Return an edge as the API shows it."""
    return {
        "id": edge.id,
        "kind": edge.kind.value,
        "start": edge.start,
        "end": edge.end,
        "inputs": [_part(part) for part in edge.inputs],
        "outputs": [_part(part) for part in edge.outputs],
        "balance": balance(of_edge(edge)) if edge.kind in FLOW else None,
        "tolerance": str(edge.tolerance),
        "uncertainty": edge.uncertainty,
        "text": edge.text,
        "source": edge.source,
        "recorded": edge.recorded,
        "supersedes": edge.supersedes,
        "reason": edge.reason,
    }


def balance(found: Balance) -> dict[str, str]:
    """Return a balance as the API shows it: exact numbers as text."""
    return {
        "state": found.state.value,
        "unit": found.unit,
        "into": f"{found.into:f}",
        "out": f"{found.out:f}",
        "difference": f"{found.difference:f}",
    }


def _part(part: Part) -> dict[str, str | None]:
    amount = part.quantity
    return {
        "item": str(part.item),
        "quantity": None if amount is None else f"{amount.value:f}",
        "unit": None if amount is None else amount.unit,
    }


def _edge(asked: EdgeRequest, source: str, now: int) -> Edge:
    start = now if asked.start is None else asked.start
    lasting = asked.kind in (Said.AGGREGATION, Said.ASSOCIATION)
    return Edge(
        kind=EdgeKind(asked.kind.value),
        start=start,
        end=start if asked.end is None and not lasting else asked.end,
        inputs=tuple(_part_of(part) for part in asked.inputs),
        outputs=tuple(_part_of(part) for part in asked.outputs),
        source=source,
        tolerance=asked.tolerance,
        uncertainty=asked.uncertainty,
        text=asked.text,
    )


def _part_of(asked: PartRequest) -> Part:
    amount = quantity(asked.quantity, asked.unit) if asked.quantity else None
    return Part(item=parse_item(asked.item), quantity=amount)
