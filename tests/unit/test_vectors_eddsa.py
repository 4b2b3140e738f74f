"""Ed25519 signatures of Wycheproof, through the key that opens our seals."""

from __future__ import annotations

import json

import pytest

from aggregator.store.quick_key import QuickKey
from protocols.wire.errors import SealError
from protocols.wire.seal import Algorithm, PublicKey
from tests.data import third_party


@pytest.mark.parametrize("kind", [PublicKey, QuickKey])
def test_wycheproof(kind: type[PublicKey]) -> None:
    path = third_party("vectors/eddsa/wycheproof_ed25519_test.json")
    judged = {"valid": 0, "invalid": 0}
    for group in json.loads(path.read_text())["testGroups"]:
        key = kind(Algorithm.ED25519, bytes.fromhex(group["publicKey"]["pk"]))
        for case in group["tests"]:
            try:
                key.verify(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
                found = "valid"
            except SealError:
                found = "invalid"
            assert found == case["result"], f"tcId {case['tcId']}: {case['comment']}"
            judged[found] += 1
    assert judged == {"valid": 88, "invalid": 63}
