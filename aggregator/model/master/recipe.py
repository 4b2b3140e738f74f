"""How a material is made (ISA-88), and what each parameter must be on the way.

A recipe is a procedure of unit procedures, operations and phases; a parameter's specification
gives its limits, how often it must be read, what is made of its readings and how much it matters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import NewType

from aggregator.errors import InvalidError
from aggregator.model.master.classification import Classification
from aggregator.model.master.lot import Gtin
from aggregator.model.master.validity import ALWAYS, Validity
from aggregator.model.series import SignalKey
from protocols.wire.reading import Nanoseconds

ParameterName = NewType("ParameterName", str)
"""A parameter's name, unique in its recipe: ``plate temperature``."""

OperationName = NewType("OperationName", str)
"""The name of an operation, unique in its recipe; a job runs one: ``seal``."""

PhaseName = NewType("PhaseName", str)
"""The name of a phase, unique in its recipe: ``heat up``."""


class Criticality(StrEnum):
    """How much a parameter matters to the product (ICH Q8)."""

    CRITICAL = "critical"  # its readings are part of the record; charted; must be there
    KEY = "key"  # must be there
    MONITORED = "monitored"  # judged where it is there


class Sampling(StrEnum):
    """When a source owes a reading."""

    PERIODIC = "periodic"  # at least every ``gap_max``
    ON_CHANGE = "on_change"  # when the value changes; silence is proved by the sealed chain


class Aggregation(StrEnum):
    """What one figure is made of a parameter's readings; never one made of other such figures."""

    TIME_WEIGHTED_MEAN = "time_weighted_mean"  # a value holds until the next one
    MEAN = "mean"  # of the readings, each counting once
    MAX = "max"
    MIN = "min"
    LAST = "last"
    TOTAL = "total"  # sum of the readings; of a counter, by how much it rose


class Personnel(StrEnum):
    """Who may do an operation."""

    ANYBODY = "anybody"
    QUALIFIED = "qualified"  # only who holds a qualification for it at that time


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingContract:
    """How often a signal must be read.

    On change with a heartbeat at the signal itself: set ``gap_max`` above the heartbeat. Without
    one: ``gap_max`` is None, and silence is no gap while the gateway's chain proves that it lived.
    """

    sampling: Sampling
    gap_max: int | None  # nanoseconds between two valid readings; None only on change
    period: int | None = None  # nanoseconds, as configured

    def __post_init__(self) -> None:
        """Refuse a contract that could never be broken, or always is."""
        if self.gap_max is None and self.sampling is Sampling.PERIODIC:
            raise InvalidError("a periodic contract needs gap_max", hint="3 periods are usual")
        if (self.gap_max is not None and self.gap_max <= 0) or (
            self.period is not None and not 0 < self.period <= (self.gap_max or self.period)
        ):
            raise InvalidError("gap_max must be above zero and not under the period")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a value, each of them still allowed; None where there is no bound."""

    target: float | None = None
    alert_low: float | None = None
    alert_high: float | None = None
    action_low: float | None = None
    action_high: float | None = None

    def __post_init__(self) -> None:
        """Refuse bounds that are out of order."""
        bounds = (self.action_low, self.alert_low, self.target, self.alert_high, self.action_high)
        given = [bound for bound in bounds if bound is not None]
        if any(not low <= high for low, high in pairwise(given)):
            raise InvalidError(
                "limits are out of order",
                hint="action low <= alert low <= target <= alert high <= action high",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec:
    """What a parameter of a material must be, read from one signal."""

    parameter: ParameterName
    signal: SignalKey
    unit: str  # UCUM, in which the limits are given
    limits: Limits
    sampling: SamplingContract
    criticality: Criticality
    revision: str = "1"  # of the recipe that says so
    phase: PhaseName | None = None  # None: over the whole of the lot's time
    aggregation: Aggregation = Aggregation.TIME_WEIGHTED_MEAN
    classification: Classification = Classification.INTERNAL
    stuck_after: Nanoseconds | None = None  # how long a value may stay the same; None: not judged

    def __post_init__(self) -> None:
        """Refuse a time without a length."""
        if self.stuck_after is not None and self.stuck_after <= 0:
            raise InvalidError("a value may stay the same for more than no time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """The smallest step that a recipe names."""

    name: PhaseName


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A step that a job runs."""

    name: OperationName
    phases: tuple[Phase, ...] = ()
    personnel: Personnel = Personnel.ANYBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitProcedure:
    """What is done at one unit."""

    name: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One revision of how a material is made."""

    gtin: Gtin
    revision: str
    name: str = ""
    procedure: tuple[UnitProcedure, ...] = ()
    validity: Validity = ALWAYS  # when lots are begun by it
    tolerance: Decimal | None = None  # of the mass balance; None: as the material says

    def __post_init__(self) -> None:
        """Refuse a name that means two steps."""
        names = Counter(
            [f"operation {each.name}" for each in self.operations()]
            + [f"phase {each.name}" for each in self.phases()]
        )
        if twice := sorted(name for name, count in names.items() if count > 1):
            raise InvalidError(
                f"the recipe has more than one {twice[0]}", hint="give each step a name of its own"
            )

    def operations(self) -> Iterator[Operation]:
        """Yield every operation, in order."""
        for unit in self.procedure:
            yield from unit.operations

    def phases(self) -> Iterator[Phase]:
        """Yield every phase, in order."""
        for operation in self.operations():
            yield from operation.phases


def recipe_at(recipes: Iterable[Recipe], gtin: Gtin, time: Nanoseconds) -> Recipe | None:
    """Return the recipe that a lot begun at ``time`` is made by: the last that came into force."""
    holding = [each for each in recipes if each.gtin == gtin and each.validity.holds(time)]
    return max(holding, key=lambda each: (each.validity.start, each.revision), default=None)
