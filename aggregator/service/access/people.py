"""Use cases: lock and unlock an account, and give it other roles."""

from __future__ import annotations

import json
from typing import Final

from aggregator import audit
from aggregator.access import tokens
from aggregator.access.roles import Act, Actor, Role, require
from aggregator.errors import ConflictError, InvalidError
from aggregator.metrics import LOCKED
from aggregator.service.access.accounts import account_entry, present
from aggregator.service.access.second_person import guard_access
from aggregator.service.context import Context
from aggregator.store.base import Transaction
from protocols.wire.reading import Nanoseconds

FOR_GOOD: Final[Nanoseconds] = 2**63 - 1
"""Until when a lock lasts that a person put on: until another takes it off."""


async def lock(context: Context, actor: Actor, user: str, *, why: str) -> None:
    """Lock an account at once and end its sessions; one person is enough to stop somebody."""
    require(actor, Act.MANAGE_ACCESS)
    async with context.store.write() as tx:
        account = await present(tx, user)
        if account.locked_until == FOR_GOOD:
            raise ConflictError(f"{user} is locked already")
        await tx.execute(
            "accounts.proved",
            user_id=account.user,
            failures=account.failures,
            locked_until=FOR_GOOD,
            last_step=account.last_step,
        )
        await tokens.end_all(tx, account.user, now=context.clock.now())
        entry = account_entry(actor.name, "lock an account", account.user, why)
        await audit.record(tx, entry, context.clock)
    LOCKED.inc()


async def unlock(context: Context, actor: Actor, user: str, *, why: str) -> None:
    """Take a lock off an account, a person's or one that failures put on."""
    require(actor, Act.MANAGE_ACCESS)
    async with context.store.write() as tx:
        await guard_access(context, tx, "taking a lock off")
        await take_lock_off(context, tx, actor, user, why=why)


async def take_lock_off(
    context: Context, tx: Transaction, actor: Actor, user: str, *, why: str
) -> None:
    """Unlock an account within a transaction, as ``unlock`` does."""
    account = await present(tx, user)
    if not account.locked_until:
        raise ConflictError(f"{user} is not locked")
    await tx.execute(
        "accounts.proved",
        user_id=account.user,
        failures=0,
        locked_until=0,
        last_step=account.last_step,
    )
    entry = account_entry(actor.name, "unlock an account", account.user, why)
    await audit.record(tx, entry, context.clock)


async def set_roles(
    context: Context, actor: Actor, user: str, roles: frozenset[Role], *, why: str
) -> None:
    """Give an account other roles; its sessions end, for they carry the old ones."""
    require(actor, Act.MANAGE_ACCESS)
    async with context.store.write() as tx:
        await guard_access(context, tx, "a change of roles")
        await put_roles(context, tx, actor, user, roles, why=why)


async def put_roles(
    context: Context, tx: Transaction, actor: Actor, user: str, roles: frozenset[Role], *, why: str
) -> None:
    """Change roles within a transaction, as ``set_roles`` does."""
    if not roles:
        raise InvalidError("an account needs a role", hint=f"roles: {', '.join(Role)}")
    account = await present(tx, user)
    await tx.execute("accounts.set_roles", user_id=account.user, roles=json.dumps(sorted(roles)))
    await tokens.end_all(tx, account.user, now=context.clock.now())
    entry = account_entry(
        actor.name,
        "change roles",
        account.user,
        why,
        before={"roles": [*sorted(account.roles)]},
        after={"roles": [*sorted(roles)]},
    )
    await audit.record(tx, entry, context.clock)
