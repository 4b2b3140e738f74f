"""People who work on lots, and what each is qualified for (ISO 13485 6.2, 21 CFR 820)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NewType

from aggregator.model.master.equipment import EquipmentPath, is_at
from aggregator.model.master.recipe import OperationName
from aggregator.model.master.validity import Validity
from protocols.wire.reading import Nanoseconds

PersonId = NewType("PersonId", str)
"""A person's id in the plant: the user id of the account where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who works on lots."""

    id: PersonId
    name: str  # as printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualification:
    """A person may do an operation, or work at a place, for a time; None: any."""

    person: PersonId
    operation: OperationName | None
    equipment: EquipmentPath | None  # and all that stands below it
    validity: Validity


def qualified(
    qualifications: Iterable[Qualification],
    person: PersonId,
    operation: OperationName,
    equipment: EquipmentPath,
    time: Nanoseconds,
) -> bool:
    """Tell whether a person was qualified for an operation at a place at a time."""
    return any(
        each.person == person
        and each.operation in (None, operation)
        and (each.equipment is None or is_at(equipment, each.equipment))
        and each.validity.holds(time)
        for each in qualifications
    )
