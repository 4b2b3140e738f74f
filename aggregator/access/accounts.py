"""Personal accounts as the store has them: who a person is, and what proves it.

A user id is never used again, not even for the same person (21 CFR 11.100(a)); an account that has
ended stays, and so do the signatures that name it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aggregator.access.roles import Actor, ActorKind, Role
from aggregator.errors import InvalidError
from aggregator.model.disposition import UserId
from aggregator.settings import AccessSettings
from aggregator.store.base import Row, Transaction
from protocols.wire.reading import SECOND, Nanoseconds


class PasswordState(StrEnum):
    """Whose password it is."""

    ISSUED = "issued"  # an administrator knows it: it opens nothing but its own change
    OWN = "own"  # chosen by the person


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One person's account."""

    user: UserId
    printed_name: str
    roles: frozenset[Role]
    password_hash: str
    password_state: PasswordState
    second_factor: bytes  # wrapped
    last_step: int  # of the last code that served; -1 before the first
    failures: int  # in a row
    locked_until: Nanoseconds  # 0 where it is not
    created_at: Nanoseconds
    ended_at: Nanoseconds | None

    @property
    def actor(self) -> Actor:
        """The person as an actor."""
        return Actor(name=self.user, roles=self.roles, kind=ActorKind.PERSON)


def check_user_id(text: str) -> UserId:
    """Return the user id that ``text`` is, else raise InvalidError."""
    if not _USER_ID.fullmatch(text):
        raise InvalidError(
            f"{text[:70]!r} is not a user id",
            hint="2 to 64 lower-case letters, digits, dots, dashes or underscores, like li.wei",
        )
    return UserId(text)


def check_printed_name(text: str) -> str:
    """Return the name as it stands on paper, else raise InvalidError."""
    name = " ".join(text.split())
    if not 2 <= len(name) <= 100 or not name.isprintable():
        raise InvalidError("a printed name has 2 to 100 characters", hint="as on an identity card")
    return name


def locked_until(failures: int, now: Nanoseconds, settings: AccessSettings) -> Nanoseconds:
    """Return until when ``failures`` in a row lock an account; 0 where they do not.

    The delay doubles with every further failure, up to the greatest.
    """
    beyond = failures - settings.failures_max
    if beyond < 0:
        return 0
    seconds = min(settings.lock_seconds << min(beyond, 32), settings.lock_seconds_max)
    return now + seconds * SECOND


async def find(tx: Transaction, user: str) -> Account | None:
    """Return the account of a user id, ended or not."""
    row = await tx.fetch_one("accounts.by_user", user_id=user)
    return None if row is None else account_of(row)


async def every(tx: Transaction) -> list[Account]:
    """Return all accounts by user id."""
    return [account_of(row) for row in await tx.fetch("accounts.every")]


def account_of(row: Row) -> Account:
    """Return the account that a row holds."""
    return Account(
        user=UserId(row["user_id"]),
        printed_name=row["printed_name"],
        roles=frozenset(Role(role) for role in json.loads(row["roles"])),
        password_hash=row["password_hash"],
        password_state=PasswordState(row["password_state"]),
        second_factor=bytes(row["second_factor"]),
        last_step=row["last_step"],
        failures=row["failures"],
        locked_until=row["locked_until"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
    )


_USER_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")
