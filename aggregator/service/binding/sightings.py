"""What equipment named and what readers saw: an index over the readings, to find lots by.

It can be made again at any time. New bundles cost what they touch and no more: of each signal, the
sightings that the new readings may have changed are forgotten and made again from the readings
around them, however long the history before and behind is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from aggregator.model.binding.bind import in_order
from aggregator.model.binding.fact import FOREVER
from aggregator.model.binding.named import Said, lot_changes
from aggregator.model.binding.presence import dwells
from aggregator.model.master.carrier import called
from aggregator.model.master.equipment import EquipmentPath, SignalRole, SignalSpec
from aggregator.model.master.lot import LotKey, check_lot_key
from aggregator.model.master.read_point import PresenceRule
from aggregator.model.series import Series, SignalKey
from aggregator.service.binding.carriers import lots_in
from aggregator.service.context import Context
from aggregator.service.facts import Touch, touch
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind, lot_key
from aggregator.service.master.versions import versioned
from aggregator.store.base import Row, Transaction
from aggregator.store.chains.clocks import settled
from aggregator.store.segments.build import open_bundles
from protocols.wire.dossier.series import Interval
from protocols.wire.header import GatewayId
from protocols.wire.reading import Nanoseconds, TagRead

IDENTIFYING: Final = frozenset({SignalRole.LOT_ID, SignalRole.TAG_READS})

STEP: Final = 64
"""Bundles of one step."""


_ALL_TIME: Final = Interval(0, FOREVER)


class Sighting(NamedTuple):
    """Something was named or seen over ``[start, end)``; FOREVER while it is."""

    key: SignalKey
    start: Nanoseconds
    end: Nanoseconds


async def refresh(context: Context) -> None:
    """Look for sightings in all bundles that came since the last time, however old they are.

    Lots that are named anew, or no more, are noted for rebinding.
    """
    while await context.store.look("sightings.waiting"):
        async with context.store.write() as tx:  # a step each, so that intake waits for one alone
            await _advance(context, tx)


async def _advance(context: Context, tx: Transaction) -> None:
    position = await _position(tx)
    fresh = await tx.fetch("sightings.fresh", position=position, count=STEP + 1)
    if not fresh:
        return
    specs = await identifying(tx, _ALL_TIME)
    last, touched = fresh[:STEP][-1]["position"], list[tuple[SignalSpec, Interval]]()
    moved: Mapping[GatewayId, Sequence[Interval]] = {}
    if position == 0 and len(fresh) > STEP:  # the index is made from nothing: as a whole
        newest = await tx.fetch_one("sightings.last", position=last)
        last = last if newest is None else newest["position"]
        touched = [(spec, Interval(0, FOREVER)) for spec in specs]
    elif specs:
        touched = await _touched(tx, fresh[:STEP], specs)
        moved = await settled(tx, fresh[0]["position"], last)
    for spec, times in touched:
        if spec.role is SignalRole.LOT_ID:
            await _name_again(context, tx, spec, times)
        else:
            await _see_again(context, tx, spec, times)
    for spec in specs:
        for times in moved.get(spec.key.gateway, []):
            if spec.role is SignalRole.LOT_ID:
                await _name_again(context, tx, spec, times)
            else:
                await _see_again(context, tx, spec, await _forget(tx, spec, times))
    await tx.execute("sightings.advance", position=last + 1)


async def identifying(tx: Transaction, times: Interval) -> list[SignalSpec]:
    """Return the signals that name lots or see carriers at any time of a stretch.

    Each by its version of then that waits longest for a carrier's next read.
    """
    found: dict[SignalKey, SignalSpec] = {}
    for spec in await _signals(tx, times):
        if spec.role in IDENTIFYING:
            found[spec.key] = max(found.get(spec.key, spec), spec, key=patience_of)
    return [found[key] for key in sorted(found)]


async def observing_gateways(tx: Transaction) -> set[GatewayId]:
    """Return the gateways of which any version of master data names a signal."""
    return {spec.key.gateway for spec in await _signals(tx, _ALL_TIME)}


async def _signals(tx: Transaction, times: Interval) -> list[SignalSpec]:
    """Return the signals as master data say of them at any time of a stretch, each version."""
    kind, (start, stop) = EntityKind.SIGNAL, times
    said = await master_data.models_at(tx, kind, start)
    rows = await tx.fetch("master.came_into_force", kind=kind.value, start=start, stop=stop)
    came = (versioned(row).document.model() for row in rows)
    return [spec for spec in (*said, *came) if isinstance(spec, SignalSpec)]


async def seen(tx: Transaction, said: str) -> list[Sighting]:
    """Return where and when a lot id, or a carrier that is ``called`` so, was named or seen.

    A carrier's stay is that to its last read.
    """
    return [_sighting(row) for row in await tx.fetch("sightings.of", said=said)]


async def units_seen(tx: Transaction, key: LotKey) -> list[Sighting]:
    """Return where and when units of a lot were seen that have a tag of their own."""
    return [_sighting(row) for row in await tx.fetch("sightings.of_units", lot=lot_key(key))]


async def lots_of_id(tx: Transaction, lot: str) -> list[LotKey]:
    """Return every lot that has an id, of whatever GTIN."""
    rows = await tx.fetch("sightings.lots_called", lot=lot)
    return [check_lot_key(*row["key"].split("/", 1)) for row in rows]


async def identifying_series(
    context: Context, tx: Transaction, times: Interval, *, stay_max: Nanoseconds = FOREVER
) -> dict[SignalKey, Series]:
    """Return what all signals that name lots or see carriers say of a stretch of time.

    From where that begins which is still on at the start, to what stands at the end: it may be what
    ended it. Of a carrier's stay no more than ``stay_max`` before the start is read.
    """
    found = {}
    start, end = times
    for spec in await identifying(tx, times):
        since = await _began(tx, spec, start, end)
        if spec.role is SignalRole.TAG_READS:
            since = max(since, start - min(start, stay_max))
        series = await context.index.series(tx, spec.key, since, min(end, FOREVER - 1) + 1)
        if series is not None:
            found[spec.key] = series
    return found


def _sighting(row: Row) -> Sighting:
    key = SignalKey(row["gateway"], row["signal"])
    return Sighting(key, row["start_time"], row["end_time"])


async def _position(tx: Transaction) -> int:
    state = await tx.fetch_one("sightings.position")
    return 0 if state is None else int(state["position"])


async def _touched(
    tx: Transaction, fresh: Sequence[Row], specs: list[SignalSpec]
) -> list[tuple[SignalSpec, Interval]]:
    """Return of each signal the time that new bundles speak of: its readings' own, in them."""
    by_key = {spec.key: spec for spec in specs}
    gateways = {key.gateway for key in by_key}
    found: dict[SignalKey, Interval] = {}
    for row in fresh:
        if row["gateway"] not in gateways:
            continue
        data = await tx.fetch_one("sightings.bundle", position=row["position"])
        if data is None:
            continue
        opened = await asyncio.to_thread(open_bundles, [(row["number"], data["bytes"])])
        for name, part in opened.parts.items():
            key = SignalKey(row["gateway"], name.signal)
            if key in by_key:
                before = max(map(_length, part.values), default=0)
                low, high = found.get(key, (FOREVER, 0))
                low = min(low, max(int(part.times.min()) - before, 0))
                found[key] = Interval(low, max(high, int(part.times.max())))
    return [(by_key[key], found[key]) for key in sorted(found)]


async def _name_again(context: Context, tx: Transaction, spec: SignalSpec, times: Interval) -> None:
    """Make the runs again from the one before new readings to the end of the one behind them.

    A new reading may end the run before it, and take from the start of the run behind it, whose end
    stays: the run behind that one follows from this one's text alone.
    """
    name = _name(spec)
    before = await tx.fetch_one("sightings.before", **name, time=times.start)
    behind = await tx.fetch_one("sightings.behind", **name, time=times.end)
    start = times.start if before is None else before["start_time"]
    end = FOREVER if behind is None else behind["end_time"]
    series = await context.index.series(tx, spec.key, start, min(end, FOREVER - 1) + 1)
    if series is None:
        return
    facts = await asyncio.to_thread(lot_changes, in_order(series), spec, _unresolved, 0)
    new = {
        (fact.text, fact.start, min(fact.until, end))
        for fact in facts
        if fact.text and fact.start < end
    }
    rows = await tx.fetch("sightings.within", **name, start=start, stop=end)
    old = {(row["said"], row["start_time"], row["end_time"]) for row in rows}
    for said, since, _ in sorted(old - new):
        await tx.execute("sightings.remove", **name, said=said, start=since)
    for said, since, until in sorted(new - old):
        times_ = {"start_time": since, "end_time": until}
        await tx.execute("sightings.add", **name, said=said, **times_)
    for said, since, until in sorted(old ^ new):
        for lot in (*await lots_of_id(tx, said), None):
            await touch(
                tx,
                Interval(since, until),
                equipment=await _place(tx, spec, since),
                lot=lot,
                why=Touch.READINGS,
            )


async def _see_again(context: Context, tx: Transaction, spec: SignalSpec, times: Interval) -> None:
    """Join new reads of a carrier with the stays that are near enough to be one with them."""
    name, patience = _name(spec), patience_of(spec)
    start, end = times
    series = await context.index.series(tx, spec.key, start, min(end, FOREVER - 1) + 1)
    rule = PresenceRule(reads_min=1, exit_timeout=patience, exit_timeout_max=patience)
    new = [] if series is None else await asyncio.to_thread(dwells, in_order(series), rule, FOREVER)
    for stay in new:
        since, until = stay.start, stay.start if stay.end is None else stay.end
        who = {**name, "said": called(stay.carrier)}
        near = {"low": max(since - patience, 0), "high": until + patience}
        for row in await tx.fetch("sightings.near", **who, **near):
            since, until = min(since, row["start_time"]), max(until, row["end_time"])
            await tx.execute("sightings.remove", **who, start=row["start_time"])
        await tx.execute("sightings.add", **who, start_time=since, end_time=until)
        seen_at = Interval(stay.start, stay.start if stay.end is None else stay.end)
        for lot in sorted(await lots_in(tx, stay.carrier, seen_at)):
            await touch(tx, seen_at, equipment=None, lot=lot, why=Touch.READINGS)


async def _forget(tx: Transaction, spec: SignalSpec, times: Interval) -> Interval:
    """Forget the stays of a time that readings are moved to or from; return when they were."""
    name, (start, end) = _name(spec), times
    for row in await tx.fetch("sightings.touching", **name, low=start, high=end):
        since, until = row["start_time"], row["end_time"]
        await tx.execute("sightings.remove", **name, said=row["said"], start=since)
        start, end = min(start, since), max(end, until)
        for lot in sorted(await lots_in(tx, row["said"], Interval(since, until))):
            await touch(tx, Interval(since, until), equipment=None, lot=lot, why=Touch.READINGS)
    return Interval(start, end)


async def _began(
    tx: Transaction, spec: SignalSpec, start: Nanoseconds, end: Nanoseconds
) -> Nanoseconds:
    """Return when what a signal says of ``[start, end)`` began."""
    if spec.role is SignalRole.LOT_ID:
        row = await tx.fetch_one("sightings.before", **_name(spec), time=start)
    else:
        reach = {"low": max(start - patience_of(spec), 0), "high": end}
        row = await tx.fetch_one("sightings.earliest", **_name(spec), **reach)
    since = None if row is None else row["start_time"]
    return start if since is None else min(start, int(since))


async def _place(tx: Transaction, spec: SignalSpec, at: Nanoseconds) -> EquipmentPath:
    """Return where a signal was at a time."""
    name = f"{spec.key.gateway}/{spec.key.signal}"
    found = await master_data.version_at(tx, EntityKind.SIGNAL, name, at)
    then = None if found is None else found.document.model()
    return then.equipment if isinstance(then, SignalSpec) else spec.equipment


def patience_of(spec: SignalSpec) -> Nanoseconds:
    """Return the longest silence after which a carrier may still be there, by any rule."""
    return (spec.presence or PresenceRule()).exit_timeout_max


def _name(spec: SignalSpec) -> dict[str, str]:
    return {"gateway": spec.key.gateway, "signal": spec.key.signal}


def _length(value: object) -> Nanoseconds:
    return max(value.last_seen - value.first_seen, 0) if isinstance(value, TagRead) else 0


def _unresolved(said: Said) -> LotKey | None:  # noqa: ARG001 # a sighting keeps what was said
    return None
