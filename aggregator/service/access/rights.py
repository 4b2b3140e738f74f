"""Who may do what: in one's own right, or as the delegate of somebody who may."""

from __future__ import annotations

from aggregator.access import accounts
from aggregator.access.roles import Act, Actor, allows, require
from aggregator.errors import ConflictError
from aggregator.model.disposition import UserId
from aggregator.service.context import Context
from aggregator.store.base import Transaction


async def acts_of(context: Context, actor: Actor) -> frozenset[Act]:
    """Return what ``actor`` may do now: by their own roles, or in the place of somebody else."""
    async with context.store.read() as tx:
        rows = await tx.fetch(
            "delegations.principals", delegate=actor.name, now=context.clock.now()
        )
        found = [await accounts.find(tx, row["principal"]) for row in rows]
    able = [actor, *(each.actor for each in found if each and each.ended_at is None)]
    return frozenset(act for act in Act if any(allows(each, act) for each in able))


async def right(
    context: Context, tx: Transaction, actor: Actor, act: Act, *, apart_from: UserId | None = None
) -> UserId | None:
    """Return in whose place ``actor`` may do ``act``; None where the right is their own.

    ``apart_from`` did the first half of what takes two persons: a right that comes from them alone
    is a ConflictError, for both would be that one person's choice. Raises DeniedError where there
    is no right at all.
    """
    if allows(actor, act):
        return None
    rows = await tx.fetch("delegations.principals", delegate=actor.name, now=context.clock.now())
    found = [await accounts.find(tx, row["principal"]) for row in rows]
    able = [
        each.user for each in found if each and each.ended_at is None and allows(each.actor, act)
    ]
    if not able:
        require(actor, act)
    apart = [user for user in able if user != apart_from]
    if not apart:
        raise ConflictError(
            f"it takes another person: {actor.name} stands for {apart_from}, who did the first "
            "half of it",
            hint="let a person do it whose right does not come from them",
        )
    return apart[0]
