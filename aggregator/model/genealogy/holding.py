"""What the genealogy says about carriers: which lots each of them held, and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from aggregator.model.binding.fact import Authority, Fact, FactKind
from aggregator.model.genealogy.descent import portions
from aggregator.model.genealogy.edge import HOLDING, Edge, Part
from aggregator.model.genealogy.item import ItemKind
from aggregator.model.master.carrier import called


def associations(edges: Iterable[Edge]) -> tuple[Fact, ...]:
    """Return what aggregations and associations say, as facts that a carrier held a lot.

    A carrier that holds a carrier holds its lots too, while both last: a pallet holds what is in
    the boxes on it.
    """
    holding = sorted((each for each in edges if each.kind in HOLDING), key=lambda each: each.id)
    around: dict[str, list[Edge]] = {}
    for edge in holding:
        for inner in {called(each) for each in carriers(edge.outputs)}:
            around.setdefault(inner, []).append(edge)
    fresh = [fact for edge in holding for fact in _direct(edge)]
    found = {fact.id: fact for fact in fresh}
    while fresh:
        nested = [
            each
            for fact in fresh
            for edge in around.get(called(fact.carrier or ""), ())
            for each in _around(edge, fact)
        ]
        fresh = [fact for fact in nested if fact.id not in found]
        found |= {fact.id: fact for fact in fresh}
    return tuple(sorted(found.values(), key=lambda fact: (fact.start, fact.id)))


def carriers(parts: Sequence[Part]) -> tuple[str, ...]:
    """Return the carriers on one side of an edge."""
    return tuple(part.item.key for part in parts if part.item.kind is ItemKind.CARRIER)


def _direct(edge: Edge) -> Iterator[Fact]:
    """Yield what an edge says of each carrier and each lot in it."""
    for carrier in carriers(edge.inputs):
        for portion in portions(part.item for part in edge.outputs):
            yield Fact(
                kind=FactKind.ASSOCIATION,
                start=edge.start,
                end=edge.end,
                authority=Authority.OPERATOR,
                source=f"genealogy {edge.id}",
                lot=portion.lot,
                part=portion.part,
                carrier=carrier,
                uncertainty=edge.uncertainty,
                recorded=edge.recorded,
            )


def _around(edge: Edge, fact: Fact) -> Iterator[Fact]:
    """Yield what follows for the carriers that an edge says held the fact's, while they did."""
    ends = [end for end in (edge.end, fact.end) if end is not None]
    start, end = max(edge.start, fact.start), min(ends, default=None)
    if end is not None and end <= start:
        return
    for outer in carriers(edge.inputs):
        yield replace(
            fact,
            carrier=outer,
            start=start,
            end=end,
            source=f"{fact.source}, {edge.id}",
            uncertainty=max(edge.uncertainty, fact.uncertainty),
        )
