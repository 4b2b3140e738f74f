"""Use cases: see to what came from other systems and does not fit.

A person corrects an item and has it taken, or dismisses it with a reason; what came stays as it was
beside what was taken in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from aggregator import audit
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError, NotFoundError
from aggregator.service.context import Context
from aggregator.service.integration.imports import FITS_NOT, attempt, channel_named
from aggregator.service.integration.items import ACT_OF, Changes, Outcome
from aggregator.store.base import Param, Row, Transaction
from protocols.wire.reading import Nanoseconds


class MisfitState(StrEnum):
    """How far a misfit is."""

    WAITING = "waiting"  # a person is to see to it
    TAKEN = "taken"  # corrected by a person, or it came again and fitted
    DISMISSED = "dismissed"  # a person decided that it is not to be taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """An item that did not fit, as it came."""

    id: str
    interface: str
    state: MisfitState
    document: str  # as received
    error: str
    hint: str
    sender: str
    first_time: Nanoseconds
    last_time: Nanoseconds
    seen: int  # times that it came
    corrected: str | None  # what was taken in its place
    closed_time: Nanoseconds | None
    closed_by: str | None
    why: str | None


async def page(
    context: Context, actor: Actor, state: MisfitState, *, after: str, count: int
) -> list[Misfit]:
    """Return up to ``count`` misfits in a state whose id follows ``after``."""
    require(actor, Act.CORRECT_IMPORTS)
    async with context.store.read() as tx:
        rows = await tx.fetch("misfits.page", state=state.value, after=after, count=count)
    return [_misfit(row) for row in rows]


async def get(context: Context, actor: Actor, misfit_id: str) -> Misfit:
    """Return a misfit; NotFoundError if there is none."""
    require(actor, Act.CORRECT_IMPORTS)
    async with context.store.read() as tx:
        return await _one(tx, misfit_id)


async def submit(
    context: Context,
    actor: Actor,
    misfit_id: str,
    document: str | None,
    *,
    changes: Changes | None,
    why: str,
) -> tuple[Misfit, Outcome]:
    """Take a misfit as it is, or ``document`` in its place; return both as they are then.

    The actor needs the right to what the item changes too. Raises what is still wrong with it, and
    keeps that; ConflictError for a misfit that has been seen to.
    """
    require(actor, Act.CORRECT_IMPORTS)
    async with context.store.read() as tx:
        found = await _waiting(tx, misfit_id)
    channel = await channel_named(context, found.interface)
    require(actor, ACT_OF[channel.interface])
    raw = found.document if document is None else document
    try:
        outcome = await attempt(context, actor, channel, raw, channel.terms(changes, why))
    except FITS_NOT as error:
        async with context.store.write() as tx:
            await tx.execute("misfits.still_wrong", id=misfit_id, error=str(error), hint=error.hint)
        raise
    closed = await _close(context, actor, misfit_id, MisfitState.TAKEN, document, why=why)
    return closed, outcome


async def dismiss(context: Context, actor: Actor, misfit_id: str, *, why: str) -> Misfit:
    """Decide that a misfit is not to be taken; ConflictError for one that has been seen to."""
    require(actor, Act.CORRECT_IMPORTS)
    return await _close(context, actor, misfit_id, MisfitState.DISMISSED, None, why=why)


async def _close(
    context: Context,
    actor: Actor,
    misfit_id: str,
    state: MisfitState,
    corrected: str | None,
    *,
    why: str,
) -> Misfit:
    async with context.store.write() as tx:
        before = await _waiting(tx, misfit_id)
        closed: dict[str, Param] = {"state": state.value, "corrected": corrected}
        await tx.execute(
            "misfits.close",
            id=misfit_id,
            closed_time=context.clock.now(),
            closed_by=actor.name,
            why=why,
            **closed,
        )
        entry = audit.Entry(
            who=actor.name,
            act="dismiss a misfit" if state is MisfitState.DISMISSED else "take a misfit",
            what=f"misfit {misfit_id}",
            before={"document": before.document, "error": before.error},
            after={"state": state.value, "document": corrected},
            why=why,
        )
        await audit.record(tx, entry, context.clock)
        return await _one(tx, misfit_id)


async def _waiting(tx: Transaction, misfit_id: str) -> Misfit:
    found = await _one(tx, misfit_id)
    if found.state is not MisfitState.WAITING:
        raise ConflictError(f"the misfit {misfit_id} was {found.state} by {found.closed_by}")
    return found


async def _one(tx: Transaction, misfit_id: str) -> Misfit:
    row = await tx.fetch_one("misfits.one", id=misfit_id)
    if row is None:
        raise NotFoundError(f"there is no misfit {misfit_id}")
    return _misfit(row)


def _misfit(row: Row) -> Misfit:
    return Misfit(
        id=row["id"],
        interface=row["interface"],
        state=MisfitState(row["state"]),
        document=row["document"],
        error=row["error"],
        hint=row["hint"],
        sender=row["sender"],
        first_time=row["first_time"],
        last_time=row["last_time"],
        seen=row["seen"],
        corrected=row["corrected"],
        closed_time=row["closed_time"],
        closed_by=row["closed_by"],
        why=row["why"],
    )
