"""Use cases: see what waits for review, read where a lot stands, and take its record up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aggregator import audit
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError
from aggregator.model.disposition import Event, Happening, Stage, UserId, step
from aggregator.model.master.lot import check_lot_key
from aggregator.service.access.accounts import Session
from aggregator.service.assemble_record import page
from aggregator.service.context import Context
from aggregator.service.review.standing import Standing, keep, standing_of

LOTS_MAX: Final = 200
"""Lots that are looked at for the lanes, the latest records first."""


class Lane(StrEnum):
    """Where a lot waits for a person."""

    CLEAN = "clean"  # nothing to decide: read it and sign
    DECIDE = "decide"  # something needs a decision
    WAITING = "waiting"  # its data are not complete
    DONE = "done"  # released or rejected, and nothing came since


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """Lots that wait for a person, the latest first."""

    clean: tuple[Standing, ...]
    decide: tuple[Standing, ...]


async def get(context: Context, actor: Actor, gtin: str, lot: str) -> Standing:
    """Return where a lot stands; NotFoundError where it has no record."""
    require(actor, Act.READ_RECORDS)
    async with context.store.read() as tx:
        return await standing_of(tx, check_lot_key(gtin, lot))


async def lanes(context: Context, actor: Actor) -> Lanes:
    """Return the lots that wait for a person: those with nothing to decide, and the others."""
    records = await page(context, actor, count=LOTS_MAX)
    async with context.store.read() as tx:
        found = [await standing_of(tx, each.lot) for each in records]
    return Lanes(
        clean=tuple(each for each in found if lane_of(each) is Lane.CLEAN),
        decide=tuple(each for each in found if lane_of(each) is Lane.DECIDE),
    )


def lane_of(standing: Standing) -> Lane:
    """Return the lane in which a lot waits."""
    lot = standing.disposition
    if lot.stage is Stage.HELD or lot.later is not None:
        return Lane.DECIDE
    if lot.stage in (Stage.RELEASED, Stage.REJECTED):
        return Lane.DONE
    if lot.stage is Stage.OPEN:
        return Lane.WAITING
    return Lane.DECIDE if lot.undecided or lot.refused or lot.unchecked else Lane.CLEAN


async def open_review(
    context: Context, session: Session, gtin: str, lot: str, *, etag: str, why: str
) -> Standing:
    """Take a lot's record up for review, or one that was reviewed back into it.

    Raises ConflictError where the record is not complete, or has changed since it was read.
    """
    require(session.actor, Act.REVIEW_RECORD)
    key = check_lot_key(gtin, lot)
    async with context.store.write() as tx:
        standing = await standing_of(tx, key)
        if etag != standing.etag:
            raise ConflictError(
                f"{key} has changed since it was read", hint="read it again, then open its review"
            )
        happening = Happening(event=Event.OPEN_REVIEW, by=UserId(session.actor.name))
        after = step(standing.disposition, happening)
        await keep(tx, standing, after, None)
        entry = audit.Entry(
            who=session.actor.name,
            act=Event.OPEN_REVIEW.value,
            what=f"record {key}",
            before={"stage": standing.disposition.stage.value},
            after={"stage": after.stage.value, "version": standing.decided.summary.version},
            why=why,
        )
        await audit.record(tx, entry, context.clock)
        return await standing_of(tx, key)
