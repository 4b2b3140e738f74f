"""Errors of the wire: each says what is wrong and what a person can do.

    WireError
    ├── MalformedError      not the format at all, or not its only allowed form
    ├── LimitError          over a bound of limits.py
    ├── SealError           the seal does not open under the key
    │   ├── UnknownKeyError no key of that kid is known
    │   └── RevokedKeyError the key was revoked before this bundle
    ├── HashError           content does not match the hash that the seal vouches for
    ├── ChainError          a bundle does not follow from what is stored
    ├── IdentityError       gateway, topic and key do not agree
    └── ProofError          an inclusion, consistency or checkpoint proof does not hold

Every one of them is *Quarantine*: what came is kept, marked and counted, never retried.
"""

from __future__ import annotations


class WireError(Exception):
    """Root; ``hint`` tells a person what to do, ``reason`` is the stable word for counters."""

    reason = "wire"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class MalformedError(WireError):
    """Not the format, or not its one allowed form."""

    reason = "malformed"


class LimitError(WireError):
    """Over a bound of ``protocols.wire.limits``."""

    reason = "limit"


class SealError(WireError):
    """The seal does not open under the key."""

    reason = "seal"


class UnknownKeyError(SealError):
    """No key of that kid is known for the gateway."""

    reason = "unknown_key"


class RevokedKeyError(SealError):
    """The key was revoked before this bundle."""

    reason = "revoked_key"


class HashError(WireError):
    """Content does not match the hash that the seal vouches for."""

    reason = "hash"


class ChainError(WireError):
    """A bundle does not follow from what is stored."""

    reason = "chain"


class IdentityError(WireError):
    """Gateway, topic and key do not agree."""

    reason = "identity"


class ProofError(WireError):
    """An inclusion, consistency or checkpoint proof does not hold."""

    reason = "proof"
