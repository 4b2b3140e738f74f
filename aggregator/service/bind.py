"""Use case: find out where lots and carriers were, from what the readings say.

What equipment named and what readers saw is kept as *sightings*, an index over the readings that
grows with them and can be made again at any time. A record is bound to windows from it; the windows
themselves are computed anew, by the rule alone (``aggregator.model``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from aggregator.access.roles import Act, Actor, require
from aggregator.model.binding.bind import Span, Unbound, in_order, spans, unbound
from aggregator.model.binding.fact import FOREVER, FactKind
from aggregator.model.binding.locate import Known, Plant, survey
from aggregator.model.binding.presence import PresenceRule, Said, dwells, lot_changes
from aggregator.model.master.equipment import Equipment, SignalRole, SignalSpec
from aggregator.model.master.lot import Lot, LotKey
from aggregator.model.series import Series, SignalKey
from aggregator.service.context import Context
from aggregator.service.facts import fact_of
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.store.base import Transaction
from aggregator.store.evidence import chains
from protocols.wire.dossier.series import Interval
from protocols.wire.reading import Nanoseconds

IDENTIFYING: Final = frozenset({SignalRole.LOT_ID, SignalRole.TAG_READS})
PRESENCE: Final = PresenceRule(reads_min=1)  # the index misses nothing; the record's rule decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How many readings of a signal belong to a lot, and the runs of those that belong to none."""

    signal: SignalSpec
    readings: int
    unbound: tuple[Unbound, ...]


class Sighting(NamedTuple):
    """Something was named or seen over ``[start, end)``; FOREVER while it is."""

    key: SignalKey
    start: Nanoseconds
    end: Nanoseconds


async def refresh(context: Context) -> None:
    """Look for sightings in all bundles that came since the last time, however old they are."""
    async with context.store.write() as tx:
        state = await tx.fetch_one("sightings.position")
        position = 0 if state is None else state["position"]
        fresh = await tx.fetch("sightings.fresh", position=position)
        if not fresh:
            return
        since = {row["gateway"]: row["first_time"] for row in fresh}
        for spec in await identifying(tx):
            if spec.key.gateway in since:
                await _look_again(context, tx, spec, since[spec.key.gateway])
        await tx.execute("sightings.advance", position=max(row["position"] for row in fresh) + 1)


async def whereabouts(tx: Transaction, key: LotKey) -> list[Interval]:
    """Return every stretch in which facts or readings may speak of the lot, merged, in order."""
    rows = await tx.fetch("facts.of_lot", gtin=key.gtin, lot=key.lot)
    facts = [fact_of(row) for row in rows]
    found = [Interval(fact.start, fact.until) for fact in facts if fact.kind is FactKind.OCCUPANCY]
    for said in (key.lot, str(key)):
        found += [Interval(seen.start, seen.end) for seen in await _sightings(tx, said)]
    for fact in facts:
        if fact.kind is FactKind.ASSOCIATION and fact.carrier is not None:
            found += [
                Interval(max(seen.start, fact.start), min(seen.end, fact.until))
                for seen in await _sightings(tx, fact.carrier)
                if seen.start < fact.until and fact.start < seen.end
            ]
    return merged(found)


async def identifying(tx: Transaction) -> list[SignalSpec]:
    """Return the signals that name lots or see carriers."""
    signals = await master_data.models(tx, EntityKind.SIGNAL)
    return [spec for spec in signals if isinstance(spec, SignalSpec) and spec.role in IDENTIFYING]


async def coverage(
    context: Context, actor: Actor, start: Nanoseconds, end: Nanoseconds
) -> list[Coverage]:
    """Return, of every signal, how many readings in ``[start, end)`` belong to a lot or to none."""
    require(actor, Act.READ_READINGS)
    await refresh(context)
    async with context.store.read() as tx:
        plant = await plant_of(tx)
        keys = [spec.key for spec in plant.signals]
        series = await context.index.window(tx, keys, start, end)
        facts = [fact_of(row) for row in await tx.fetch("facts.between", start=start, stop=end)]
        gateways = sorted({key.gateway for key in keys})
        held = [span for each in gateways for span in await chains(tx, each, start, end)]
    known = Known(plant=plant, facts=tuple(facts), series=series, chains=tuple(held))
    windows = (await asyncio.to_thread(survey, known)).occupied.windows
    return [
        _coverage(
            spec,
            series,
            [span for lot in plant.lots for span in spans(windows, spec, lot)],
            start,
            end,
        )
        for spec in plant.signals
    ]


async def plant_of(tx: Transaction) -> Plant:
    """Return equipment, signals and lots as the master data are now."""
    equipment = await master_data.models(tx, EntityKind.EQUIPMENT)
    signals = await master_data.models(tx, EntityKind.SIGNAL)
    lots = await master_data.models(tx, EntityKind.LOT)
    return Plant(
        equipment=tuple(each for each in equipment if isinstance(each, Equipment)),
        signals=tuple(each for each in signals if isinstance(each, SignalSpec)),
        lots=tuple(each.key for each in lots if isinstance(each, Lot)),
    )


def merged(stretches: Iterable[Interval]) -> list[Interval]:
    """Return the union of stretches, in order."""
    union: list[Interval] = []
    for start, end in sorted(stretches):
        if union and start <= union[-1].end:
            union[-1] = Interval(union[-1].start, max(union[-1].end, end))
        else:
            union.append(Interval(start, end))
    return union


def _coverage(
    spec: SignalSpec,
    series: Mapping[SignalKey, Series],
    when: Sequence[Span],
    start: Nanoseconds,
    end: Nanoseconds,
) -> Coverage:
    found = series.get(spec.key)
    if found is None:
        return Coverage(signal=spec, readings=0, unbound=())
    ordered = in_order(found)
    return Coverage(signal=spec, readings=len(ordered), unbound=unbound(ordered, when, start, end))


async def _look_again(
    context: Context, tx: Transaction, spec: SignalSpec, since: Nanoseconds
) -> None:
    """Make the sightings of a signal again, from the one on that new readings may change."""
    name = {"gateway": spec.key.gateway, "signal": spec.key.signal}
    while True:
        touched = since - PRESENCE.exit_timeout
        row = await tx.fetch_one("sightings.earliest", **name, time=touched)
        if row is None or row["start_time"] is None or row["start_time"] >= since:
            break
        since = row["start_time"]
    series = await context.index.series(tx, spec.key, since, FOREVER)
    if series is None:
        return
    found = await asyncio.to_thread(_seen, in_order(series), spec)
    await tx.execute("sightings.forget", **name, time=since)
    await tx.execute_many(
        "sightings.add",
        [
            {**name, "said": said, "start_time": start, "end_time": end}
            for said, start, end in found
        ],
    )


def _seen(series: Series, spec: SignalSpec) -> set[tuple[str, int, int]]:
    if spec.role is SignalRole.LOT_ID:
        facts = lot_changes(series, spec, _unresolved, 0)
        return {(fact.text, fact.start, fact.until) for fact in facts if fact.text}
    through = int(series.times[-1]) if len(series) else 0
    return {
        (dwell.carrier, dwell.start, FOREVER if dwell.end is None else dwell.end)
        for dwell in dwells(series, PRESENCE, through)
    }


def _unresolved(said: Said) -> LotKey | None:  # noqa: ARG001 # a sighting keeps what was said
    return None


async def _sightings(tx: Transaction, said: str) -> list[Sighting]:
    return [
        Sighting(SignalKey(row["gateway"], row["signal"]), row["start_time"], row["end_time"])
        for row in await tx.fetch("sightings.of", said=said)
    ]
