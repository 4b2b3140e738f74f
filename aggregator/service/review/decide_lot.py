"""Use cases: see what keeps a lot from its release, and name who releases in one's absence."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aggregator import audit
from aggregator.access import accounts
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError, InvalidError, NotFoundError
from aggregator.model.disposition import (
    Disposition,
    Event,
    Happening,
    Hindrance,
    UserId,
    hindrances,
    sentence,
)
from aggregator.model.master.lot import check_lot_key
from aggregator.model.record.batch_record import content_hash
from aggregator.service.access.accounts import Session
from aggregator.service.assemble_record import assemble_now
from aggregator.service.context import Context
from aggregator.service.review.inputs import stopped_inputs
from aggregator.service.review.standing import standing_of
from aggregator.store.base import Row
from protocols.wire.reading import SECOND, Nanoseconds

DELEGATION_SECONDS_MAX: Final = 92 * 86_400
"""A delegation ends by itself; a longer absence is a change of roles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """One thing that keeps a lot from its release."""

    what: str  # a Hindrance's value, ``input_stopped`` or ``late_data``
    text: str
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """A person acts for another, for a time."""

    id: str
    principal: UserId
    delegate: UserId
    start: Nanoseconds
    end: Nanoseconds
    ended_at: Nanoseconds | None


async def if_released(context: Context, actor: Actor, gtin: str, lot: str) -> tuple[Missing, ...]:
    """Return all that keeps a lot from being released by ``actor`` at this moment; keep nothing."""
    require(actor, Act.READ_RECORDS)
    key = check_lot_key(gtin, lot)
    async with context.store.read() as tx:
        standing = await standing_of(tx, key)
    disposition = standing.disposition
    happening = Happening(event=Event.RELEASE, by=UserId(actor.name))
    found = [
        Missing(what=each.value, text=sentence(each), subjects=_subjects(each, disposition))
        for each in hindrances(disposition, happening)
    ]
    stopped = await stopped_inputs(context, key)
    if stopped:
        text = "a lot that went into it is held or rejected"
        subjects = tuple(map(str, stopped))
        found.append(Missing(what="input_stopped", text=text, subjects=subjects))
    made = await assemble_now(context, key)
    if content_hash(made.data) != standing.newest.summary.content_hash:
        text = "data or facts have come since the newest version: assemble the record again"
        found.append(Missing(what="late_data", text=text))
    return tuple(found)


async def delegate(
    context: Context, session: Session, user: str, start: Nanoseconds, end: Nanoseconds, *, why: str
) -> Delegation:
    """Name who may release, reject and sign addenda in one's place for a time.

    What two persons must do stays with two persons: the delegate acts in their own name. Raises
    NotFoundError for a delegate without an account.
    """
    require(session.actor, Act.DECIDE_LOT)
    if not 0 <= start < end <= start + DELEGATION_SECONDS_MAX * SECOND:
        raise InvalidError("a delegation ends after it starts, and lasts 92 days at most")
    if user == session.actor.name:
        raise ConflictError("nobody is their own delegate", hint="name another person")
    given = Delegation(
        id=secrets.token_hex(8),
        principal=UserId(session.actor.name),
        delegate=UserId(user),
        start=start,
        end=end,
        ended_at=None,
    )
    async with context.store.write() as tx:
        account = await accounts.find(tx, user)
        if account is None or account.ended_at is not None:
            raise NotFoundError(f"there is no account {user[:70]!r}, or it has ended")
        await tx.execute(
            "delegations.add",
            id=given.id,
            principal=given.principal,
            delegate=given.delegate,
            start_time=start,
            end_time=end,
            created_at=context.clock.now(),
        )
        entry = audit.Entry(
            who=session.actor.name,
            act="delegate",
            what=f"account {user}",
            after={"delegation": given.id, "start": start, "end": end},
            why=why,
        )
        await audit.record(tx, entry, context.clock)
    return given


async def end_delegation(context: Context, session: Session, delegation: str, *, why: str) -> None:
    """End a delegation that one gave oneself; NotFoundError if none of that id is in force."""
    require(session.actor, Act.DECIDE_LOT)
    async with context.store.write() as tx:
        ended = await tx.execute(
            "delegations.end",
            id=delegation,
            principal=session.actor.name,
            ended_at=context.clock.now(),
        )
        if not ended:
            raise NotFoundError(f"you gave no delegation {delegation[:40]!r} that is in force")
        entry = audit.Entry(
            who=session.actor.name,
            act="end a delegation",
            what=f"delegation {delegation}",
            why=why,
        )
        await audit.record(tx, entry, context.clock)


async def delegations(context: Context, actor: Actor) -> list[Delegation]:
    """Return every delegation, newest first, the ended ones too."""
    require(actor, Act.READ_RECORDS)
    async with context.store.read() as tx:
        return [_delegation(row) for row in await tx.fetch("delegations.every")]


def _delegation(row: Row) -> Delegation:
    return Delegation(
        id=row["id"],
        principal=UserId(row["principal"]),
        delegate=UserId(row["delegate"]),
        start=row["start_time"],
        end=row["end_time"],
        ended_at=row["ended_at"],
    )


def _subjects(hindrance: Hindrance, disposition: Disposition) -> tuple[str, ...]:
    found = _SUBJECTS.get(hindrance)
    return () if found is None else found(disposition)


_SUBJECTS: Final[Mapping[Hindrance, Callable[[Disposition], tuple[str, ...]]]] = {
    Hindrance.UNDECIDED: lambda lot: tuple(sorted(lot.undecided)),
    Hindrance.REFUSED_EXCEPTION: lambda lot: tuple(sorted(lot.refused)),
    Hindrance.UNCHECKED: lambda lot: tuple(sorted(lot.unchecked)),
}
