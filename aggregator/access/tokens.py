"""Tokens: how a service, and for now a browser, says who it is.

A token reads ``lp_<id>_<secret>``: the id finds the row, the secret's SHA-256 is compared in
constant time. A secret is 256 random bits, so a fast hash is enough (no guessing is possible).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from aggregator.access.roles import Actor, ActorKind, Role
from aggregator.errors import AccessError, InvalidError
from aggregator.store.base import Row, Transaction
from protocols.wire.reading import SECOND, Nanoseconds


class TokenKind(StrEnum):
    """What a token is for."""

    SERVICE = "service"  # a machine that calls the API
    LOGIN = "login"  # a link that opens one session, once
    SESSION = "session"  # a browser that came by such a link
    PERSON = "person"  # a person who logged in with password and code


LIFETIMES: Final = {
    TokenKind.SERVICE: 90 * 86_400 * SECOND,
    TokenKind.LOGIN: 600 * SECOND,
    TokenKind.SESSION: 8 * 3_600 * SECOND,
    TokenKind.PERSON: 8 * 3_600 * SECOND,
}
_PREFIX: Final = "lp"
_HELD_BY: Final = {
    TokenKind.SERVICE: ActorKind.SERVICE,
    TokenKind.LOGIN: ActorKind.VISITOR,
    TokenKind.SESSION: ActorKind.VISITOR,
    TokenKind.PERSON: ActorKind.PERSON,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as it stands in the store, without its secret."""

    id: str
    kind: TokenKind
    actor: Actor
    created_at: Nanoseconds
    expires_at: Nanoseconds
    ended_at: Nanoseconds | None


async def issue(
    tx: Transaction, actor: Actor, kind: TokenKind, *, now: Nanoseconds
) -> tuple[Token, str]:
    """Make a token that acts as ``actor``; return it and its text, which is shown this once."""
    if not actor.name or not actor.roles:
        raise InvalidError("a token needs a name and a role", hint=f"roles: {', '.join(Role)}")
    secret = secrets.token_urlsafe(32)
    token = Token(
        id=secrets.token_hex(8),
        kind=kind,
        actor=replace(actor, kind=_HELD_BY[kind]),
        created_at=now,
        expires_at=now + LIFETIMES[kind],
        ended_at=None,
    )
    await tx.execute(
        "tokens.insert",
        id=token.id,
        name=actor.name,
        kind=kind.value,
        roles=json.dumps(sorted(actor.roles)),
        secret_hash=_hash(secret),
        created_at=token.created_at,
        expires_at=token.expires_at,
    )
    return token, f"{_PREFIX}_{token.id}_{secret}"


async def authenticate(
    tx: Transaction, text: str, kinds: frozenset[TokenKind], *, now: Nanoseconds
) -> Token:
    """Return the token that ``text`` is; AccessError if it is none, of another kind, or ended."""
    prefix, _, rest = text.partition("_")
    token_id, _, secret = rest.partition("_")
    row = await tx.fetch_one("tokens.by_id", id=token_id) if prefix == _PREFIX else None
    expected = row["secret_hash"] if row else bytes(32)
    # Compared even where there is no row, so that the time taken tells nothing about ids.
    matches = hmac.compare_digest(bytes(expected), _hash(secret))
    if row is None or not matches:
        raise AccessError("the token is not known", hint="ask an administrator for a new one")
    token = _token(row)
    if token.kind not in kinds:
        raise AccessError(f"a {token.kind} token does not serve here")
    if token.ended_at is not None or now >= token.expires_at:
        raise AccessError("the token has ended", hint="ask an administrator for a new one")
    return token


async def end(tx: Transaction, token_id: str, *, now: Nanoseconds) -> bool:
    """End a token; false if it had ended already or is not there."""
    return await tx.execute("tokens.end", id=token_id, ended_at=now) == 1


async def end_all(tx: Transaction, name: str, *, now: Nanoseconds) -> int:
    """End every token that acts as ``name`` and return how many had not ended."""
    return await tx.execute("tokens.end_of_name", name=name, ended_at=now)


async def is_name_used(tx: Transaction, name: str) -> bool:
    """Tell whether a token was ever given to ``name``."""
    return await tx.fetch_one("tokens.of_name", name=name) is not None


async def in_force(tx: Transaction, name: str, kind: TokenKind, *, now: Nanoseconds) -> list[Token]:
    """Return the tokens of a kind with which somebody acts now, newest first."""
    rows = await tx.fetch("tokens.in_force", name=name, kind=kind.value, now=now)
    return [_token(row) for row in rows]


async def list_of_kind(tx: Transaction, kind: TokenKind) -> list[Token]:
    """Return the tokens of a kind, newest first, the ended ones too."""
    return [_token(row) for row in await tx.fetch("tokens.of_kind", kind=kind.value)]


def _token(row: Row) -> Token:
    roles, kind = frozenset(map(Role, json.loads(row["roles"]))), TokenKind(row["kind"])
    return Token(
        id=row["id"],
        kind=kind,
        actor=Actor(name=row["name"], roles=roles, kind=_HELD_BY[kind]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        ended_at=row["ended_at"],
    )


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
