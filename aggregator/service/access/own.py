"""Use cases of one's own account: see and end one's sessions, take another authenticator."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from aggregator import audit
from aggregator.access import second_factor, tokens
from aggregator.access.accounts import Account
from aggregator.access.tokens import Token, TokenKind
from aggregator.errors import EvidenceError, InvalidError, NotFoundError
from aggregator.service.access.accounts import (
    BOTH,
    Proof,
    Session,
    account_entry,
    enrolment_of,
    present,
    prove,
)
from aggregator.service.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A new second factor, not in force yet."""

    sealed: str  # comes back with its first code; nobody but this aggregator can read it
    enrolment: str  # ``otpauth`` address


async def account(context: Context, session: Session) -> Account:
    """Return one's own account."""
    async with context.store.read() as tx:
        return await present(tx, session.actor.name)


async def sessions(context: Context, session: Session) -> list[Token]:
    """Return one's own sessions that have not ended, newest first."""
    async with context.store.read() as tx:
        return await tokens.in_force(
            tx, session.actor.name, TokenKind.PERSON, now=context.clock.now()
        )


async def end_session(context: Context, session: Session, other: str, *, why: str) -> None:
    """End a session of one's own; NotFoundError if none of that id is in force."""
    name, now = session.actor.name, context.clock.now()
    async with context.store.write() as tx:
        own = await tokens.in_force(tx, name, TokenKind.PERSON, now=now)
        if other not in {each.id for each in own}:
            raise NotFoundError(f"you have no session {other[:40]!r}")
        await tokens.end(tx, other, now=now)
        before: audit.JsonValue = {"session": other}
        entry = account_entry(name, "log out", name, why, before=before)
        await audit.record(tx, entry, context.clock)


def offer_second_factor(context: Context, session: Session) -> Offer:
    """Make a second factor for an authenticator to take up; the old one stays in force."""
    user, secret = session.actor.name, second_factor.make_secret()
    sealed = second_factor.wrap(secret, context.keys.access, _offered(user))
    return Offer(
        sealed=base64.urlsafe_b64encode(sealed).decode(),
        enrolment=enrolment_of(context, user, secret),
    )


async def replace_second_factor(
    context: Context, session: Session, proof: Proof, sealed: str, code: str
) -> None:
    """Put an offered second factor in force, shown to work by its first ``code``.

    Takes the password and a code of the old one; every session of the account ends. Raises
    InvalidError where the offer or its code is not right, AccessError where the proof is not.
    """
    user = session.actor.name
    try:
        wrapped = base64.urlsafe_b64decode(sealed)
        secret = second_factor.unwrap(wrapped, context.keys.access, _offered(user))
    except (EvidenceError, binascii.Error, ValueError):
        raise InvalidError("that second factor was not offered to you", hint="begin anew") from None
    now = context.clock.now()
    step = second_factor.step_of(secret, code, now=now, last=-1)
    if step is None:
        raise InvalidError(
            "the code of the new authenticator is not right", hint="wait for its next code"
        )
    await prove(context, user, proof, BOTH)
    async with context.store.write() as tx:
        await tx.execute(
            "accounts.set_second_factor",
            user_id=user,
            second_factor=second_factor.wrap(secret, context.keys.access, user),
            last_step=step,
        )
        await tokens.end_all(tx, user, now=now)
        why = "chosen by the person"
        entry = account_entry(user, "replace a second factor", user, why)
        await audit.record(tx, entry, context.clock)


def _offered(user: str) -> str:
    """Return whom an offer is wrapped for: it must not serve as the second factor itself."""
    return f"{user} offered"
