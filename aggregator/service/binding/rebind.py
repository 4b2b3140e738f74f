"""Use cases: find the lots that something new is about, and list whose record it has overtaken.

Nothing is bound ahead: binding is a function, and its answer is new as soon as what it rests on is.
What has to be found out is *which* lots a late bundle, a new fact or a corrected one is about. For
that the rule is asked of the touched stretches of time and of no others, so that one late bundle
costs its own window and not the plant's history (record rules 4 and 13).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from aggregator.access.roles import Act, Actor, require
from aggregator.model.binding.bind import held
from aggregator.model.binding.locate import Plant, survey
from aggregator.model.binding.occupancy import Occupied
from aggregator.model.genealogy.descent import descents, portions
from aggregator.model.genealogy.edge import HOLDING, from_document
from aggregator.model.master.lot import LotKey, check_lot_key
from aggregator.model.series import SignalKey
from aggregator.service.binding.located import known_between
from aggregator.service.binding.remastered import remastered
from aggregator.service.binding.sightings import observing_gateways, refresh
from aggregator.service.binding.whereabouts import merged, offspring, plant_at
from aggregator.service.context import Context
from aggregator.service.genealogy import uses
from aggregator.store.base import Row, Transaction
from aggregator.store.chains.clocks import settled
from aggregator.store.segments.build import bundle_times
from protocols.wire.dossier.series import Interval
from protocols.wire.header import GatewayId
from protocols.wire.reading import SECOND, Nanoseconds

OVERTAKEN_MAX: Final = 1_000
"""Lots in one list, at most; the longest waiting are first."""


class Why(StrEnum):
    """What came."""

    READINGS = "readings"
    FACT = "fact"
    GENEALOGY = "genealogy"
    TEST_RESULT = "test_result"
    MASTER = "master"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaken:
    """A lot of which something came that its newest record does not know."""

    lot: LotKey
    since: Nanoseconds  # record time of the first
    why: Why
    mark: int  # rises with everything that comes


async def rebind(context: Context) -> list[LotKey]:
    """Look at all that came since the last time, and return the lots that it is about, in order.

    Those of them that have a record are listed as overtaken from then on.
    """
    found: set[LotKey] = set()
    while (await _standing(context)).news:
        await refresh(context)
        await _refresh_uses(context)
        async with context.store.read() as tx:
            state = await _state(tx)
            looked = await _look(context, tx, state)
        async with context.store.write() as tx:
            if await _state(tx) == state:  # otherwise another worker was sooner
                await _keep(tx, looked, now=context.clock.now())
                found |= looked.why.keys()
    return sorted(found)


async def overtaken(context: Context, actor: Actor) -> list[Overtaken]:
    """Return the lots whose records are to be assembled again, the longest waiting first."""
    require(actor, Act.READ_RECORDS)
    if not any(await _standing(context)):  # nearly always, and it is asked all day
        return []
    await rebind(context)
    rows = await context.store.look("rebinding.overtaken", count=OVERTAKEN_MAX)
    return [
        Overtaken(
            lot=check_lot_key(row["gtin"], row["lot"]),
            since=row["since"],
            why=Why(row["why"]),
            mark=row["mark"],
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """How far everything was looked at."""

    position: int
    edges: int
    mark: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """The lots that a part of what came is about, and how far that part reaches."""

    state: _State
    touch: int | None  # the last of the facts' stretches, None where there was none
    master: int | None  # the last of the versions of master data
    why: Mapping[LotKey, Why]


_BUNDLES: Final = 256
_FACTS: Final = 256
_EDGES: Final = 1_024
_VERSIONS: Final = 64
_STAY_MAX: Final = 600 * SECOND  # a carrier that stays for days was there before; it is there now


class _Standing(NamedTuple):
    """What there is to be done."""

    news: bool  # something came that has not been looked at
    marked: bool  # there are lots of which something came


async def _standing(context: Context) -> _Standing:
    (row,) = await context.store.look("rebinding.standing")
    return _Standing(bool(row["news"]), bool(row["marked"]))


async def _state(tx: Transaction) -> _State:
    row = await tx.fetch_one("rebinding.state")
    if row is None:
        return _State(position=0, edges=0, mark=0)
    return _State(position=row["position"], edges=row["edges"], mark=row["mark"])


async def _refresh_uses(context: Context) -> None:
    """Where master data have changed, take in what the newest records rest on."""
    if await context.store.look("rebinding.touched_master", count=1):
        await uses.refresh(context)


async def _look(context: Context, tx: Transaction, state: _State) -> _Looked:
    """Look at the next part of what came; it only reads, so that no bundle waits for it."""
    bundles = await tx.fetch("sightings.fresh", position=state.position, count=_BUNDLES)
    facts = await tx.fetch("rebinding.touched", count=_FACTS)
    edges = await tx.fetch("rebinding.edges", edges=state.edges, count=_EDGES)
    versions = await tx.fetch("rebinding.touched_master", count=_VERSIONS)
    why = dict.fromkeys(await _of_bundles(context, tx, bundles), Why.READINGS)
    why = await _of_touched(context, tx, facts) | why
    why = dict.fromkeys(_of_edges(edges), Why.GENEALOGY) | why
    for version in versions:
        why = dict.fromkeys(await remastered(tx, version), Why.MASTER) | why
    for lot, reason in list(why.items()):
        why = dict.fromkeys(await offspring(tx, lot), reason) | why
    return _Looked(
        state=_State(
            position=bundles[-1]["position"] + 1 if bundles else state.position,
            edges=edges[-1]["edge"] + 1 if edges else state.edges,
            mark=state.mark + 1,
        ),
        touch=facts[-1]["touch"] if facts else None,
        master=versions[-1]["touch"] if versions else None,
        why=why,
    )


async def _keep(tx: Transaction, looked: _Looked, *, now: Nanoseconds) -> None:
    """Mark the lots that were found, and note how far everything was looked at."""
    state = looked.state
    for lot, why in sorted(looked.why.items()):
        await tx.execute(
            "rebinding.mark", gtin=lot.gtin, lot=lot.lot, mark=state.mark, since=now, why=why.value
        )
    if looked.touch is not None:
        await tx.execute("rebinding.looked", touch=looked.touch)
    if looked.master is not None:
        await tx.execute("rebinding.looked_master", touch=looked.master)
    await tx.execute(
        "rebinding.advance", position=state.position, edges=state.edges, mark=state.mark
    )


async def _of_bundles(context: Context, tx: Transaction, bundles: Sequence[Row]) -> set[LotKey]:
    """Return the lots that observing signals have new readings of."""
    touched, moved = await _touched(tx, bundles), await _moved(tx, bundles)
    found: set[LotKey] = set()
    for stretch in merged(each for times in (*touched.values(), *moved.values()) for each in times):
        plant = await plant_at(tx, stretch.start)
        windows = (await _said(context, tx, plant, stretch)).windows
        for lot in {window.lot for window in windows}:
            own = [window for window in windows if window.lot == lot]
            if any(
                each.start < span.end.time and span.start.time < each.end
                for spec in plant.signals
                for span in held(own, spec)
                for each in (*touched.get(spec.key, ()), *moved.get(spec.key.gateway, ()))
            ):
                found.add(lot)
    return found


async def _touched(tx: Transaction, bundles: Sequence[Row]) -> dict[SignalKey, list[Interval]]:
    """Return the times, by the readings' own, that bundles are of, signal by signal.

    Those of a gateway whose signals observe no equipment are about no lot: they stay unread.
    """
    found: dict[SignalKey, list[Interval]] = {}
    of, data = [], []
    gateways = await observing_gateways(tx) if bundles else set()
    for row in bundles:
        if row["readings"] and row["gateway"] in gateways:
            stored = await tx.fetch_one("sightings.bundle", position=row["position"])
            if stored is not None:
                of.append(row["gateway"])
                data.append(stored["bytes"])
    opened = await asyncio.to_thread(lambda: list(map(bundle_times, data)))
    for gateway, times in zip(of, opened, strict=True):
        for name, (first, last) in times.items():
            found.setdefault(SignalKey(gateway, name), []).append(Interval(first, last + 1))
    return {key: merged(times) for key, times in found.items()}


async def _moved(tx: Transaction, bundles: Sequence[Row]) -> Mapping[GatewayId, list[Interval]]:
    """Return the times that readings are moved to and from by what came of clocks in doubt."""
    if not bundles:
        return {}
    return await settled(tx, bundles[0]["position"], bundles[-1]["position"])


async def _of_touched(context: Context, tx: Transaction, rows: Sequence[Row]) -> dict[LotKey, Why]:
    """Return the lots that were named anew, and those that were where and while this was said."""
    found = {
        check_lot_key(row["gtin"], row["lot"]): Why(row["why"])
        for row in rows
        if row["lot"] is not None
    }
    placed = [row for row in rows if row["equipment"] is not None]
    for stretch in merged(Interval(row["start_time"], row["end_time"]) for row in placed):
        said = await _said(context, tx, await plant_at(tx, stretch.start), stretch)
        for row in placed:
            low, high, path = row["start_time"], row["end_time"], row["equipment"]
            lots = {
                window.lot
                for window in said.windows
                if window.equipment == path and low <= window.end.time and window.start.time <= high
            }
            for conflict in said.conflicts:
                if conflict.equipment == path and low <= conflict.end and conflict.start <= high:
                    lots |= {*conflict.lots, *conflict.others}
            for lot in lots:
                found.setdefault(lot, Why(row["why"]))
    return found


async def _said(context: Context, tx: Transaction, plant: Plant, times: Interval) -> Occupied:
    known = await known_between(context, tx, plant, times, stay_max=_STAY_MAX)
    return (await asyncio.to_thread(survey, known)).occupied


def _of_edges(edges: Sequence[Row]) -> set[LotKey]:
    """Return the lots of which edges say something else, be it that they correct another edge."""
    found: set[LotKey] = set()
    for row in edges:
        for document in (row["document"], row["corrected"]):
            if document is None:
                continue
            edge = from_document(json.loads(document))
            found |= {each.child.lot for each in descents(edge)}
            if edge.kind in HOLDING:
                found |= {each.lot for each in portions(part.item for part in edge.outputs)}
    return found
