"""Use cases of accounts: make, reset and end one, prove who one is, log in and out.

What opens an account is tried outside any transaction, for it takes its time; what came of it is
written in one, so that a code serves once and a failure is never forgotten.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

import structlog

from aggregator import audit
from aggregator.access import accounts, passwords, second_factor, tokens
from aggregator.access.accounts import Account, PasswordState
from aggregator.access.roles import Act, Actor, Role, require
from aggregator.access.tokens import Token, TokenKind
from aggregator.errors import (
    AccessError,
    ConflictError,
    InvalidError,
    NotFoundError,
    PasswordIssuedError,
)
from aggregator.metrics import LOCKED
from aggregator.model.signature import Component
from aggregator.service.access.second_person import guard_access
from aggregator.service.context import Context
from aggregator.store.base import Transaction
from protocols.wire.reading import Nanoseconds

BOTH = (Component.PASSWORD, Component.CODE)


class Opens(StrEnum):
    """What a proof is for."""

    WORK = "work"  # a session, or a signature
    CHANGE = "change"  # the change of the password alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a person gives to show who they are."""

    password: str
    code: str = ""  # of the second factor


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new account, or one that was reset, with what nobody can show again."""

    account: Account
    password: str
    enrolment: str  # ``otpauth`` address of the second factor


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A new account as it is asked for."""

    user: str
    printed_name: str
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """What opens an account at its first login."""

    password: str
    kept: str  # its hash
    secret: bytes  # of the second factor


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A person who has logged in: the only one that can sign."""

    id: str
    actor: Actor


async def create(
    context: Context,
    actor: Actor,
    user: str,
    printed_name: str,
    roles: frozenset[Role],
    *,
    why: str,
) -> Issued:
    """Make an account and return what its first login takes.

    Raises ConflictError for a user id that anybody ever had, be it a person or a service.
    """
    require(actor, Act.MANAGE_ACCESS)
    fresh = await make_components()
    async with context.store.write() as tx:
        await guard_access(context, tx, "a new account")
        wanted = Wanted(user=user, printed_name=printed_name, roles=roles)
        return await add(context, tx, actor, wanted, fresh, why=why)


async def add(
    context: Context, tx: Transaction, actor: Actor, wanted: Wanted, fresh: Components, *, why: str
) -> Issued:
    """Make an account within a transaction, as ``create`` does."""
    name = accounts.check_user_id(wanted.user)
    printed, roles = accounts.check_printed_name(wanted.printed_name), wanted.roles
    if not roles:
        raise InvalidError("an account needs a role", hint=f"roles: {', '.join(Role)}")
    if await accounts.find(tx, name) or await tokens.is_name_used(tx, name):
        raise ConflictError(
            f"the user id {name} was given before, and is never given again",
            hint="take another one",
        )
    await tx.execute(
        "accounts.add",
        user_id=name,
        printed_name=printed,
        roles=json.dumps(sorted(roles)),
        password_hash=fresh.kept,
        password_state=PasswordState.ISSUED.value,
        second_factor=second_factor.wrap(fresh.secret, context.keys.access, name),
        created_at=context.clock.now(),
    )
    after: audit.JsonValue = {"printed_name": printed, "roles": [*sorted(roles)]}
    entry = account_entry(actor.name, "create an account", name, why, after=after)
    await audit.record(tx, entry, context.clock)
    return _issued(context, await present(tx, name), fresh)


async def reset(context: Context, actor: Actor, user: str, *, why: str) -> Issued:
    """Give an account a new password and second factor, lift its lock and end its sessions."""
    require(actor, Act.MANAGE_ACCESS)
    fresh = await make_components()
    async with context.store.write() as tx:
        await guard_access(context, tx, "what opens an account")
        return await renew(context, tx, actor, user, fresh, why=why)


async def renew(
    context: Context, tx: Transaction, actor: Actor, user: str, fresh: Components, *, why: str
) -> Issued:
    """Reset an account within a transaction, as ``reset`` does."""
    account = await present(tx, user)
    await tx.execute(
        "accounts.reset",
        user_id=account.user,
        password_hash=fresh.kept,
        password_state=PasswordState.ISSUED.value,
        second_factor=second_factor.wrap(fresh.secret, context.keys.access, account.user),
    )
    await tokens.end_all(tx, account.user, now=context.clock.now())
    entry = account_entry(actor.name, "reset an account", account.user, why)
    await audit.record(tx, entry, context.clock)
    return _issued(context, await present(tx, user), fresh)


async def disable(context: Context, actor: Actor, user: str, *, why: str) -> None:
    """End an account for good, with every session of it; what it signed stays signed."""
    require(actor, Act.MANAGE_ACCESS)
    async with context.store.write() as tx:
        await guard_access(context, tx, "the end of an account")
        await end(context, tx, actor, user, why=why)


async def end(context: Context, tx: Transaction, actor: Actor, user: str, *, why: str) -> None:
    """End an account within a transaction, as ``disable`` does."""
    now = context.clock.now()
    account = await present(tx, user)
    await tx.execute("accounts.end", user_id=account.user, ended_at=now)
    await tokens.end_all(tx, account.user, now=now)
    entry = account_entry(actor.name, "end an account", account.user, why)
    await audit.record(tx, entry, context.clock)


async def make_components() -> Components:
    """Make a password and a second factor; outside any transaction, for it takes its time."""
    password = passwords.make_password()
    kept = await passwords.hash_password(password)
    return Components(password=password, kept=kept, secret=second_factor.make_secret())


async def every(context: Context, actor: Actor) -> list[Account]:
    """Return all accounts by user id, the ended ones too."""
    require(actor, Act.MANAGE_ACCESS)
    async with context.store.read() as tx:
        return await accounts.every(tx)


async def log_in(context: Context, user: str, proof: Proof) -> tuple[Token, str]:
    """Open a session of a person and return it with its text.

    Raises AccessError where user, password or code is not right or the account is locked, and
    PasswordIssuedError where the password must be changed first; the code then still serves.
    """
    account = await prove(context, user, proof, BOTH)
    async with context.store.write() as tx:
        session, text = await tokens.issue(
            tx, account.actor, TokenKind.PERSON, now=context.clock.now()
        )
        why = "password and code were right"
        after: audit.JsonValue = {"session": session.id}
        await audit.record(
            tx, account_entry(account.user, "log in", account.user, why, after=after), context.clock
        )
    return session, text


async def log_out(context: Context, session: Session) -> None:
    """End a person's session."""
    async with context.store.write() as tx:
        if await tokens.end(tx, session.id, now=context.clock.now()):
            name, before = session.actor.name, {"session": session.id}
            await audit.record(
                tx,
                account_entry(name, "log out", name, "as asked", before={**before}),
                context.clock,
            )


async def change_password(context: Context, user: str, proof: Proof, fresh: str) -> None:
    """Put a password of the person's own choice in the place of the present one.

    Every session of the account ends. Raises as ``log_in`` does, and InvalidError for a password
    that is too easily guessed, or is the one that it replaces.
    """
    passwords.check_password(fresh, user)
    if fresh == proof.password:
        raise InvalidError("the new password is the old one", hint="take another")
    account = await prove(context, user, proof, BOTH, opens=Opens.CHANGE)
    kept = await passwords.hash_password(fresh)
    async with context.store.write() as tx:
        await tx.execute(
            "accounts.set_password",
            user_id=account.user,
            password_hash=kept,
            password_state=PasswordState.OWN.value,
        )
        await tokens.end_all(tx, account.user, now=context.clock.now())
        why = "chosen by the person"
        await audit.record(
            tx, account_entry(account.user, "change a password", account.user, why), context.clock
        )


async def prove(
    context: Context,
    user: str,
    proof: Proof,
    components: tuple[Component, ...],
    *,
    opens: Opens = Opens.WORK,
) -> Account:
    """Return the account that ``proof`` opens by all of ``components``.

    A code serves once. Failures in a row lock the account for longer and longer, which is told to
    the audit trail and raised (21 CFR 11.300(d)). Raises AccessError, the same whatever was wrong.
    """
    async with context.store.read() as tx:
        found = await accounts.find(tx, user)
    right = await passwords.matches(None if found is None else found.password_hash, proof.password)
    issued, step = False, None
    async with context.store.write() as tx:
        account, now = await accounts.find(tx, user), context.clock.now()
        if account is not None and _is_open(account, found, now):
            step = _step(context, account, proof, components, now) if right else None
            if step is None:
                await _failed(context, tx, account, now)
            else:
                issued = account.password_state is PasswordState.ISSUED and opens is Opens.WORK
                await tx.execute(
                    "accounts.proved",
                    user_id=account.user,
                    failures=0,
                    locked_until=0,
                    last_step=account.last_step if issued else step,
                )
    if account is None or step is None:
        raise AccessError(
            "user, password or code is not right, or the account is locked",
            hint="a code serves once: wait for the next; an administrator can reset the account",
        )
    if issued:
        raise PasswordIssuedError(
            "choose a password of your own first",
            hint="change it with the same user, password and code",
        )
    return account


async def session_of(context: Context, text: str) -> Session:
    """Return the person's session that a token's text opens; AccessError if it opens none."""
    kinds = frozenset({TokenKind.PERSON})
    async with context.store.read() as tx:
        token = await tokens.authenticate(tx, text, kinds, now=context.clock.now())
    return Session(id=token.id, actor=token.actor)


def _is_open(account: Account, tried: Account | None, now: Nanoseconds) -> bool:
    """Tell whether an account may be opened; another password, a lock or an end bars it."""
    return (
        tried is not None
        and account.password_hash == tried.password_hash
        and account.ended_at is None
        and account.locked_until <= now
    )


def _step(
    context: Context,
    account: Account,
    proof: Proof,
    components: tuple[Component, ...],
    now: Nanoseconds,
) -> int | None:
    """Return the last step that has served once this proof has; None where the code is wrong."""
    if Component.CODE not in components:
        return account.last_step
    secret = second_factor.unwrap(account.second_factor, context.keys.access, account.user)
    return second_factor.step_of(secret, proof.code, now=now, last=account.last_step)


async def _failed(context: Context, tx: Transaction, account: Account, now: Nanoseconds) -> None:
    failures = account.failures + 1
    until = accounts.locked_until(failures, now, context.settings.access)
    await tx.execute(
        "accounts.proved",
        user_id=account.user,
        failures=failures,
        locked_until=until,
        last_step=account.last_step,
    )
    if until:
        why = f"{failures} failures in a row"
        after: audit.JsonValue = {"until": until}
        await audit.record(
            tx,
            account_entry("system", "lock an account", account.user, why, after=after),
            context.clock,
        )
        LOCKED.inc()
        _log.warning("an account was locked", user=account.user, failures=failures)


async def present(tx: Transaction, user: str) -> Account:
    """Return the account of a user id; NotFoundError where it has ended, or never was."""
    account = await accounts.find(tx, user)
    if account is None or account.ended_at is not None:
        raise NotFoundError(f"there is no account {user[:70]!r}, or it has ended")
    return account


def account_entry(
    who: str,
    act: str,
    user: str,
    why: str,
    *,
    before: audit.JsonValue = None,
    after: audit.JsonValue = None,
) -> audit.Entry:
    """Return what the audit trail is told of an account."""
    return audit.Entry(
        who=who, act=act, what=f"account {user}", before=before, after=after, why=why
    )


def _issued(context: Context, account: Account, fresh: Components) -> Issued:
    return Issued(
        account=account,
        password=fresh.password,
        enrolment=enrolment_of(context, account.user, fresh.secret),
    )


def enrolment_of(context: Context, user: str, secret: bytes) -> str:
    """Return the address by which an authenticator takes a second factor up."""
    issuer = f"Lotproof {context.settings.log.origin.partition('/')[0]}"
    return second_factor.enrolment_address(secret, user, issuer)


_log = structlog.get_logger()
