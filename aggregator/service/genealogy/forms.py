"""What became of what, as other systems say it; by the API, or in an import."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from aggregator.model.genealogy.edge import Edge, EdgeKind, Part, quantity
from aggregator.model.genealogy.item import parse_item

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


def edge_of(asked: EdgeRequest, source: str, now: int) -> Edge:
    """Return the edge that is meant; InvalidError where it contradicts itself."""
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
