"""What an edge of the genealogy says about the history of lots."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aggregator.model.binding.descent import Descent, Portion
from aggregator.model.genealogy.edge import Edge, EdgeKind
from aggregator.model.genealogy.item import Item, lot_of

INHERITING: Final = frozenset({EdgeKind.SPLIT, EdgeKind.MERGE, EdgeKind.REWORK})
"""Kinds whose outputs are the inputs' own material: what those have been through, these have."""


def descents(edge: Edge) -> tuple[Descent, ...]:
    """Return what each lot of the outputs has from each lot of the inputs; nothing of itself."""
    if edge.kind not in INHERITING or edge.end is None:
        return ()
    return tuple(
        Descent(
            child=child,
            parent=parent,
            until=edge.end,
            uncertainty=edge.uncertainty,
            edge=edge.id,
        )
        for child in portions(part.item for part in edge.outputs)
        for parent in portions(part.item for part in edge.inputs)
        if child.lot != parent.lot
    )


def portions(items: Iterable[Item]) -> tuple[Portion, ...]:
    """Return the lots and parts of lots among some items."""
    found = []
    for item in items:
        lot = lot_of(item)
        if lot is not None:
            found.append(Portion(lot, item.key.removeprefix(str(lot)).removeprefix("#")))
    return tuple(found)
