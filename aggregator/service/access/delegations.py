"""Use cases: name who decides in one's place for a time, so that no one person blocks the line."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from aggregator import audit
from aggregator.access import accounts
from aggregator.access.roles import Act, Actor, allows, require
from aggregator.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from aggregator.model.disposition import UserId
from aggregator.service.access.accounts import Session
from aggregator.service.context import Context
from aggregator.store.base import Row
from protocols.wire.reading import SECOND, Nanoseconds

DELEGATION_SECONDS_MAX: Final = 92 * 86_400
"""A delegation ends by itself; a longer absence is a change of roles."""

DELEGATED: Final = (
    Act.DECIDE_LOT,
    Act.APPROVE_MASTER,
    Act.APPROVE_EXPORT,
    Act.APPROVE_ACCESS,
)
"""Second halves of what takes two persons: whoever has one of them may name a delegate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """A person acts for another, for a time."""

    id: str
    principal: UserId
    delegate: UserId
    start: Nanoseconds
    end: Nanoseconds
    ended_at: Nanoseconds | None


async def delegate(
    context: Context, session: Session, user: str, start: Nanoseconds, end: Nanoseconds, *, why: str
) -> Delegation:
    """Name who may do in one's place what a person decides, for a time.

    What two persons must do stays with two persons: the delegate acts in their own name. Raises
    NotFoundError for a delegate without an account.
    """
    _require_principal(session.actor)
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
    _require_principal(session.actor)
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
    require(actor, Act.READ_AUDIT)
    async with context.store.read() as tx:
        return [_delegation(row) for row in await tx.fetch("delegations.every")]


def _require_principal(actor: Actor) -> None:
    if not any(allows(actor, act) for act in DELEGATED):
        acts = ", ".join(act.value.replace("_", " ") for act in DELEGATED)
        raise DeniedError(
            f"{actor.name} decides nothing that a delegate could decide",
            hint=f"a delegate is named by who may {acts}",
        )


def _delegation(row: Row) -> Delegation:
    return Delegation(
        id=row["id"],
        principal=UserId(row["principal"]),
        delegate=UserId(row["delegate"]),
        start=row["start_time"],
        end=row["end_time"],
        ended_at=row["ended_at"],
    )
