"""Use cases of access: give a token, exchange a login link for a session, end one."""

from __future__ import annotations

from typing import Final

from aggregator import audit
from aggregator.access import accounts, tokens
from aggregator.access.roles import Act, Actor, require
from aggregator.access.tokens import Token, TokenKind
from aggregator.errors import AccessError, ConflictError, NotFoundError
from aggregator.service.access.second_person import guard_access
from aggregator.service.context import Context
from aggregator.store.base import Transaction

CALLERS: Final = frozenset({TokenKind.SERVICE, TokenKind.SESSION, TokenKind.PERSON})
"""Kinds of token with which a call may be made."""


async def give(
    context: Context, actor: Actor, holder: Actor, kind: TokenKind, *, why: str
) -> tuple[Token, str]:
    """Make a token for ``holder``; return it and its text, which nobody can show again.

    Raises ConflictError for the name of a person's account: what a token does, no person did.
    """
    require(actor, Act.MANAGE_ACCESS)
    async with context.store.write() as tx:
        await guard_access(context, tx, "a token")
        return await make(context, tx, actor, holder, kind, why=why)


async def make(
    context: Context, tx: Transaction, actor: Actor, holder: Actor, kind: TokenKind, *, why: str
) -> tuple[Token, str]:
    """Make a token within a transaction, as ``give`` does."""
    if await accounts.find(tx, holder.name):
        raise ConflictError(
            f"{holder.name} is a person's user id", hint="give the token a name of its own"
        )
    token, text = await tokens.issue(tx, holder, kind, now=context.clock.now())
    await audit.record(tx, _entry(actor, token, "give a token", why), context.clock)
    return token, text


async def end(context: Context, actor: Actor, token_id: str, *, why: str) -> None:
    """End a token at once; NotFoundError if none of that id is in force."""
    require(actor, Act.MANAGE_ACCESS)
    now = context.clock.now()
    async with context.store.write() as tx:
        if not await tokens.end(tx, token_id, now=now):
            raise NotFoundError(f"there is no token {token_id} in force")
        entry = audit.Entry(
            who=actor.name, act="end a token", what=f"token {token_id}", after=None, why=why
        )
        await audit.record(tx, entry, context.clock)


async def list_services(context: Context, actor: Actor) -> list[Token]:
    """Return the tokens of services, newest first."""
    require(actor, Act.MANAGE_ACCESS)
    async with context.store.read() as tx:
        return await tokens.list_of_kind(tx, TokenKind.SERVICE)


async def who_is(context: Context, text: str) -> Actor:
    """Return who acts with this token; AccessError if it is not one that may make calls."""
    async with context.store.read() as tx:
        token = await tokens.authenticate(tx, text, CALLERS, now=context.clock.now())
    return token.actor


async def log_in(context: Context, link: str) -> str:
    """Exchange a login link for a session's token; a link serves once."""
    now = context.clock.now()
    async with context.store.write() as tx:
        token = await tokens.authenticate(tx, link, frozenset({TokenKind.LOGIN}), now=now)
        if not await tokens.end(tx, token.id, now=now):
            raise AccessError("the login link was used already", hint="ask for a new one")
        session, text = await tokens.issue(tx, token.actor, TokenKind.SESSION, now=now)
        entry = _entry(token.actor, session, "log in", "a login link was used")
        await audit.record(tx, entry, context.clock)
    return text


async def leave(context: Context, text: str) -> None:
    """End a browser's session, a person's or one that a link opened."""
    kinds, now = frozenset({TokenKind.SESSION, TokenKind.PERSON}), context.clock.now()
    async with context.store.write() as tx:
        session = await tokens.authenticate(tx, text, kinds, now=now)
        await tokens.end(tx, session.id, now=now)
        await audit.record(tx, _entry(session.actor, session, "log out", "as asked"), context.clock)


def _entry(actor: Actor, token: Token, act: str, why: str) -> audit.Entry:
    holder: list[audit.JsonValue] = [*sorted(token.actor.roles)]
    return audit.Entry(
        who=actor.name,
        act=act,
        what=f"token {token.id}",
        after={"kind": token.kind.value, "name": token.actor.name, "roles": holder},
        why=why,
    )
