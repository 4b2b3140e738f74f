"""Edges of the genealogy: from several items to several items, with quantities and times.

An edge is added and never changed: it is corrected by one that supersedes it, with a reason. The
kinds are those of EPCIS 2.0 (transformation, aggregation, association), and for a transformation
what ISA-95 and the shop floor call it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, NewType

from aggregator.errors import InvalidError
from aggregator.model.binding.fact import FOREVER
from aggregator.model.genealogy.item import CONTEXT, MATERIAL, Item, ItemKind, parse_item
from protocols.wire.dossier.file import canonical_json
from protocols.wire.reading import Nanoseconds

EdgeId = NewType("EdgeId", str)
"""``e-`` and 32 hex digits of the hash of what the edge says: saying it twice is one edge."""

PARTS_MAX: Final = 10_000
"""Items on one side of an edge, at most."""


class EdgeKind(StrEnum):
    """What happened."""

    TRANSFORMATION = "transformation"  # material became other material
    SPLIT = "split"  # one lot became parts, or units
    MERGE = "merge"  # several lots became one
    REWORK = "rework"  # material was worked on again, as a new sublot or lot
    AGGREGATION = "aggregation"  # a carrier held items for a time, to move them
    ASSOCIATION = "association"  # a carrier belonged to items for a time
    USE = "use"  # the making of a lot rested on sensors, keys, settings, recipes, persons
    WITHDRAWAL = "withdrawal"  # what it supersedes was wrong, and nothing takes its place


FLOW: Final = frozenset({EdgeKind.TRANSFORMATION, EdgeKind.SPLIT, EdgeKind.MERGE, EdgeKind.REWORK})
"""Kinds in which material moves from the inputs into the outputs."""

HOLDING: Final = frozenset({EdgeKind.AGGREGATION, EdgeKind.ASSOCIATION})
"""Kinds in which the input, a carrier, held the outputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """How much: an exact number above zero and its unit in UCUM notation."""

    value: Decimal
    unit: str = "1"  # pieces

    def __post_init__(self) -> None:
        """Refuse what is no amount of anything."""
        if not self.value.is_finite() or self.value <= 0 or not self.unit:
            raise InvalidError("a quantity is a number above zero with a unit")

    def __str__(self) -> str:
        return f"{self.value:f} {self.unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An item on one side of an edge, and how much of it where that is known."""

    item: Item
    quantity: Quantity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What happened between ``start`` and ``end``: the inputs became, held or made the outputs."""

    kind: EdgeKind
    start: Nanoseconds
    end: Nanoseconds | None  # None while it lasts, which only a carrier's holding may
    inputs: tuple[Part, ...]
    outputs: tuple[Part, ...]
    source: str  # who says so: a person, a system, "record <hash>"
    tolerance: Decimal = Decimal(0)  # part of the inputs that may go missing or come in addition
    uncertainty: Nanoseconds = 0  # of start and end
    text: str = ""  # the step, as people call it
    recorded: Nanoseconds | None = None
    supersedes: EdgeId | None = None
    reason: str = ""  # why it supersedes

    def __post_init__(self) -> None:
        """Refuse an edge that says nothing or contradicts itself."""
        if self.supersedes is not None and not self.reason:
            raise InvalidError("a correction needs its reason", hint="say why in `reason`")
        if self.kind is EdgeKind.WITHDRAWAL:
            if self.supersedes is None or self.inputs or self.outputs:
                raise InvalidError("a withdrawal names the edge that it supersedes, and no items")
            return
        _check_times(self)
        _check_parts(self)
        _check_kinds(self)

    @property
    def id(self) -> EdgeId:
        """The name of what is said, whenever it was recorded."""
        said = {name: value for name, value in to_document(self).items() if name != "recorded"}
        return EdgeId(f"e-{hashlib.sha256(canonical_json(said)).hexdigest()[:32]}")

    @property
    def earliest(self) -> Nanoseconds:
        """The start, less what is not certain of it."""
        return max(self.start - self.uncertainty, 0)

    @property
    def latest(self) -> Nanoseconds:
        """The end and what is not certain of it; FOREVER while it lasts."""
        return FOREVER if self.end is None else min(self.end + self.uncertainty, FOREVER)


def to_document(edge: Edge) -> dict[str, Any]:
    """Return an edge as JSON's own types."""
    return {
        "kind": edge.kind.value,
        "start": edge.start,
        "end": edge.end,
        "inputs": [_part(part) for part in edge.inputs],
        "outputs": [_part(part) for part in edge.outputs],
        "source": edge.source,
        "tolerance": str(edge.tolerance),
        "uncertainty": edge.uncertainty,
        "text": edge.text,
        "recorded": edge.recorded,
        "supersedes": edge.supersedes,
        "reason": edge.reason,
    }


def from_document(said: dict[str, Any]) -> Edge:
    """Return the edge that a document says."""
    return Edge(
        **{
            **said,
            "kind": EdgeKind(said["kind"]),
            "inputs": tuple(_part_of(part) for part in said["inputs"]),
            "outputs": tuple(_part_of(part) for part in said["outputs"]),
            "tolerance": Decimal(said["tolerance"]),
        }
    )


def quantity(value: str, unit: str) -> Quantity:
    """Return a quantity from its texts; InvalidError for what is no number."""
    try:
        return Quantity(value=Decimal(value), unit=unit)
    except InvalidOperation:
        raise InvalidError(f"{value[:40]!r} is no number", hint="for example 12.5") from None


def _part(part: Part) -> list[str | None]:
    amount = part.quantity
    return [str(part.item), *((None, None) if amount is None else (f"{amount.value}", amount.unit))]


def _part_of(said: list[str | None]) -> Part:
    item, value, unit = said
    amount = None if value is None else quantity(value, unit or "1")
    return Part(item=parse_item(item or ""), quantity=amount)


def _check_times(edge: Edge) -> None:
    if edge.start < 0 or edge.uncertainty < 0:
        raise InvalidError("an edge's times and uncertainty are not below zero")
    if edge.end is None and edge.kind not in HOLDING:
        raise InvalidError(f"a {edge.kind.value} has an end")
    if edge.end is not None and edge.end < edge.start:
        raise InvalidError("an edge ends before it starts")
    if not edge.tolerance.is_finite() or not 0 <= edge.tolerance <= 1:
        raise InvalidError("a tolerance is a part of the inputs, from 0 to 1")


def _check_parts(edge: Edge) -> None:
    for side, parts in (("input", edge.inputs), ("output", edge.outputs)):
        if not 1 <= len(parts) <= PARTS_MAX:
            raise InvalidError(f"a {edge.kind.value} has 1 to {PARTS_MAX} {side}s")
        if len({part.item for part in parts}) < len(parts):
            raise InvalidError(f"an item stands twice among the {side}s", hint="add the quantities")
    both = {part.item for part in edge.inputs} & {part.item for part in edge.outputs}
    if both:
        raise InvalidError(
            f"{min(both)} stands on both sides", hint="rework makes a new sublot or a new lot"
        )
    if edge.kind is EdgeKind.SPLIT and len(edge.inputs) > 1:
        raise InvalidError("a split has one input", hint="several become others: a transformation")
    if edge.kind is EdgeKind.MERGE and len(edge.outputs) > 1:
        raise InvalidError("a merge has one output", hint="several become others: a transformation")
    if edge.kind in HOLDING and len(edge.inputs) > 1:
        raise InvalidError(f"an {edge.kind.value} has one carrier as its input")


def _check_kinds(edge: Edge) -> None:
    carrier = frozenset({ItemKind.CARRIER})
    into, out = {
        EdgeKind.USE: (CONTEXT, MATERIAL),
        EdgeKind.AGGREGATION: (carrier, MATERIAL | carrier),
        EdgeKind.ASSOCIATION: (carrier, MATERIAL | carrier),
    }.get(edge.kind, (MATERIAL, MATERIAL))
    for parts, allowed in ((edge.inputs, into), (edge.outputs, out)):
        for part in parts:
            if part.item.kind not in allowed:
                raise InvalidError(
                    f"{part.item} cannot stand there in an edge of kind {edge.kind.value}",
                    hint=f"kinds that can: {', '.join(sorted(allowed))}",
                )
