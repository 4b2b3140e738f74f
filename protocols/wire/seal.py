"""A machine's mark on bytes: COSE_Sign1 (RFC 9052 section 4.2) with Ed25519 or ESP256 (RFC 9864).

The form is fixed: tag 18, protected header {1: alg, 3: content type, 4: kid}, an empty unprotected
header, the payload within. Whatever differs is refused before a signature is looked at. The
``external_aad`` names the kind of thing sealed, so that one kind never passes for another.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple, NewType, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from protocols.wire import cbor
from protocols.wire.errors import MalformedError, SealError

Kid = NewType("Kid", bytes)
"""Key id: the first 8 bytes of SHA-256 of the public key's bytes."""


class Algorithm(IntEnum):
    """Fully specified COSE algorithms (RFC 9864 section 2)."""

    ED25519 = -19  # EdDSA over edwards25519, public key 32 bytes
    ESP256 = -9  # ECDSA over P-256 with SHA-256, for TPMs; public key 65 bytes, uncompressed


class Purpose(NamedTuple):
    """What is sealed: its content type and the external_aad that keeps it apart."""

    content_type: str
    aad: bytes


class SealKey(Protocol):
    """A private key that seals; in a file, a TPM or a test."""

    @property
    def public(self) -> PublicKey:
        """The key that opens what this one seals."""

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte COSE signature of ``message``."""


class PublicKey:
    """A key that opens seals; immutable, compared by its bytes."""

    __slots__ = ("_key", "algorithm", "data", "kid")

    def __init__(self, algorithm: Algorithm, data: bytes) -> None:
        """Take ``data`` as 32 bytes (Ed25519) or a 65-byte point (ESP256); else MalformedError."""
        self.algorithm = algorithm
        self.data = data
        self.kid = Kid(hashlib.sha256(data).digest()[:8])
        self._key: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey
        try:
            if algorithm is Algorithm.ED25519:
                self._key = ed25519.Ed25519PublicKey.from_public_bytes(data)
            else:
                if len(data) != 65:
                    raise ValueError  # a compressed point is a second form of the same key
                self._key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
        except ValueError:
            raise MalformedError(f"these are not the bytes of a {algorithm.name} key") from None

    def verify(self, signature: bytes, message: bytes) -> None:
        """Return if ``signature`` is this key's over ``message``, else raise SealError."""
        if len(signature) != 64:
            raise SealError("the signature is not 64 bytes long")
        try:
            if isinstance(self._key, ed25519.Ed25519PublicKey):
                self._key.verify(signature, message)
            else:
                r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
                self._key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise SealError("the signature does not match the bytes") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __repr__(self) -> str:
        return f"PublicKey({self.algorithm.name}, kid={self.kid.hex()})"

    @classmethod
    def from_text(cls, text: str) -> PublicKey:
        """Read ``ED25519:<hex>`` or ``ESP256:<hex>``, as policy files and registries write it."""
        name, _, digits = text.strip().partition(":")
        try:
            return cls(Algorithm[name], bytes.fromhex(digits))
        except (KeyError, ValueError):
            raise MalformedError(
                f"{text[:24]!r} is not a public key",
                hint="write ED25519: or ESP256: and the key in hexadecimal",
            ) from None

    def to_text(self) -> str:
        """Return what ``from_text`` reads."""
        return f"{self.algorithm.name}:{self.data.hex()}"


class SoftwareSealKey:
    """A seal key held in memory, kept in a PEM file (PKCS #8)."""

    def __init__(self, private: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
        self._private = private
        if isinstance(private, ed25519.Ed25519PrivateKey):
            self.public = PublicKey(Algorithm.ED25519, private.public_key().public_bytes_raw())
        else:
            point = private.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
            )
            self.public = PublicKey(Algorithm.ESP256, point)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte COSE signature of ``message`` (RFC 9053 section 2)."""
        if isinstance(self._private, ed25519.Ed25519PrivateKey):
            return self._private.sign(message)
        r, s = decode_dss_signature(self._private.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    @classmethod
    def generate(cls, algorithm: Algorithm = Algorithm.ED25519) -> SoftwareSealKey:
        """Make a new key."""
        if algorithm is Algorithm.ED25519:
            return cls(ed25519.Ed25519PrivateKey.generate())
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> SoftwareSealKey:
        """Read an unencrypted PKCS #8 key; MalformedError when it is not one of ours."""
        try:
            private = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError):
            private = None
        if isinstance(private, ed25519.Ed25519PrivateKey):
            return cls(private)
        if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name == "secp256r1":
            return cls(private)
        raise MalformedError(
            "this is not an Ed25519 or P-256 private key",
            hint="a seal key is unencrypted PKCS #8 in PEM; protect it by the file's mode",
        )

    def to_pem(self) -> bytes:
        """Return the key as unencrypted PKCS #8 in PEM."""
        return self._private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


class Sealed(NamedTuple):
    """A COSE_Sign1 taken apart; nothing in it is proved yet."""

    protected: bytes
    algorithm: Algorithm
    content_type: str
    kid: Kid
    payload: bytes
    signature: bytes


def seal(payload: bytes, key: SealKey, purpose: Purpose) -> bytes:
    """Return ``payload`` under the key's COSE_Sign1."""
    public = key.public
    protected = cbor.encode({1: int(public.algorithm), 3: purpose.content_type, 4: public.kid})
    signature = key.sign(to_be_signed(protected, purpose.aad, payload))
    sign1: list[cbor.Item] = [protected, {}, payload, signature]
    return cbor.encode(cbor.Tagged(cbor.COSE_SIGN1, sign1))


def peek(data: bytes) -> Sealed:
    """Take a seal apart without believing it, to find out whose it claims to be."""
    protected, payload, signature = _usual(data) or _any(data)
    algorithm, content_type, kid = _read_protected(protected)
    return Sealed(protected, algorithm, content_type, kid, payload, signature)


def _usual(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return what ``_any`` does of a seal with a signature of 64 bytes, None for any other."""
    if data[:2] != _SIGN1 or data[-66:-64] != _SIGNATURE:
        return None
    start, stop = cbor.byte_string_at(data, 2)
    first, last = cbor.byte_string_at(data, stop + 1)
    if data[stop : stop + 1] != _EMPTY or not 0 < start <= stop < first <= last == len(data) - 66:
        return None
    return data[start:stop], data[first:last], data[-64:]


def _any(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the protected header, payload and signature; MalformedError if there are none."""
    match cbor.decode(data, items_max=16):
        case cbor.Tagged(
            cbor.COSE_SIGN1, [bytes(protected), dict(unprotected), bytes(payload), bytes(signature)]
        ) if not unprotected:
            pass
        case _:
            raise MalformedError("this is not a COSE_Sign1 with an empty unprotected header")
    return protected, payload, signature


def open_seal(data: bytes, key: PublicKey, purpose: Purpose) -> bytes:
    """Return the payload if ``key`` sealed it for ``purpose``; SealError if not."""
    return open_sealed(peek(data), key, purpose)


def open_sealed(sealed: Sealed, key: PublicKey, purpose: Purpose) -> bytes:
    """Like ``open_seal``, for a seal that was taken apart already."""
    if sealed.content_type != purpose.content_type:
        raise SealError(f"sealed as {sealed.content_type!r}, wanted {purpose.content_type!r}")
    if sealed.algorithm is not key.algorithm or sealed.kid != key.kid:
        raise SealError("sealed by another key than the one it is opened with")
    key.verify(sealed.signature, to_be_signed(sealed.protected, purpose.aad, sealed.payload))
    return sealed.payload


@lru_cache(maxsize=256)  # one a key and purpose: whole chains have the same
def _read_protected(protected: bytes) -> tuple[Algorithm, str, Kid]:
    match cbor.decode(protected, items_max=16):
        case {1: int(number), 3: str(content_type), 4: bytes(kid), **rest} if not rest:
            pass
        case _:
            raise MalformedError("the protected header is not {alg, content type, kid}")
    if number not in _ALGORITHMS:
        raise MalformedError(f"algorithm {number} is neither Ed25519 (-19) nor ESP256 (-9)")
    return Algorithm(number), content_type, Kid(kid)


def to_be_signed(protected: bytes, external_aad: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure of RFC 9052 section 4.4 for COSE_Sign1."""
    return cbor.encode(["Signature1", protected, external_aad, payload])


_SIGN1: Final = b"\xd2\x84"  # tag 18, and the head of an array of four
_EMPTY: Final = b"\xa0"  # a map without entries
_SIGNATURE: Final = b"\x58\x40"  # head of a byte string of 64 bytes
_ALGORITHMS: Final = frozenset(int(algorithm) for algorithm in Algorithm)
