"""Use cases: list jobs that nobody has ended with the end that the evidence proposes, and sign one.

Only a person ends a job: by a signature over the statement that was shown (record rule 14).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError, NotFoundError
from aggregator.model.binding.closing import Activity, Closing, closings
from aggregator.model.binding.fact import FOREVER, Fact, FactId
from aggregator.model.binding.locate import Plant, survey
from aggregator.model.excursion import valid_readings
from aggregator.model.master.equipment import EquipmentPath, SignalRole
from aggregator.model.series import Series
from aggregator.model.signature import Component, shown_hash
from aggregator.service import facts
from aggregator.service.access.accounts import Proof, Session, prove
from aggregator.service.binding.located import bounded, known_between
from aggregator.service.binding.sightings import refresh
from aggregator.service.binding.whereabouts import plant_at
from aggregator.service.context import Context
from aggregator.service.facts import fact_of
from aggregator.store.base import Transaction
from aggregator.store.chains.evidence import chains
from protocols.wire.dossier.instant import format_time
from protocols.wire.dossier.series import Interval
from protocols.wire.reading import SECOND, Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A proposal as a person sees it before signing."""

    closing: Closing
    statement: dict[str, Any]
    hash: str


async def unended(context: Context, actor: Actor) -> list[Shown]:
    """Return the jobs that must have ended, with the proposed ends, the longest open first."""
    require(actor, Act.READ_MASTER)
    await refresh(context)
    async with context.store.read() as tx:
        rows = await tx.fetch("facts.unended")
        if not rows:
            return []
        given = [fact_of(row) for row in rows]
        plant = await plant_at(tx, context.clock.now())
        since = min(fact.start for fact in given)
        known = await known_between(context, tx, plant, Interval(since, FOREVER))
        activity = {
            path: did
            for path in sorted({fact.equipment for fact in given if fact.equipment})
            if (did := await _activity(context, tx, plant, path, since)) is not None
        }
    scene = await asyncio.to_thread(survey, known)
    found = closings(
        scene.facts,
        {place.path: place.occupancy for place in plant.equipment},
        activity,
        idle=round(context.settings.records.idle_seconds * SECOND),
    )
    return [_shown(each) for each in found]


async def close(
    context: Context, session: Session, wrong: FactId, *, shown: str, proof: Proof, reason: str
) -> Fact:
    """End a job as proposed: take a person's signature, and supersede the fact that had no end.

    Takes password and code. Raises NotFoundError where no end is proposed for the fact, and
    ConflictError where the proposal is another by now than was shown.
    """
    require(session.actor, Act.WRITE_FACTS)
    waiting = await unended(context, session.actor)
    proposed = next((each for each in waiting if each.closing.fact.id == wrong), None)
    if proposed is None:
        raise NotFoundError(
            f"no end is proposed for the fact {wrong}",
            hint="where you know its end, correct the fact",
        )
    if proposed.hash != shown:
        raise ConflictError(
            "what is proposed has changed since it was shown", hint="look at it again, then sign"
        )
    both = (Component.PASSWORD, Component.CODE)
    account = await prove(context, session.actor.name, proof, both)
    closing = proposed.closing
    right = replace(
        closing.fact,
        end=closing.end,
        source=account.user,
        uncertainty=max(closing.fact.uncertainty, closing.uncertainty),
        recorded=None,
    )
    return await facts.supersede(
        context, session.actor, wrong, right, reason=reason, signed=proposed.hash
    )


def _shown(closing: Closing) -> Shown:
    fact = closing.fact
    statement = {
        "meaning": "job_closed",
        "fact": fact.id,
        "lot": str(fact.lot),
        "equipment": fact.equipment,
        "job": fact.job,
        "start": format_time(fact.start),
        "end": format_time(closing.end),
        "evidence": closing.evidence.value,
        "by": closing.by,
    }
    return Shown(closing=closing, statement=statement, hash=shown_hash(statement))


async def _activity(
    context: Context, tx: Transaction, plant: Plant, path: EquipmentPath, since: Nanoseconds
) -> Activity | None:
    """Return what equipment did last: the last rise of its counters, or its last reading."""
    own = [spec for spec in plant.signals if spec.equipment == path]
    counters = [spec for spec in own if spec.role is SignalRole.COUNTER]
    watched = counters or [spec for spec in own if spec.role is SignalRole.VARIABLE]
    lasts: list[int] = []
    throughs: list[int] = []
    for spec in watched:
        series = await context.index.series(tx, spec.key, since, FOREVER)
        if series is not None and len(series):
            lasts += _rises(series) if counters else [int(series.times[-1])]
        held = await chains(tx, spec.key.gateway, since, bounded(FOREVER))
        throughs += [span.sealed_through for span in held]
    return Activity(last=max(lasts), through=max(throughs)) if lasts and throughs else None


def _rises(series: Series) -> list[int]:
    """Return when a counter last counted; nothing where it never did."""
    times, values = valid_readings(series, 0, len(series))
    changed = np.flatnonzero(np.diff(values) != 0)
    return [int(times[changed[-1] + 1])] if len(changed) else []
