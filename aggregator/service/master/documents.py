"""Master data as documents: what the API takes and gives, and the model that each one means.

A document is stored as it was given, version by version; the rules read the model made from it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from aggregator.errors import InvalidError
from aggregator.model.master.equipment import (
    Equipment,
    Occupancy,
    SignalRole,
    SignalSpec,
    check_gln,
    check_path,
)
from aggregator.model.master.lot import (
    Lot,
    LotKey,
    Material,
    check_gtin,
    check_lot_id,
    check_lot_key,
)
from aggregator.model.master.order import Job, JobId, OrderId, WorkOrder
from aggregator.model.master.recipe import (
    Criticality,
    Limits,
    ParameterName,
    ParameterSpec,
    Sampling,
    SamplingContract,
)
from aggregator.model.series import SignalKey
from protocols.wire.errors import MalformedError
from protocols.wire.header import check_gateway_id
from protocols.wire.reading import SECOND, Kind, SignalName

Model = Equipment | SignalSpec | Material | Lot | WorkOrder | Job | ParameterSpec
Name = Annotated[str, Field(min_length=1, max_length=200)]


class EntityKind(StrEnum):
    """What master data there is; the value is the word in the store."""

    EQUIPMENT = "equipment"
    SIGNAL = "signal"
    MATERIAL = "material"
    LIMIT = "limit"
    LOT = "lot"
    WORK_ORDER = "work_order"
    JOB = "job"


class Reference(BaseModel):
    """Another entity that must be there before this one."""

    kind: EntityKind
    key: str


class Document(BaseModel):
    """What all documents have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[EntityKind]

    @property
    def key(self) -> str:
        """What the entity is known by within its kind; InvalidError where that is malformed."""
        raise NotImplementedError

    def model(self) -> Model:
        """Return what the document means to the rules; InvalidError where it contradicts them."""
        raise NotImplementedError

    def references(self) -> tuple[Reference, ...]:
        """Return what must be there before it."""
        return ()


class EquipmentDocument(Document):
    """A place in the ISA-95 hierarchy."""

    kind = EntityKind.EQUIPMENT
    path: Name = Field(description="Enterprise/site/area/line/unit, as far as it goes.")
    name: str = Field(default="", description="As people call it.")
    occupancy: Occupancy = Field(
        default=Occupancy.EXCLUSIVE, description="How many lots it may work on at a time."
    )
    gln: str = Field(default="", description="GS1 location number, 13 digits; names it in EPCIS.")

    @property
    def key(self) -> str:
        """The path."""
        return check_path(self.path)

    def model(self) -> Equipment:
        """Return the equipment."""
        return Equipment(
            path=check_path(self.path), occupancy=self.occupancy, gln=check_gln(self.gln)
        )


class SignalDocument(Document):
    """A signal, and the equipment that it observes."""

    kind = EntityKind.SIGNAL
    gateway: Name = Field(description="Id of the gateway that reads it.")
    signal: Name = Field(description="The signal's name in that gateway.")
    equipment: Name = Field(description="Path of the equipment that it observes.")
    value_kind: Literal["bool", "int", "uint", "float32", "float64", "text", "bytes", "tag_read"]
    unit: str = Field(default="", description="Unit in UCUM notation.")
    role: SignalRole = Field(default=SignalRole.VARIABLE, description="What the signal says.")
    clock: str = Field(
        default="", description="Signals of one clock are cut without doubt between them."
    )

    @property
    def key(self) -> str:
        """Gateway and signal."""
        return f"{_gateway(self.gateway).gateway}/{self.signal}"

    def model(self) -> SignalSpec:
        """Return the signal."""
        return SignalSpec(
            key=_gateway(self.gateway, self.signal),
            equipment=check_path(self.equipment),
            kind=Kind[self.value_kind.upper()],
            unit=self.unit,
            role=self.role,
            clock=self.clock,
        )

    def references(self) -> tuple[Reference, ...]:
        """Return its equipment."""
        return (Reference(kind=EntityKind.EQUIPMENT, key=self.equipment),)


class MaterialDocument(Document):
    """What is made."""

    kind = EntityKind.MATERIAL
    gtin: Name = Field(description="GTIN of 8, 12, 13 or 14 digits.")
    name: Name = Field(description="Name of the product.")

    @property
    def key(self) -> str:
        """The GTIN-14."""
        return check_gtin(self.gtin)

    def model(self) -> Material:
        """Return the material."""
        return Material(gtin=check_gtin(self.gtin), name=self.name)


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
    criticality: Criticality = Field(
        default=Criticality.CRITICAL, description="How much it matters to the product."
    )
    revision: Name = Field(default="1", description="Revision of the recipe that says so.")

    @property
    def key(self) -> str:
        """GTIN and parameter."""
        return f"{check_gtin(self.gtin)}/{self.parameter}"

    def model(self) -> ParameterSpec:
        """Return the parameter's specification."""
        return ParameterSpec(
            parameter=ParameterName(self.parameter),
            signal=_gateway(self.gateway, self.signal),
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
                gap_max=_nanoseconds(self.gap_max_s),
                period=_nanoseconds(self.period_s),
            ),
            criticality=self.criticality,
            revision=self.revision,
        )

    def references(self) -> tuple[Reference, ...]:
        """Return its material and its signal."""
        return (
            Reference(kind=EntityKind.MATERIAL, key=check_gtin(self.gtin)),
            Reference(kind=EntityKind.SIGNAL, key=f"{self.gateway}/{self.signal}"),
        )


class LotDocument(Document):
    """A lot of a material."""

    kind = EntityKind.LOT
    gtin: Name = Field(description="GTIN of the material.")
    lot: Name = Field(description="Lot id, as printed behind AI (10); case matters.")
    material: str = Field(default="", description="Name of the product when the lot was made.")
    quantity: str = Field(default="", description="As ordered, with its unit.")

    @property
    def key(self) -> str:
        """GTIN and lot."""
        return lot_key(check_lot_key(self.gtin, self.lot))

    def model(self) -> Lot:
        """Return the lot."""
        key = check_lot_key(self.gtin, self.lot)
        return Lot(key=key, material=self.material, quantity=self.quantity)

    def references(self) -> tuple[Reference, ...]:
        """Return its material."""
        return (Reference(kind=EntityKind.MATERIAL, key=check_gtin(self.gtin)),)


class LotReference(BaseModel):
    """A lot, named in another document."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gtin: Name
    lot: Name

    def model(self) -> LotKey:
        """Return the key."""
        return check_lot_key(self.gtin, self.lot)


class WorkOrderDocument(Document):
    """What to make."""

    kind = EntityKind.WORK_ORDER
    order: Name = Field(description="Id of the order, as ERP or MES gave it.")
    lots: tuple[LotReference, ...] = Field(min_length=1, description="Lots to make.")

    @property
    def key(self) -> str:
        """The order's id."""
        return self.order

    def model(self) -> WorkOrder:
        """Return the order."""
        return WorkOrder(order=OrderId(self.order), lots=tuple(lot.model() for lot in self.lots))

    def references(self) -> tuple[Reference, ...]:
        """Return its lots."""
        return tuple(Reference(kind=EntityKind.LOT, key=lot_key(lot.model())) for lot in self.lots)


class JobDocument(Document):
    """One run of a step of an order, on one lot at one place."""

    kind = EntityKind.JOB
    job: Name = Field(description="Id of the job, unique in the plant.")
    order: Name = Field(description="Id of the work order.")
    gtin: Name = Field(description="GTIN of the lot's material.")
    lot: Name = Field(description="Lot worked on.")
    operation: Name = Field(description="Name of the step.")
    run: int = Field(default=1, ge=1, description="From 1; rework is a new run.")
    equipment: Name = Field(description="Path of the equipment.")

    @property
    def key(self) -> str:
        """The job's id."""
        return self.job

    def model(self) -> Job:
        """Return the job."""
        return Job(
            job=JobId(self.job),
            order=OrderId(self.order),
            lot=check_lot_key(self.gtin, self.lot),
            operation=self.operation,
            run=self.run,
            equipment=check_path(self.equipment),
        )

    def references(self) -> tuple[Reference, ...]:
        """Return its order, lot and equipment."""
        return (
            Reference(kind=EntityKind.WORK_ORDER, key=self.order),
            Reference(kind=EntityKind.LOT, key=lot_key(check_lot_key(self.gtin, self.lot))),
            Reference(kind=EntityKind.EQUIPMENT, key=self.equipment),
        )


DOCUMENTS: Final[dict[EntityKind, type[Document]]] = {
    document.kind: document
    for document in (
        EquipmentDocument,
        SignalDocument,
        MaterialDocument,
        LimitDocument,
        LotDocument,
        WorkOrderDocument,
        JobDocument,
    )
}


def lot_key(key: LotKey) -> str:
    """Return a lot's key as the store writes it; a GTIN has 14 digits, so it is unambiguous."""
    return f"{check_gtin(key.gtin)}/{check_lot_id(key.lot)}"


def _gateway(gateway: str, signal: str = "") -> SignalKey:
    try:
        return SignalKey(check_gateway_id(gateway), SignalName(signal))
    except MalformedError as error:
        raise InvalidError(str(error), hint=error.hint) from None


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * SECOND)
