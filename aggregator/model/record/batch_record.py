"""A batch record, complete in itself: what was made, by which rules, and what was found.

``to_json`` gives the one form that is hashed, signed and kept (docs/specs/record.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aggregator.model.binding.bind import Span, Unbound
from aggregator.model.binding.descent import Descent
from aggregator.model.binding.fact import Fact
from aggregator.model.binding.occupancy import Window
from aggregator.model.binding.rule import Rule
from aggregator.model.completeness import ChainSpan, Finding
from aggregator.model.excursion import Excursion, Limit
from aggregator.model.figures import Figures, Number, Result
from aggregator.model.gaps import Missing
from aggregator.model.lab_result import ResultVersion
from aggregator.model.master.equipment import EquipmentPath, SignalSpec
from aggregator.model.master.lot import Lot, Material, UnitId
from aggregator.model.master.order import Job, WorkOrder
from aggregator.model.master.recipe import ParameterName, ParameterSpec, PhaseName, Recipe
from aggregator.model.record.circumstances import Consumption, Step
from aggregator.model.record.entry import Entry
from aggregator.model.record.exceptions import ExceptionItem, ExceptionKind
from aggregator.model.record.instruments import Instrument
from aggregator.model.stuck import Stuck
from protocols.wire.dossier.file import canonical_json, canonical_object
from protocols.wire.dossier.series import Interval
from protocols.wire.header import Epoch, GatewayId
from protocols.wire.reading import Nanoseconds


class RecordState(StrEnum):
    """How far a record is; later states are a person's doing, and come by signatures."""

    OPEN = "open"  # something has not ended, or has not arrived
    COMPLETE = "complete"  # every window has ended and every chain is proved past it


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesReference:
    """The readings of a parameter, kept beside the record under their hash."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterResult:
    """What was specified of a parameter and what was found."""

    spec: ParameterSpec  # in the signal's unit, where that measures the same
    stated: ParameterSpec  # as it was specified
    signal: SignalSpec
    spans: tuple[Span, ...]
    limits: tuple[Limit, ...]
    figures: Figures
    increase: Number | None  # of a counter
    excursions: tuple[Excursion, ...]
    result: Result  # the one figure that the specification asks for
    gaps: tuple[Missing, ...]
    stuck: tuple[Stuck, ...]
    instruments: tuple[Instrument, ...]  # by which sensor it was read, calibrated or not
    boundary: int  # readings within the clocks' uncertainty of a bound
    series: SeriesReference | None  # of a critical parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalCount:
    """How many readings a signal gave for the lot, and between its windows for nobody."""

    signal: SignalSpec
    readings: int
    good: int
    uncertain: int
    bad: int
    unbound: tuple[Unbound, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainResult:
    """One chain that the record rests on."""

    span: ChainSpan
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSeal:
    """A bundle whose seal does not hold."""

    gateway: GatewayId
    epoch: Epoch
    number: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealResult:
    """Every seal of the window, opened again when the record was made."""

    verified: int
    refused: tuple[RefusedSeal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """A job and when it ran."""

    job: Job
    intervals: tuple[Interval, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionFigures:
    """A parameter within a section."""

    parameter: ParameterName
    figures: Figures
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One run of an operation at one place, or of a phase in it."""

    job: Job | None  # None: nobody has said which it was
    phase: PhaseName | None  # None: the operation as a whole
    equipment: EquipmentPath
    intervals: tuple[Span, ...]
    parameters: tuple[SectionFigures, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The first version of this record that was complete: what came later is late data."""

    content_hash: str
    readings: int
    master: Mapping[str, int] = field(default_factory=dict)  # master data that it cites

    def changed(self, master: Mapping[str, int]) -> tuple[str, ...]:
        """Return what of ``master`` was another version then; a limit, if it is new as well."""
        return tuple(
            name
            for name, version in sorted(master.items())
            if self.master.get(name, 0 if name.startswith("limit ") else version) != version
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """Everything that the plant's data say of one lot."""

    lot: Lot
    units: tuple[UnitId, ...]  # the pieces that have a name of their own
    order: WorkOrder | None
    jobs: tuple[JobResult, ...]
    state: RecordState
    rule: Rule
    start: Nanoseconds | None  # of the first window; None where there is none
    end: Nanoseconds | None  # of the last window; None while one is open
    windows: tuple[Window, ...]
    facts: tuple[Fact, ...]  # those that windows and conflicts rest on
    descents: tuple[Descent, ...]  # what the lot came out of
    parameters: tuple[ParameterResult, ...]
    sections: tuple[Section, ...]
    signals: tuple[SignalCount, ...]
    materials: tuple[Consumption, ...]  # what went in
    steps: tuple[Step, ...]  # that made it, with their balances
    entries: tuple[Entry, ...]  # typed by persons; the superseded ones too
    test_results: tuple[ResultVersion, ...]  # every version, the corrected ones too
    recipe: Recipe | None  # that the lot was begun by
    definition: Material | None  # of its material; says how long this is kept
    exceptions: tuple[ExceptionItem, ...]
    passed: Mapping[ExceptionKind, int]  # checks that found nothing
    chains: tuple[ChainResult, ...]
    unproved: tuple[Finding, ...]  # what keeps the data from being complete
    seals: SealResult
    master: Mapping[str, int]  # master data cited: "limit <key>" -> version
    earlier: Earlier | None

    @property
    def readings(self) -> int:
        """Readings bound to the lot."""
        return sum(count.readings for count in self.signals)


def content_hash(data: bytes) -> str:
    """Return the hash by which a version of a record is known: SHA-256 of its bytes."""
    return hashlib.sha256(data).hexdigest()


def findings_hash(document: Mapping[str, Any], encoded: Mapping[str, bytes]) -> str:
    """Return the hash of what was found, whatever the bundles were that brought the readings.

    ``encoded`` has each member of the document as canonical JSON.
    """
    found = {name: value for name, value in encoded.items() if name not in EVIDENCE}
    parameters = [
        {name: value for name, value in parameter.items() if name != "series"}
        for parameter in document["parameters"]
    ]
    found["parameters"] = canonical_json(parameters)
    return hashlib.sha256(canonical_object(found)).hexdigest()


EVIDENCE = frozenset({"chains", "seals", "findings_hash"})
"""Parts of the document that name bundles: another bundling gives others."""
