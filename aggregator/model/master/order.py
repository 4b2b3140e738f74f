"""Work orders and jobs: what is to be made, and each run of a step (ISA-95)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

from aggregator.model.master.equipment import EquipmentPath
from aggregator.model.master.lot import LotKey

OrderId = NewType("OrderId", str)
"""A work order's id, as ERP or MES gave it."""

JobId = NewType("JobId", str)
"""A job's id, unique in the plant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """What to make."""

    order: OrderId
    lots: tuple[LotKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run of a step of an order, on one lot at one place.

    When it ran is said by facts: a job is a set of intervals, since it is paused and resumed.
    """

    job: JobId
    order: OrderId
    lot: LotKey
    operation: str  # the step's name
    run: int  # from 1; rework is a new run
    equipment: EquipmentPath
