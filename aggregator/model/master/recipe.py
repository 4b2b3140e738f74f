"""What a parameter must be: its limits, how often it must be read, and how much it matters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import NewType

from aggregator.errors import InvalidError
from aggregator.model.series import SignalKey

ParameterName = NewType("ParameterName", str)
"""A parameter's name, unique in its recipe: ``plate temperature``."""


class Criticality(StrEnum):
    """How much a parameter matters to the product (ICH Q8)."""

    CRITICAL = "critical"  # its readings are part of the record; charted; must be there
    KEY = "key"  # must be there
    MONITORED = "monitored"  # judged where it is there


class Sampling(StrEnum):
    """When a source owes a reading."""

    PERIODIC = "periodic"  # at least every ``gap_max``
    ON_CHANGE = "on_change"  # when the value changes; silence is proved by the sealed chain


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
