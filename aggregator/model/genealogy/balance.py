"""Mass balance: what went in against what came out, of an edge and of an item.

Quantities are exact decimals; those of different units are not compared. Outside of the declared
tolerance is a finding for a person, never a reason to forget the edge.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from aggregator.model.genealogy.edge import FLOW, Edge, Part
from aggregator.model.genealogy.item import Item


class BalanceState(StrEnum):
    """What a balance says."""

    BALANCED = "balanced"  # within the tolerance
    OUTSIDE = "outside"  # more or less than the tolerance allows
    UNKNOWN = "unknown"  # a quantity is missing, or the units differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Both sums in one unit, where there is one."""

    state: BalanceState
    unit: str = ""
    into: Decimal = Decimal(0)
    out: Decimal = Decimal(0)

    @property
    def difference(self) -> Decimal:
        """What went in and did not come out; below zero: came out in addition."""
        return self.into - self.out


def of_edge(edge: Edge) -> Balance:
    """Return the balance of a flow of material."""
    into, out = _sum(edge.inputs), _sum(edge.outputs)
    if into is None or out is None or into.keys() != out.keys() or len(into) != 1:
        return Balance(state=BalanceState.UNKNOWN)
    (unit,) = into
    off = abs(into[unit] - out[unit]) > edge.tolerance * into[unit]
    state = BalanceState.OUTSIDE if off else BalanceState.BALANCED
    return Balance(state=state, unit=unit, into=into[unit], out=out[unit])


def of_item(item: Item, edges: Iterable[Edge]) -> Balance:
    """Return what was made of ``item`` (into) and used of it (out); OUTSIDE: more than was made.

    What was made and not used is what is left, and is no finding.
    """
    made: list[Part] = []
    used: list[Part] = []
    tolerance = Decimal(0)
    for edge in edges:
        if edge.kind in FLOW:
            own_made = [part for part in edge.outputs if part.item == item]
            made += own_made
            used += [part for part in edge.inputs if part.item == item]
            if own_made:
                tolerance = max(tolerance, edge.tolerance)
    into, out = _sum(made), _sum(used)
    if not into or out is None or len(into) > 1 or not out.keys() <= into.keys():
        return Balance(state=BalanceState.UNKNOWN)
    (unit,) = into
    total = out.get(unit, Decimal(0))
    over = total > into[unit] * (1 + tolerance)
    state = BalanceState.OUTSIDE if over else BalanceState.BALANCED
    return Balance(state=state, unit=unit, into=into[unit], out=total)


def _sum(parts: Iterable[Part]) -> dict[str, Decimal] | None:
    """Return the sum by unit; None where a quantity is missing."""
    total: defaultdict[str, Decimal] = defaultdict(Decimal)
    for part in parts:
        if part.quantity is None:
            return None
        total[part.quantity.unit] += part.quantity.value
    return dict(total)
