"""What a lot's making rested on besides readings: instruments, people, materials, keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from aggregator.model.genealogy.balance import Balance, of_edge
from aggregator.model.genealogy.edge import FLOW, Edge, EdgeKind
from aggregator.model.genealogy.item import lot_of
from aggregator.model.master.lot import Lot, LotKey, Material
from aggregator.model.master.person import Qualification
from aggregator.model.master.physical_asset import Calibration, Installation
from aggregator.model.master.recipe import Recipe
from aggregator.model.master.validity import Validity
from aggregator.model.series import SignalKey
from protocols.wire.header import Epoch, GatewayId
from protocols.wire.reading import Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedKey:
    """A key that sealed bundles of the window, and from which bundle on it opens nothing."""

    gateway: GatewayId
    kid: str  # hexadecimal
    epoch: Epoch  # that its revocation is counted in
    number: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitChange:
    """From ``time`` on the master data gave a signal another unit."""

    signal: SignalKey
    time: Nanoseconds
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What is known of a lot that went into another."""

    lot: Lot
    stopped: tuple[Validity, ...] = ()  # when it was held or rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumption:
    """A lot went into the making of another over ``[start, end]``."""

    edge: str  # id of the edge of the genealogy that says so
    lot: LotKey
    quantity: str  # with its unit; empty where nobody has said
    start: Nanoseconds
    end: Nanoseconds
    expires: Nanoseconds | None  # None: never, or nobody has said
    stopped: tuple[Validity, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of the genealogy that made a lot, and how much went in and came out."""

    edge: Edge
    tolerance: Decimal | None  # of the master data; else the step's own; None: nobody declared one
    balance: Balance


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """All of it, as far as it was known when the record was made."""

    recipe: Recipe | None = None  # that the lot was begun by
    material: Material | None = None
    installations: tuple[Installation, ...] = ()
    calibrations: tuple[Calibration, ...] = ()  # later ones too: they may find that one had failed
    qualifications: tuple[Qualification, ...] = ()
    flows: tuple[Edge, ...] = ()  # edges in force that made the lot
    stock: Mapping[LotKey, Stock] = field(default_factory=dict)
    revoked: tuple[RevokedKey, ...] = ()
    unit_changes: tuple[UnitChange, ...] = ()

    def steps(self, lot: LotKey) -> tuple[Step, ...]:
        """Return the steps that made a lot, in order of time, each with its balance."""
        own = (
            edge
            for edge in self.flows
            if edge.kind in FLOW and any(lot_of(part.item) == lot for part in edge.outputs)
        )
        found = []
        for edge in sorted(own, key=lambda edge: (edge.start, edge.id)):
            declared = self._declared(edge.kind)
            tolerance = (edge.tolerance or None) if declared is None else declared
            balance = of_edge(replace(edge, tolerance=tolerance or Decimal(0)))
            found.append(Step(edge=edge, tolerance=tolerance, balance=balance))
        return tuple(found)

    def _declared(self, kind: EdgeKind) -> Decimal | None:
        """Return the part of what goes in that may go missing; None where nobody declared one.

        What the recipe allows is lost in making. To split or merge lots makes nothing: of that the
        material's tolerance alone speaks.
        """
        made = kind not in (EdgeKind.SPLIT, EdgeKind.MERGE)
        if made and self.recipe is not None and self.recipe.tolerance is not None:
            return self.recipe.tolerance
        return None if self.material is None else self.material.tolerance

    def consumed(self, lot: LotKey) -> tuple[Consumption, ...]:
        """Return what went into a lot, in order of time."""
        found = []
        for edge in (step.edge for step in self.steps(lot)):
            for part in edge.inputs:
                key = lot_of(part.item)
                if key is None or key == lot:
                    continue
                stock = self.stock.get(key)
                found.append(
                    Consumption(
                        edge=edge.id,
                        lot=key,
                        quantity="" if part.quantity is None else str(part.quantity),
                        start=edge.start,
                        end=edge.start if edge.end is None else edge.end,
                        expires=None if stock is None else stock.lot.expires,
                        stopped=() if stock is None else stock.stopped,
                    )
                )
        return tuple(sorted(found, key=lambda each: (each.start, each.lot, each.edge)))
