"""The second factor: a time-based code of six digits, each of which serves once (RFC 6238).

The secret is kept wrapped under the aggregator's own key (AES-256-GCM), so that a copy of the store
gives nobody a second factor.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final
from urllib.parse import quote, urlencode

from aggregator.access import wrapping
from protocols.wire.reading import SECOND, Nanoseconds

STEP_SECONDS: Final = 30
DIGITS: Final = 6
STEPS_ASIDE: Final = 1
"""Steps before and after the present one that are taken too: phones are some seconds wrong."""


def make_secret() -> bytes:
    """Return 160 random bits (RFC 4226 section 4, requirement 6)."""
    return secrets.token_bytes(20)


def code_at(secret: bytes, step: int) -> str:
    """Return the code of a step: HOTP with SHA-1 (RFC 4226 section 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_at(now: Nanoseconds) -> int:
    """Return the step that a time falls into."""
    return now // (STEP_SECONDS * SECOND)


def step_of(secret: bytes, code: str, *, now: Nanoseconds, last: int) -> int | None:
    """Return the step that ``code`` is of; None where it is of none that is after ``last``."""
    here = step_at(now)
    given = code.replace(" ", "").encode()
    for step in range(here - STEPS_ASIDE, here + STEPS_ASIDE + 1):
        # Each is compared, in constant time: how long it took tells nothing.
        if hmac.compare_digest(code_at(secret, step).encode(), given) and step > last:
            return step
    return None


def enrolment_address(secret: bytes, user: str, issuer: str) -> str:
    """Return the ``otpauth`` address that an authenticator reads, often as a QR code."""
    text = base64.b32encode(secret).decode().rstrip("=")
    return f"otpauth://totp/{quote(f'{issuer}:{user}')}?" + urlencode(
        {"secret": text, "issuer": issuer, "digits": DIGITS, "period": STEP_SECONDS}
    )


def wrap(secret: bytes, key: bytes, user: str) -> bytes:
    """Return ``secret`` encrypted for the store; it serves this user id alone."""
    return wrapping.wrap(secret, key, user)


def unwrap(wrapped: bytes, key: bytes, user: str) -> bytes:
    """Return the secret; EvidenceError where it was wrapped by another key or for another user."""
    return wrapping.unwrap(wrapped, key, user)
