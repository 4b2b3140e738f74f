"""How a gateway shows at its enrolment that both of its keys are its own.

The certificate request is signed by the TLS key; a statement under the new seal key names that very
request and the token, so that neither can be exchanged on the way (docs/specs/enrolment.md).
"""

from __future__ import annotations

import hashlib
from typing import Final

from protocols.wire import cbor
from protocols.wire.errors import MalformedError
from protocols.wire.seal import PublicKey, Purpose, SealKey, open_sealed, peek, seal

PURPOSE: Final = Purpose("application/lotproof-enrolment+cbor", b"lotproof-enrolment-v1")


def seal_request(token: str, request: bytes, key: SealKey) -> bytes:
    """Return the statement over a token and a certificate request (DER)."""
    fields: dict[int, cbor.Item] = {
        1: token_hash(token),
        2: hashlib.sha256(request).digest(),
        3: key.public.to_text(),
    }
    return seal(cbor.encode(fields), key, PURPOSE)


def open_request(data: bytes, token: str, request: bytes) -> PublicKey:
    """Return the seal key that made the statement; SealError or MalformedError if it does not fit.

    The key is the one that the statement names: what it proves is that its owner made it.
    """
    sealed = peek(data)
    match cbor.decode(sealed.payload, items_max=16, booleans=False):
        case {1: bytes(token_said), 2: bytes(request_said), 3: str(text), **rest} if not rest:
            key = PublicKey.from_text(text)
            open_sealed(sealed, key, PURPOSE)
            if (token_said, request_said) == (token_hash(token), hashlib.sha256(request).digest()):
                return key
    raise MalformedError("the statement is not over this token and this certificate request")


def token_hash(token: str) -> bytes:
    """Return SHA-256 of a token as a person may type it: case and hyphens do not matter."""
    return hashlib.sha256(token.replace("-", "").strip().upper().encode()).digest()


def fingerprint(request: bytes, key: PublicKey) -> str:
    """Return what both sides show of an enrolment: 128 bits in groups of four digits.

    Over the certificate request, which holds the TLS key, and the seal key.
    """
    digits = hashlib.sha256(request + key.data).hexdigest()[:32].upper()
    return "-".join(digits[at : at + 4] for at in range(0, 32, 4))
