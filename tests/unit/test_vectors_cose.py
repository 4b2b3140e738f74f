"""COSE examples of the COSE working group, through our seal.

Our seal allows one form of COSE_Sign1 alone (RFC 9864 algorithms, the kid protected), so every
example is refused as a whole. What lies beneath it, the bytes that are signed and the signature
over them, must agree with theirs wherever the curve is one of ours.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocols.wire import cbor
from protocols.wire.errors import MalformedError, WireError
from protocols.wire.seal import Algorithm, PublicKey, peek, to_be_signed
from tests.data import third_party

OURS = {("EdDSA", "Ed25519"): Algorithm.ED25519, ("ES256", "P-256"): Algorithm.ESP256}


def examples() -> Iterator[tuple[str, dict[str, Any]]]:
    folder = third_party("vectors/cose")
    for path in sorted(folder.rglob("*.json")):
        yield str(Path(path).relative_to(folder)), json.loads(path.read_text())


def sign1_examples() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the examples of COSE_Sign1 alone; countersigned ones are not deterministic CBOR."""
    for name, example in examples():
        if "sign0" in example["input"] and not name.startswith("countersign1"):
            yield name, example


def key_of(signer: dict[str, Any]) -> PublicKey | None:
    """Return the example's key, None where its curve or hash is not ours."""
    key = signer["key"]
    algorithm = OURS.get((signer["alg"], key["crv"]))
    if algorithm is Algorithm.ED25519:
        return PublicKey(algorithm, bytes.fromhex(key["x_hex"]))
    if algorithm is Algorithm.ESP256:
        coordinates = [base64.urlsafe_b64decode(key[axis] + "==") for axis in ("x", "y")]
        return PublicKey(algorithm, b"\x04" + b"".join(coordinates))
    return None


def opens(example: dict[str, Any], key: PublicKey) -> bool:
    """Tell whether an example's signature holds, by our signed bytes and our verification."""
    data = bytes.fromhex(example["output"]["cbor"])
    if data[0] == 0x84:
        data = b"\xd2" + data  # RFC 9052 section 4.2 allows the tag to be left out; we do not
    try:
        match cbor.decode(data):
            case cbor.Tagged(
                cbor.COSE_SIGN1, [bytes(protected), dict(), bytes(payload), bytes(signature)]
            ):
                pass
            case _:
                return False
        external = bytes.fromhex(example["input"]["sign0"].get("external", ""))
        protected = b"" if protected == b"\xa0" else protected  # RFC 9052 section 4.4
        key.verify(signature, to_be_signed(protected, external, payload))
    except WireError:
        return False
    return True


def test_signatures_of_our_curves() -> None:
    judged = {True: 0, False: 0}
    for name, example in sign1_examples():
        key = key_of(example["input"]["sign0"])
        if key is None:
            continue
        expected = not example.get("fail", False)
        assert opens(example, key) is expected, name
        judged[expected] += 1
    assert judged == {True: 5, False: 6}


def test_the_bytes_that_are_signed() -> None:
    """What the examples say is signed is what we would sign, where nothing was altered after."""
    seen = 0
    for name, example in sign1_examples():
        signer = example["input"]["sign0"]
        if example.get("fail") or example["output"]["cbor"][:2] != "D2":
            continue
        match cbor.decode(bytes.fromhex(example["output"]["cbor"])):
            case cbor.Tagged(_, [bytes(protected), _, bytes(payload), _]):
                external = bytes.fromhex(signer.get("external", ""))
                signed = to_be_signed(protected.removeprefix(b"\xa0"), external, payload)
                assert signed.hex().upper() == example["intermediates"]["ToBeSign_hex"], name
                seen += 1
    assert seen >= 6


def test_no_other_form_is_taken_for_a_seal() -> None:
    seen = 0
    for name, example in examples():
        with pytest.raises(MalformedError):
            pytest.fail(f"{name}: {peek(bytes.fromhex(example['output']['cbor']))}")
        seen += 1
    assert seen == 39
