"""The genealogy of a lot as events: what became of what, and which carrier held it when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aggregator.export.epcis.naming import Naming, lot_class, moment
from aggregator.export.epcis.units import unit_of
from aggregator.model.genealogy.edge import FLOW, Edge, EdgeKind, Part, Quantity
from aggregator.model.genealogy.item import Item, ItemKind, lot_of

Json = dict[str, Any]


def became(edges: Sequence[Edge], naming: Naming) -> Iterator[Json]:
    """Yield the events of edges in which material flows, or a carrier holds it."""
    for edge in edges:
        if edge.kind in FLOW:
            yield _transformed(edge, naming)
        elif edge.kind in _HELD:
            yield from _held(edge, naming)


def makes(edges: Sequence[Edge], gtin: str, lot: str) -> bool:
    """Tell whether an edge says what a lot was made of."""
    return any(
        (key := lot_of(part.item)) is not None and (key.gtin, key.lot) == (gtin, lot)
        for edge in edges
        if edge.kind in FLOW
        for part in edge.outputs
        if part.item.kind is ItemKind.LOT
    )


def _transformed(edge: Edge, naming: Naming) -> Json:
    return {
        "type": "TransformationEvent",
        "eventTime": moment(edge.start if edge.end is None else edge.end),
        "eventTimeZoneOffset": "+00:00",
        "transformationID": naming.address("genealogy", edge.id),
        **_lists("input", edge.inputs, naming),
        **_lists("output", edge.outputs, naming),
        "bizStep": _STEPS[edge.kind],
        "disposition": "in_progress",
    }


def _held(edge: Edge, naming: Naming) -> Iterator[Json]:
    """Yield the event of the holding's beginning, and of its end where it has one."""
    kind, came, went = _HELD[edge.kind]
    (carrier,) = edge.inputs
    bounds = [(edge.start, "ADD", came)]
    bounds += [] if edge.end is None else [(edge.end, "DELETE", went)]
    for time, action, step in bounds:
        yield {
            "type": kind,
            "eventTime": moment(time),
            "eventTimeZoneOffset": "+00:00",
            "parentID": _uri(carrier.item, naming),
            **_lists("child", edge.outputs, naming),
            "action": action,
            "bizStep": step,
            "disposition": "in_progress",
        }


def _lists(side: str, parts: Sequence[Part], naming: Naming) -> Json:
    """Return the parts of one side: those with a serial by their names, the others by class."""
    single = [_uri(part.item, naming) for part in parts if part.item.kind in _SINGLE]
    classes = [_class(part, naming) for part in parts if part.item.kind not in _SINGLE]
    epcs = "childEPCs" if side == "child" else f"{side}EPCList"
    found: Json = {}
    if single:
        found[epcs] = sorted(single)
    if classes:
        found[f"{side}QuantityList"] = sorted(classes, key=lambda each: each["epcClass"])
    return found


def _class(part: Part, naming: Naming) -> Json:
    amount = {} if part.quantity is None else _amount(part.quantity)
    return {"epcClass": _uri(part.item, naming), **amount}


def _amount(quantity: Quantity) -> Json:
    """Return how much; nothing where the unit has no code, for no unit means pieces."""
    whole = quantity.value == quantity.value.to_integral_value()
    value = int(quantity.value) if whole else float(quantity.value)
    if quantity.unit in _PIECES:
        return {"quantity": value} if whole else {}
    unit = unit_of(quantity.unit)
    return {} if unit is None else {"quantity": value, "uom": unit.code}


def _uri(item: Item, naming: Naming) -> str:
    """Return an item's name: its GS1 Digital Link where it has a GS1 key."""
    lot = lot_of(item)
    if item.kind is ItemKind.SUBLOT and lot is not None:
        part = item.key.partition("#")[2]
        return naming.address("sublot", f"{lot.gtin}/{lot.lot}/{part}")
    if lot is not None:
        return lot_class(lot.gtin, lot.lot)
    return naming.carrier(item.key)


_SINGLE: Final = frozenset({ItemKind.UNIT, ItemKind.CARRIER})
_PIECES: Final = frozenset({"1", ""})
_STEPS: Final[Mapping[EdgeKind, str]] = {
    EdgeKind.TRANSFORMATION: "creating_class_instance",
    EdgeKind.SPLIT: "creating_class_instance",
    EdgeKind.MERGE: "creating_class_instance",
    EdgeKind.REWORK: "repairing",
}
_HELD: Final[Mapping[EdgeKind, tuple[str, str, str]]] = {
    EdgeKind.AGGREGATION: ("AggregationEvent", "loading", "unloading"),
    EdgeKind.ASSOCIATION: ("AssociationEvent", "installing", "removing"),
}
"""The event, and the business steps of the beginning and the end."""
