"""Genealogies for tests: edges in a line, and the same question asked by a naive closure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

import numpy as np

from aggregator.model.binding.fact import FOREVER
from aggregator.model.genealogy.edge import Edge, EdgeKind, Part, Quantity
from aggregator.model.genealogy.graph import KINDS, Columns, build
from aggregator.model.genealogy.item import Item, ItemKind, check_item
from protocols.wire.reading import SECOND

GTIN: Final = "09506000134352"
OTHER_GTIN: Final = "04012345123456"
T0: Final = 1_795_000_000 * SECOND
DAY: Final = 86_400 * SECOND


def lot(name: str, gtin: str = GTIN) -> Item:
    return check_item("lot", f"(01){gtin}(10){name}")


def unit(serial: str, gtin: str = GTIN) -> Item:
    return check_item("unit", f"(01){gtin}(21){serial}")


def carrier(number: int) -> Item:
    return Item(ItemKind.CARRIER, f"{number:024x}")


def edge(
    inputs: Iterable[Item],
    outputs: Iterable[Item],
    at: int,
    *,
    kind: EdgeKind = EdgeKind.TRANSFORMATION,
    lasts: int | None = 0,
    uncertainty: int = 0,
) -> Edge:
    """Return an edge that begins ``at`` nanoseconds after ``T0``."""
    return Edge(
        kind=kind,
        start=T0 + at,
        end=None if lasts is None else T0 + at + lasts,
        inputs=tuple(Part(item=item) for item in inputs),
        outputs=tuple(Part(item=item) for item in outputs),
        source="test",
        uncertainty=uncertainty,
    )


def weighed(
    inputs: Iterable[tuple[Item, str]],
    outputs: Iterable[tuple[Item, str]],
    at: int = 0,
    *,
    kind: EdgeKind = EdgeKind.TRANSFORMATION,
    tolerance: str = "0",
) -> Edge:
    """Return an edge with quantities in kilograms."""
    sides = [
        tuple(Part(item=item, quantity=Quantity(value=Decimal(kg), unit="kg")) for item, kg in side)
        for side in (inputs, outputs)
    ]
    return Edge(
        kind=kind,
        start=T0 + at,
        end=T0 + at,
        inputs=sides[0],
        outputs=sides[1],
        source="test",
        tolerance=Decimal(tolerance),
    )


class Made:
    """A graph of edges, and the numbers of its items."""

    def __init__(self, edges: Sequence[Edge]) -> None:
        self.edges = edges
        self.numbers: dict[Item, int] = {}
        sides: list[list[tuple[int, int]]] = [[], []]
        for at, each in enumerate(edges):
            for side, parts in zip(sides, (each.inputs, each.outputs), strict=True):
                for part in parts:
                    side.append((at, self.numbers.setdefault(part.item, len(self.numbers))))
        self.items = list(self.numbers)
        into, out = (np.array(side, dtype=np.int64).reshape(-1, 2) for side in sides)
        self.graph = build(
            Columns(
                kinds=np.array([KINDS.index(each.kind) for each in edges], dtype=np.int64),
                earliest=np.array([each.earliest for each in edges], dtype=np.int64),
                latest=np.array([each.latest for each in edges], dtype=np.int64),
                gone=np.zeros(len(edges), dtype=np.bool_),
                into=into,
                out=out,
                items=len(self.items),
            )
        )

    def places(self, item: Item) -> list[int]:
        return self.graph.places(self.numbers[item])

    def named(self, places: Iterable[int]) -> set[Item]:
        return {self.items[self.graph.items[place]] for place in places}


def closure(
    edges: Sequence[Edge], origin: Item, *, since: int = 0, until: int = FOREVER
) -> dict[Item, int]:
    """Return what came of ``origin`` and since when, by going round until nothing changes."""
    times = {origin: since}
    changed = True
    while changed:
        changed = False
        for each in edges:
            for part in each.inputs:
                time = times.get(part.item)
                if time is None or each.latest < time:
                    continue
                if part.item == origin and each.earliest > until:
                    continue
                arrival = max(each.earliest, time)
                for output in each.outputs:
                    known = times.get(output.item)
                    if output.item != origin and (known is None or arrival < known):
                        times[output.item] = arrival
                        changed = True
    return times


def closure_back(edges: Sequence[Edge], origin: Item, *, until: int = FOREVER) -> dict[Item, int]:
    """Return what ``origin`` came of, as it was at ``until``, and up to when."""
    times = {origin: until}
    changed = True
    while changed:
        changed = False
        for each in edges:
            for part in each.outputs:
                time = times.get(part.item)
                if time is None or each.earliest > time:
                    continue
                arrival = min(each.latest, time)
                for source in each.inputs:
                    known = times.get(source.item)
                    if source.item != origin and (known is None or arrival > known):
                        times[source.item] = arrival
                        changed = True
    return times
