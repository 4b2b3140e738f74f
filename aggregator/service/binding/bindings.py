"""Use case: which readings belong to a lot and by which facts, now or as was known at any time.

As of a record time, the rule sees the facts, the readings and the genealogy that had come by then
and no others: it gives what it gave then (record rule 13).
"""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.access.roles import Act, Actor, require
from aggregator.errors import NotFoundError
from aggregator.model.binding.bind import RULE, bind, held
from aggregator.model.binding.descent import Descent
from aggregator.model.binding.fact import FOREVER, Fact
from aggregator.model.binding.locate import observing, uncertainty_of
from aggregator.model.binding.occupancy import Conflict, Window
from aggregator.model.master.equipment import SignalSpec
from aggregator.model.master.lot import LotKey, check_lot_key
from aggregator.service.binding.located import Located, begun, come_by
from aggregator.service.binding.sightings import refresh
from aggregator.service.context import Context
from aggregator.service.master.documents import EntityKind, lot_key
from aggregator.store.base import Transaction
from aggregator.store.chains.clocks import reach_of
from aggregator.store.chains.evidence import chains
from protocols.wire.reading import Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundSignal:
    """How many readings of a signal belong to the lot."""

    signal: SignalSpec
    readings: int
    boundary: int  # so near to a bound that the clocks do not decide


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """What binds readings to a lot."""

    lot: LotKey
    as_of: Nanoseconds | None  # None: as is known now
    rule: str
    windows: tuple[Window, ...]
    facts: tuple[Fact, ...]  # those that the windows rest on
    conflicts: tuple[Conflict, ...]  # over the windows
    descents: tuple[Descent, ...]
    signals: tuple[BoundSignal, ...]


async def bindings(
    context: Context, actor: Actor, gtin: str, lot: str, *, as_of: Nanoseconds | None = None
) -> Bindings:
    """Return which readings belong to a lot; NotFoundError for a lot that is not known.

    ``as_of`` asks what was known at that time of the aggregator's clock; master data are those
    that are in force for the lot today.
    """
    require(actor, Act.READ_RECORDS)
    key = check_lot_key(gtin, lot)
    await refresh(context)
    then = FOREVER if as_of is None else as_of
    async with context.store.read() as tx:
        row = await tx.fetch_one("master.current", kind=EntityKind.LOT.value, key=lot_key(key))
        if row is None:
            raise NotFoundError(f"there is no lot {key}", hint="put the lot first")
        plant, found, _ = await begun(context, tx, key, as_of=then)
        signals = [
            await _bound(context, tx, spec, found, then) for spec in observing(plant, found.windows)
        ]
    cited = {name for window in found.windows for name in window.facts}
    return Bindings(
        lot=key,
        as_of=as_of,
        rule=RULE,
        windows=found.windows,
        facts=tuple(
            fact
            for name, fact in sorted(found.facts.items(), key=lambda each: (each[1].start, each[0]))
            if name in cited
        ),
        conflicts=found.conflicts,
        descents=found.descents,
        signals=tuple(signals),
    )


async def _bound(
    context: Context, tx: Transaction, spec: SignalSpec, found: Located, as_of: Nanoseconds
) -> BoundSignal:
    """Count a signal's readings within the lot's spans, one span after another."""
    readings = boundary = 0
    for span in held(found.windows, spec):
        low, high = span.start.time, min(span.end.time, FOREVER - 1)
        around = await chains(tx, spec.key.gateway, low, high)
        doubt = uncertainty_of(around, spec.key.gateway)
        reach = max([doubt, *map(reach_of, around)])
        stop = min(high + reach + 1, FOREVER)
        series = await context.index.series(tx, spec.key, max(low - reach, 0), stop)
        if series is None:
            continue
        series = await come_by(tx, series, as_of)
        binding = bind(series, [span], spec, doubt)
        readings += binding.readings
        boundary += sum(len(part.head) + len(part.tail) for part in binding.slices)
    return BoundSignal(signal=spec, readings=readings, boundary=boundary)
