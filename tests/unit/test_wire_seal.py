"""Seals: one form, two algorithms, and a purpose that keeps kinds of things apart."""

from __future__ import annotations

import pytest

from protocols.wire import cbor
from protocols.wire.errors import MalformedError, SealError, WireError
from protocols.wire.seal import (
    Algorithm,
    PublicKey,
    Purpose,
    SoftwareSealKey,
    open_seal,
    peek,
    seal,
)

PURPOSE = Purpose("application/test", b"test-v1")
KEYS = [SoftwareSealKey.generate(algorithm) for algorithm in Algorithm]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.public.algorithm.name)
def test_what_is_sealed_is_opened_by_the_same_key_alone(key: SoftwareSealKey) -> None:
    sealed = seal(b"payload", key, PURPOSE)
    assert open_seal(sealed, key.public, PURPOSE) == b"payload"
    other = SoftwareSealKey.generate(key.public.algorithm).public
    with pytest.raises(SealError):
        open_seal(sealed, other, PURPOSE)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.public.algorithm.name)
def test_a_key_survives_its_file_and_its_text(key: SoftwareSealKey) -> None:
    again = SoftwareSealKey.from_pem(key.to_pem())
    assert again.public == key.public
    assert PublicKey.from_text(key.public.to_text()) == key.public
    assert repr(key.public).startswith("PublicKey(")


@pytest.mark.parametrize(
    "purpose", [Purpose("application/other", b"test-v1"), Purpose("application/test", b"test-v2")]
)
def test_a_seal_of_one_purpose_is_not_one_of_another(purpose: Purpose) -> None:
    with pytest.raises(SealError):
        open_seal(seal(b"x", KEYS[0], PURPOSE), KEYS[0].public, purpose)


def test_every_flipped_bit_is_found() -> None:
    sealed = seal(b"payload", KEYS[0], PURPOSE)
    for at in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises(WireError):
            open_seal(bytes(flipped), KEYS[0].public, PURPOSE)


@pytest.mark.parametrize(
    "content",
    [
        [b"", {}, b"x", bytes(64)],  # no protected header
        [cbor.encode({1: -19, 3: "t", 4: b"k"}), {4: b"k"}, b"x", bytes(64)],  # kid unprotected
        [cbor.encode({1: -7, 3: "t", 4: b"k"}), {}, b"x", bytes(64)],  # ES256, not ESP256
        [cbor.encode({1: -19, 3: "t", 4: b"k", 5: b""}), {}, b"x", bytes(64)],
        [cbor.encode({1: -19, 3: "t"}), {}, b"x", bytes(64)],
        [cbor.encode({1: -19, 3: "t", 4: b"k"}), {}, None, bytes(64)],  # detached
    ],
)
def test_other_forms_are_refused_before_a_signature_is_looked_at(content: list[cbor.Item]) -> None:
    with pytest.raises(MalformedError):
        peek(cbor.encode(cbor.Tagged(cbor.COSE_SIGN1, content)))


def test_a_seal_without_its_mark_is_refused() -> None:
    with pytest.raises(MalformedError):
        peek(cbor.encode([b"", {}, b"", b""]))


def test_a_signature_of_another_length_is_refused() -> None:
    with pytest.raises(SealError):
        KEYS[0].public.verify(bytes(63), b"x")


@pytest.mark.parametrize(
    "text", ["", "ED25519:", "ED25519:zz", "RSA:00", "ESP256:" + "02" * 33, "ESP256:" + "04" * 65]
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        PublicKey.from_text(text)


def test_what_is_no_key_file_is_refused_with_a_hint() -> None:
    with pytest.raises(MalformedError) as raised:
        SoftwareSealKey.from_pem(b"-----BEGIN NOTHING-----")
    assert "PKCS #8" in raised.value.hint
