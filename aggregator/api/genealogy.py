"""Genealogy: say what became of what, one edge or many at once, and correct what was said."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from aggregator.api.reasons import Reason
from aggregator.caller import Caller, ContextOf
from aggregator.model.genealogy.balance import Balance, of_edge
from aggregator.model.genealogy.edge import FLOW, Edge, EdgeId, Part
from aggregator.model.genealogy.item import parse_item
from aggregator.service.genealogy import edges
from aggregator.service.genealogy.forms import EdgeRequest, edge_of

routes = APIRouter(prefix="/genealogy", tags=["genealogy"])


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
    new = [edge_of(each, actor.name, now) for each in asked.edges]
    added = await edges.add(context, actor, new, why=asked.reason)
    return {"items": [shown(edge) for edge in added]}


@routes.post("/edges/{edge_id}/corrections", status_code=201, summary="Correct what was said")
async def correct_edge(
    context: ContextOf, actor: Caller, edge_id: str, asked: EdgeCorrection
) -> dict[str, Any]:
    """Supersede an edge; both stay."""
    right = None
    if asked.right is not None:
        right = edge_of(asked.right, actor.name, context.clock.now())
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
