"""Passwords: kept as argon2id hashes, checked off the loop, two at a time.

A check costs 0.1 s and 64 MiB on purpose (RFC 9106 section 4, second choice). Where there is no
account a hash of nothing is checked, so that the time taken tells nothing about user ids.
"""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from aggregator.errors import InvalidError

CHARACTERS_MIN: Final = 12
CHARACTERS_MAX: Final = 128
"""Length is what counts (NIST SP 800-63B section 5.1.1.2); the greatest bounds the work."""


async def hash_password(password: str) -> str:
    """Return the hash to keep, with its salt and its figures."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_POOL, _HASHER.hash, password)


async def matches(kept: str | None, password: str) -> bool:
    """Tell whether ``password`` is the one whose hash is kept; None takes as long and is false."""
    if len(password) > CHARACTERS_MAX:
        return False
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_POOL, _matches, kept, password)


def check_password(password: str, user: str) -> None:
    """Raise InvalidError for a password that is too easily guessed, or too long."""
    if not CHARACTERS_MIN <= len(password) <= CHARACTERS_MAX:
        raise InvalidError(
            f"a password has {CHARACTERS_MIN} to {CHARACTERS_MAX} characters",
            hint="a sentence that only you would write is a good one",
        )
    if user in password.lower() or len(set(password)) < 6:
        raise InvalidError(
            "the password is too easily guessed",
            hint="leave your user id out of it, and repeat less",
        )


def make_password() -> str:
    """Return a password for one first login: 80 random bits in four groups."""
    return "-".join(secrets.token_hex(3)[:5] for _ in range(4))


_HASHER: Final = PasswordHasher()
_POOL: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="passwords")


def _matches(kept: str | None, password: str) -> bool:
    try:
        _HASHER.verify(_nobody() if kept is None else kept, password)
    except (Argon2Error, InvalidHashError):
        return False
    return kept is not None


@cache
def _nobody() -> str:
    return _HASHER.hash(secrets.token_hex(16))
