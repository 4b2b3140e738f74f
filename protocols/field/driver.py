"""What a driver is: it opens, delivers readings until it fails, and closes.

A driver is one file in this folder, found by its name and imported only when a source is
configured for it. Polling and subscribing look the same from outside: ``read()`` waits until
there is something. Errors of the library behind a driver do not leave its file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, field_validator

import protocols.field
from protocols.wire.reading import Gap, Kind, Nanoseconds, Reading

__all__ = [
    "Certified",
    "Delivery",
    "Driver",
    "DriverError",
    "DriverSettings",
    "Field",
    "FieldClock",
    "Memory",
    "Recalls",
    "SettingsError",
    "Shed",
    "SignalSettings",
    "Spec",
    "connector",
    "driver_names",
    "load_driver",
]


S = TypeVar("S", bound="DriverSettings")


class FieldError(Exception):
    """Root of what a driver may raise; ``hint`` tells a person what to do."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class DriverError(FieldError):
    """The equipment or its link failed: close, back off, open again."""


class SettingsError(FieldError):
    """The settings cannot work, whatever the equipment does: refuse to start."""


class FieldClock(Protocol):
    """The gateway's clock as a driver sees it."""

    def gateway_time(self) -> Nanoseconds:
        """Return the gateway's wall time, monotonic within a bundle."""

    def monotonic(self) -> float:
        """Return seconds of a clock that never steps, for periods and timeouts."""

    def skew_max(self) -> Nanoseconds | None:
        """Return how far a source time may stray, or None while the wall clock is not trusted."""


class Shed(StrEnum):
    """When a signal's readings are given up, where the gateway cannot keep all of them."""

    FIRST = "first"  # before any other: what a record can do without
    NORMAL = "normal"  # before those that are critical
    LAST = "last"  # while nothing else is left to give up: critical parameters, tag reads, events


class SignalSettings(BaseModel):
    """One configured variable of equipment; a driver adds its address and options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=256, description="Unique name in the gateway.")
    unit: str = Field(default="1", description="Unit of the value in UCUM notation.")
    kind: Kind = Field(default=Kind.FLOAT64, description="Type of the value as stored.")
    shed: Shed = Field(
        default=Shed.NORMAL,
        description="Whether its readings are given up `first`, `normal` or `last` where the "
        "gateway cannot keep all; each that is given up is declared.",
    )

    @field_validator("kind", mode="before")
    @classmethod
    def _kind_by_name(cls, kind: object) -> object:
        """Take ``float32`` as well as its number: people write names."""
        return Kind.__members__.get(kind.upper(), kind) if isinstance(kind, str) else kind


class DriverSettings(BaseModel):
    """What every source has; a driver adds its endpoint, options and ``signals``."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What one ``read()`` brought.

    ``ack`` is awaited after the readings stand on the gateway's disk; None where the equipment
    has no use for it.
    """

    readings: tuple[Reading, ...] = ()
    gaps: tuple[Gap, ...] = ()
    whole: bool = False  # nothing is missing any more of the time since the line was lost
    urgent: bool = False  # cannot be had twice (tag reads, events): seal at once
    ack: Callable[[], Awaitable[None]] | None = None


class Driver(Protocol):
    """An open line to one piece of equipment; used by one task at a time."""

    async def open(self) -> None:
        """Connect and subscribe or plan; raise DriverError or SettingsError."""

    async def read(self) -> Delivery:
        """Wait until there is something and return it; raise DriverError when the line is lost."""

    async def close(self) -> None:
        """Let go of everything; never raises, may be called twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the gateway's disk tells of a source from before the agent was stopped."""

    since: Nanoseconds  # gateway time from which on its readings are missing
    until: Nanoseconds  # gateway time at which the agent was there again
    last: Mapping[str, Reading]  # by signal: the one of the latest source time


@runtime_checkable
class Recalls(Driver, Protocol):
    """A driver of equipment that may be asked for what it kept while the agent was stopped."""

    def recall(self, memory: Memory) -> None:
        """Go on from what was known; called once, before the first ``open``.

        The driver declares what is missing from ``memory.until`` on; what lies before is declared.
        """


@runtime_checkable
class Certified(Driver, Protocol):
    """A driver whose lines are made with certificates."""

    def certificates_end(self) -> Mapping[str, Nanoseconds]:
        """Return when those in use end, by whose they are: the ``gateway``'s, the ``server``'s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A driver's card: what the agent needs to know before it imports anything else."""

    name: str
    summary: str
    settings: type[DriverSettings]
    connect: Callable[[str, DriverSettings, FieldClock], Driver]  # (source name, settings, clock)
    replays: bool = False  # the equipment can send again what was not acknowledged
    recalls: bool = False  # its drivers are ``Recalls``
    quiet: bool = False  # signals come when something happens, and may be silent for long
    code_name: Callable[[int], str] = str  # names the equipment's own code of a reading
    exemptions: Mapping[str, str] = field(default_factory=dict)  # contract test -> reason


def connector(
    driver: Callable[[str, S, FieldClock], Driver], settings: type[S]
) -> Callable[[str, DriverSettings, FieldClock], Driver]:
    """Return what makes ``driver``; SettingsError where settings of another driver are given."""

    def connect(source: str, given: DriverSettings, clock: FieldClock) -> Driver:
        if not isinstance(given, settings):
            raise SettingsError(
                f"source {source!r}: these are not {settings.__name__}", hint="use the SPEC's own"
            )
        return driver(source, given, clock)

    return connect


def driver_names() -> tuple[str, ...]:
    """Return the names of the drivers in this folder, sorted."""
    found = (module.name for module in pkgutil.iter_modules(protocols.field.__path__))
    return tuple(sorted(name for name in found if name != "driver"))


def load_driver(name: str) -> Spec:
    """Return the ``SPEC`` of the driver of that name; SettingsError lists the names that exist."""
    names = driver_names()
    if name not in names:
        raise SettingsError(
            f"there is no driver {name!r}",
            hint=f"use one of: {', '.join(names)}",
        )
    spec = importlib.import_module(f"protocols.field.{name}").SPEC
    if not isinstance(spec, Spec):
        raise SettingsError(f"driver {name!r} has no SPEC", hint="see protocols/field/driver.py")
    return spec
