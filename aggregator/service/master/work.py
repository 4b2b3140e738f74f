"""Documents of work and of those who do it: orders, jobs, people, qualifications."""

from __future__ import annotations

from pydantic import Field

from aggregator.errors import InvalidError
from aggregator.model.master.equipment import check_path
from aggregator.model.master.lot import check_lot_key
from aggregator.model.master.order import Job, JobId, OrderId, WorkOrder
from aggregator.model.master.person import Person, PersonId, Qualification
from aggregator.model.master.recipe import OperationName
from aggregator.service.master.document import (
    Document,
    EntityKind,
    Instant,
    LotReference,
    Name,
    Reference,
    lot_key,
    validity,
)


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


class PersonDocument(Document):
    """Somebody who works on lots."""

    kind = EntityKind.PERSON
    person: Name = Field(description="The user id of the account, where there is one.")
    name: Name = Field(description="As printed.")

    @property
    def key(self) -> str:
        """The id."""
        if not self.person.isprintable() or self.person != self.person.strip():
            raise InvalidError(
                f"{self.person[:40]!r} is no id of a person", hint="no space around it, no controls"
            )
        return self.person

    def model(self) -> Person:
        """Return the person."""
        return Person(id=PersonId(self.key), name=self.name)


class QualificationDocument(Document):
    """A person may do an operation, or work at a place, for a time."""

    kind = EntityKind.QUALIFICATION
    qualification: Name = Field(description="Number of the training record, unique in the plant.")
    person: Name = Field(description="Id of the person.")
    operation: str = Field(default="", description="Name of the operation; empty: any.")
    equipment: str = Field(default="", description="Path of the place; empty: any.")
    valid_from: Instant = Field(description="Since when.")
    valid_to: Instant | None = Field(default=None, description="Until when.")

    @property
    def key(self) -> str:
        """The number of the training record."""
        return self.qualification

    def model(self) -> Qualification:
        """Return the qualification."""
        if not (self.operation or self.equipment):
            raise InvalidError(
                "a qualification is for an operation, for a place, or for both",
                hint="give `operation` or `equipment`",
            )
        return Qualification(
            person=PersonId(self.person),
            operation=OperationName(self.operation) if self.operation else None,
            equipment=check_path(self.equipment) if self.equipment else None,
            validity=validity(self.valid_from, self.valid_to),
        )

    def references(self) -> tuple[Reference, ...]:
        """Return the person, and the place where it names one."""
        found = [Reference(kind=EntityKind.PERSON, key=self.person)]
        if self.equipment:
            found.append(Reference(kind=EntityKind.EQUIPMENT, key=self.equipment))
        return tuple(found)
