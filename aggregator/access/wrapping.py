"""Secrets in the store are wrapped under the aggregator's own key (AES-256-GCM).

A copy of the store alone gives nobody a second factor, a webhook's secret or a stored answer. What
was wrapped under one label does not open under another.
"""

from __future__ import annotations

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aggregator.errors import EvidenceError


def wrap(secret: bytes, key: bytes, label: str) -> bytes:
    """Return ``secret`` encrypted for the store; it opens under the same key and label alone."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret, label.encode())


def unwrap(wrapped: bytes, key: bytes, label: str) -> bytes:
    """Return the secret; EvidenceError where it was wrapped by another key or for another label."""
    try:
        return AESGCM(key).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], label.encode())
    except (InvalidTag, ValueError):
        raise EvidenceError(
            f"what is kept for {label} cannot be read with this aggregator's key",
            hint="restore keys_folder with the store, or make it anew",
        ) from None


_NONCE_BYTES: Final = 12
