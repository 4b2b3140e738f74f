"""Where a lot was: the windows that facts give, said by people and by the readings themselves.

The one place where all rules of binding meet. A pure function: whoever has the same facts, readings
and rule gets the same windows (record rule 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from aggregator.model.binding.bind import in_order
from aggregator.model.binding.descent import Descent, inherited
from aggregator.model.binding.fact import FOREVER, Fact, FactId, in_force
from aggregator.model.binding.named import lot_changes, resolver
from aggregator.model.binding.occupancy import (
    Conflict,
    Occupied,
    Window,
    flowed,
    occupied,
    window_order,
)
from aggregator.model.binding.presence import (
    DoubtedCarrier,
    Dwell,
    carrier_occupancy,
    presence,
)
from aggregator.model.binding.rule import Rule
from aggregator.model.completeness import ChainSpan
from aggregator.model.master.equipment import Equipment, SignalRole, SignalSpec, is_at
from aggregator.model.master.lot import LotKey
from aggregator.model.master.order import Job
from aggregator.model.series import Series, SignalKey
from protocols.wire.header import GatewayId
from protocols.wire.reading import Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """What is there and how it is arranged, as the master data say."""

    equipment: tuple[Equipment, ...]
    signals: tuple[SignalSpec, ...]
    lots: tuple[LotKey, ...]  # every lot that a controller's lot id may mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What lots are located by; of the series, only lot ids and tag reads are looked at."""

    plant: Plant
    jobs: tuple[Job, ...] = ()
    facts: tuple[Fact, ...] = ()  # as recorded, superseded ones included
    series: Mapping[SignalKey, Series] = field(default_factory=dict)
    chains: tuple[ChainSpan, ...] = ()
    descents: tuple[Descent, ...] = ()  # what came out of what, as far as it is in sight
    rule: Rule = field(default_factory=Rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where the lot was, by all facts."""

    windows: tuple[Window, ...]  # of the lot, and those that it has from its ancestors
    all: Occupied  # of every lot in sight
    facts: Mapping[FactId, Fact]  # in force, derived ones included
    unknown: tuple[tuple[SignalSpec, Dwell], ...]  # carriers that hold no lot
    doubted: tuple[DoubtedCarrier, ...]  # carriers whose place is not certain

    @property
    def start(self) -> Nanoseconds | None:
        """When the first window began."""
        return min((window.start.time for window in self.windows), default=None)

    @property
    def end(self) -> Nanoseconds | None:
        """When the last window ended; None where there is none, or one is open."""
        end = max((window.end.time for window in self.windows), default=FOREVER)
        return None if end == FOREVER else end


def locate(lot: LotKey, known: Known) -> Whereabouts:
    """Return where the lot was: by given facts, and by those that the readings give."""
    scene = survey(known)
    everywhere = scene.occupied.windows
    own = [_with_job(window, known.jobs) for window in everywhere if window.lot == lot]
    own += inherited(lot, everywhere, known.descents)
    return Whereabouts(
        windows=tuple(sorted(own, key=lambda window: (window.equipment, *window_order(window)))),
        all=scene.occupied,
        facts={fact.id: fact for fact in scene.facts},
        unknown=scene.unknown,
        doubted=scene.doubted,
    )


class Scene(NamedTuple):
    """What all facts say together, of whatever lot."""

    occupied: Occupied
    facts: tuple[Fact, ...]  # in force, derived ones included
    unknown: tuple[tuple[SignalSpec, Dwell], ...]  # carriers that hold no lot
    doubted: tuple[DoubtedCarrier, ...]  # carriers whose place is not certain


def survey(known: Known) -> Scene:
    """Return where every lot in sight was."""
    facts = list(in_force(known.facts))
    resolve = resolver(known.plant.lots, facts)
    unknown: list[tuple[SignalSpec, Dwell]] = []
    seen: dict[SignalSpec, Series] = {}
    for spec in sorted(known.plant.signals, key=lambda spec: spec.key):
        series = known.series.get(spec.key)
        if series is None:
            continue
        if spec.role is SignalRole.LOT_ID:
            doubt = uncertainty_of(known.chains, spec.key.gateway)
            facts += lot_changes(in_order(series), spec, resolve, doubt)
        elif spec.role is SignalRole.TAG_READS:
            seen[spec] = in_order(series)
    through = {spec: horizon(known.chains, spec.key.gateway) for spec in seen}
    carriers = presence(seen, known.rule.presence, through)
    for spec, dwells in carriers.dwells.items():
        doubt = uncertainty_of(known.chains, spec.key.gateway)
        doubts = seen[spec].doubts
        doubt = doubt if doubts is None else max(doubt, int(doubts.max(initial=0)))
        derived, strange = carrier_occupancy(dwells, spec, facts, doubt)
        facts += derived
        unknown += [(spec, dwell) for dwell in strange]
    modes = {place.path: place.occupancy for place in known.plant.equipment}
    found = occupied(facts, modes, edge_tolerance=known.rule.edge_tolerance)
    flows = {place.path: place.residence for place in known.plant.equipment}
    windows = tuple(
        window if (flow := flows.get(window.equipment)) is None else flowed(window, flow)
        for window in found.windows
    )
    return Scene(
        occupied=found._replace(windows=windows),
        facts=tuple(facts),
        unknown=tuple(unknown),
        doubted=carriers.doubted,
    )


def observing(plant: Plant, windows: Sequence[Window]) -> tuple[SignalSpec, ...]:
    """Return the signals that observe the windows' equipment, from it or from above, in order."""
    return tuple(
        spec
        for spec in sorted(plant.signals, key=lambda spec: spec.key)
        if any(is_at(window.equipment, spec.equipment) for window in windows)
    )


def touching(own: Sequence[Window], conflicts: Sequence[Conflict]) -> tuple[Conflict, ...]:
    """Return the conflicts that overlap one of the lot's windows, or name the lot."""
    lots = {window.lot for window in own}
    return tuple(
        conflict
        for conflict in conflicts
        if lots & {*conflict.lots, *conflict.others}
        or any(
            window.equipment == conflict.equipment
            and window.start.time < conflict.end
            and conflict.start < window.end.time
            for window in own
        )
    )


def uncertainty_of(chains: Sequence[ChainSpan], gateway: GatewayId) -> Nanoseconds:
    """Return the greatest uncertainty of a gateway's clock over the chains; 0 where none is."""
    return max((span.uncertainty for span in chains if span.gateway == gateway), default=0)


def horizon(chains: Sequence[ChainSpan], gateway: GatewayId) -> Nanoseconds:
    """Return the time up to which a gateway's chains are sealed; 0 where none is."""
    return max((span.sealed_through for span in chains if span.gateway == gateway), default=0)


def _with_job(window: Window, jobs: Sequence[Job]) -> Window:
    """Name the window's job where no fact did and only one can be meant."""
    fitting = [
        job for job in jobs if job.lot == window.lot and is_at(window.equipment, job.equipment)
    ]
    return window if window.job or len(fitting) != 1 else replace(window, job=fitting[0].job)
