"""Documents of what is made: materials, recipes, limits, lots, sublots and units."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from aggregator.errors import InvalidError
from aggregator.model.master.classification import Classification
from aggregator.model.master.lot import (
    Lot,
    Material,
    SubLot,
    SubLotKey,
    Unit,
    check_gtin,
    check_lot_id,
    check_lot_key,
    check_unit_id,
)
from aggregator.model.master.recipe import (
    Aggregation,
    Criticality,
    Limits,
    Operation,
    OperationName,
    ParameterName,
    ParameterSpec,
    Personnel,
    Phase,
    PhaseName,
    Recipe,
    Sampling,
    SamplingContract,
    UnitProcedure,
)
from aggregator.service.master.document import (
    Document,
    EntityKind,
    Instant,
    Name,
    Reference,
    lot_key,
    nanoseconds,
    signal_key,
    validity,
)
from protocols.wire.dossier.instant import parse_time

Tolerance = Annotated[Decimal, Field(ge=0, le=1)]


class MaterialDocument(Document):
    """What is made."""

    kind = EntityKind.MATERIAL
    gtin: Name = Field(description="GTIN of 8, 12, 13 or 14 digits.")
    name: Name = Field(description="Name of the product.")
    tolerance: Tolerance | None = Field(
        default=None, description="Part of what goes in that the mass balance may be off by."
    )
    life_years: int | None = Field(
        default=None, ge=0, le=200, description="Years that a device lasts."
    )
    retention_years: int | None = Field(
        default=None, ge=0, le=200, description="Years from its release that a record is kept."
    )

    @property
    def key(self) -> str:
        """The GTIN-14."""
        return check_gtin(self.gtin)

    def model(self) -> Material:
        """Return the material."""
        return Material(
            gtin=check_gtin(self.gtin),
            name=self.name,
            tolerance=self.tolerance,
            life_years=self.life_years,
            retention_years=self.retention_years,
        )


class PhaseEntry(BaseModel):
    """A phase, named in a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name


class OperationEntry(BaseModel):
    """An operation, named in a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    personnel: Personnel = Personnel.ANYBODY
    phases: tuple[PhaseEntry, ...] = ()

    def model(self) -> Operation:
        """Return the operation."""
        return Operation(
            name=OperationName(self.name),
            personnel=self.personnel,
            phases=tuple(Phase(name=PhaseName(phase.name)) for phase in self.phases),
        )


class UnitProcedureEntry(BaseModel):
    """A unit procedure, named in a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    operations: tuple[OperationEntry, ...] = Field(min_length=1)

    def model(self) -> UnitProcedure:
        """Return the unit procedure."""
        return UnitProcedure(
            name=self.name, operations=tuple(each.model() for each in self.operations)
        )


class RecipeDocument(Document):
    """One revision of how a material is made (ISA-88)."""

    kind = EntityKind.RECIPE
    gtin: Name = Field(description="GTIN of the material.")
    revision: Name = Field(description="Revision, unique for the material.")
    name: str = Field(default="", description="As people call it.")
    procedure: tuple[UnitProcedureEntry, ...] = Field(
        min_length=1, description="Unit procedures of operations of phases, in order."
    )
    valid_from: Instant | None = Field(
        default=None, description="Lots begun from then on are made by it."
    )
    valid_to: Instant | None = Field(default=None, description="Lots begun before then.")
    tolerance: Tolerance | None = Field(
        default=None, description="Part of what goes in that the mass balance may be off by."
    )

    @property
    def key(self) -> str:
        """GTIN and revision."""
        return f"{check_gtin(self.gtin)}/{self.revision}"

    def model(self) -> Recipe:
        """Return the recipe."""
        return Recipe(
            gtin=check_gtin(self.gtin),
            revision=self.revision,
            name=self.name,
            procedure=tuple(each.model() for each in self.procedure),
            validity=validity(self.valid_from, self.valid_to),
            tolerance=self.tolerance,
        )

    def references(self) -> tuple[Reference, ...]:
        """Return its material."""
        return (Reference(kind=EntityKind.MATERIAL, key=check_gtin(self.gtin)),)


class LimitDocument(Document):
    """What a parameter of a material must be, and the signal that shows it."""

    kind = EntityKind.LIMIT
    gtin: Name = Field(description="GTIN of the material.")
    parameter: Name = Field(description="Name of the parameter, unique for the material.")
    gateway: Name = Field(description="Gateway of the signal.")
    signal: Name = Field(description="Signal that shows the parameter.")
    unit: str = Field(description="Unit of the limits, in UCUM notation.")
    target: float | None = Field(default=None, description="Wanted value.")
    alert_low: float | None = Field(default=None, description="Below it: look.")
    alert_high: float | None = Field(default=None, description="Above it: look.")
    action_low: float | None = Field(default=None, description="Below it: an excursion.")
    action_high: float | None = Field(default=None, description="Above it: an excursion.")
    sampling: Sampling = Field(
        default=Sampling.PERIODIC, description="When the source owes a reading."
    )
    gap_max_s: float | None = Field(
        default=None, gt=0, description="Seconds between two valid readings, at most."
    )
    period_s: float | None = Field(default=None, gt=0, description="Seconds, as configured.")
    stuck_after_s: float | None = Field(
        default=None, gt=0, description="Seconds that a value may stay the same; else not judged."
    )
    aggregation: Aggregation = Field(
        default=Aggregation.TIME_WEIGHTED_MEAN, description="The one figure made of its readings."
    )
    criticality: Criticality = Field(
        default=Criticality.CRITICAL, description="How much it matters to the product."
    )
    classification: Classification = Field(
        default=Classification.INTERNAL, description="Who may see its values."
    )
    revision: Name = Field(default="1", description="Revision of the recipe that says so.")
    phase: str = Field(
        default="", description="Phase of that recipe in which it holds; else the lot's whole time."
    )

    @property
    def key(self) -> str:
        """GTIN and parameter."""
        return f"{check_gtin(self.gtin)}/{self.parameter}"

    def model(self) -> ParameterSpec:
        """Return the parameter's specification."""
        return ParameterSpec(
            parameter=ParameterName(self.parameter),
            signal=signal_key(self.gateway, self.signal),
            unit=self.unit,
            limits=Limits(
                target=self.target,
                alert_low=self.alert_low,
                alert_high=self.alert_high,
                action_low=self.action_low,
                action_high=self.action_high,
            ),
            sampling=SamplingContract(
                sampling=self.sampling,
                gap_max=nanoseconds(self.gap_max_s),
                period=nanoseconds(self.period_s),
            ),
            criticality=self.criticality,
            revision=self.revision,
            phase=PhaseName(self.phase) if self.phase else None,
            aggregation=self.aggregation,
            classification=self.classification,
            stuck_after=nanoseconds(self.stuck_after_s),
        )

    def references(self) -> tuple[Reference, ...]:
        """Return its material, its signal, and its recipe where it names a phase."""
        gtin = check_gtin(self.gtin)
        found = [
            Reference(kind=EntityKind.MATERIAL, key=gtin),
            Reference(kind=EntityKind.SIGNAL, key=f"{self.gateway}/{self.signal}"),
        ]
        if self.phase:
            found.append(Reference(kind=EntityKind.RECIPE, key=f"{gtin}/{self.revision}"))
        return tuple(found)

    def check_against(self, referred: Document) -> None:
        """Raise InvalidError where its recipe has no phase of that name."""
        if isinstance(referred, RecipeDocument):
            names = [phase.name for phase in referred.model().phases()]
            if self.phase not in names:
                raise InvalidError(
                    f"recipe {referred.key} has no phase {self.phase[:80]!r}",
                    hint=f"it has {', '.join(names) or 'none'}",
                )


class LotDocument(Document):
    """A lot of a material."""

    kind = EntityKind.LOT
    gtin: Name = Field(description="GTIN of the material.")
    lot: Name = Field(description="Lot id, as printed behind AI (10); case matters.")
    material: str = Field(default="", description="Name of the product when the lot was made.")
    quantity: str = Field(default="", description="As ordered, with its unit.")
    manufactured: Instant | None = Field(default=None, description="When it was made.")
    expires: Instant | None = Field(
        default=None, description="From when on it must not be used any more."
    )

    @property
    def key(self) -> str:
        """GTIN and lot."""
        return lot_key(check_lot_key(self.gtin, self.lot))

    def model(self) -> Lot:
        """Return the lot."""
        return Lot(
            key=check_lot_key(self.gtin, self.lot),
            material=self.material,
            quantity=self.quantity,
            manufactured=None if self.manufactured is None else parse_time(self.manufactured),
            expires=None if self.expires is None else parse_time(self.expires),
        )

    def references(self) -> tuple[Reference, ...]:
        """Return its material."""
        return (Reference(kind=EntityKind.MATERIAL, key=check_gtin(self.gtin)),)


class SubLotDocument(Document):
    """A part of a lot that goes its own way: a split, a rework, a load of an oven."""

    kind = EntityKind.SUBLOT
    gtin: Name = Field(description="GTIN of the material.")
    lot: Name = Field(description="Lot that it is a part of.")
    part: Name = Field(description="Name of the part, unique in the lot.")
    quantity: str = Field(default="", description="With its unit.")

    @property
    def key(self) -> str:
        """GTIN, lot and part; no lot id has a ``#`` in it."""
        lot = check_lot_key(self.gtin, self.lot)
        return f"{lot_key(lot)}#{check_lot_id(self.part)}"

    def model(self) -> SubLot:
        """Return the sublot."""
        lot = check_lot_key(self.gtin, self.lot)
        return SubLot(key=SubLotKey(lot, check_lot_id(self.part)), quantity=self.quantity)

    def references(self) -> tuple[Reference, ...]:
        """Return its lot."""
        return (Reference(kind=EntityKind.LOT, key=lot_key(check_lot_key(self.gtin, self.lot))),)


class UnitDocument(Document):
    """One piece, or one container, and the lot that it is of."""

    kind = EntityKind.UNIT
    unit_id: Name = Field(description="(01)GTIN(21)serial number, (00)SSCC or (8003)GRAI.")
    gtin: str = Field(default="", description="GTIN of the lot's material, where it is of one lot.")
    lot: str = Field(default="", description="Lot that it is of.")

    @property
    def key(self) -> str:
        """The id."""
        return check_unit_id(self.unit_id)

    def model(self) -> Unit:
        """Return the unit."""
        lot = check_lot_key(self.gtin, self.lot) if self.gtin or self.lot else None
        return Unit(id=check_unit_id(self.unit_id), lot=lot)

    def references(self) -> tuple[Reference, ...]:
        """Return its lot, if it has one."""
        lot = self.model().lot
        return () if lot is None else (Reference(kind=EntityKind.LOT, key=lot_key(lot)),)
