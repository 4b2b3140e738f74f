"""CBOR that is not well formed, from fxamacker/cbor: our decoder refuses every item."""

from __future__ import annotations

import json

import pytest

from protocols.wire import cbor
from protocols.wire.errors import LimitError, MalformedError
from tests.data import third_party


@pytest.mark.parametrize(("kind", "count"), [("not_well_formed", 99), ("dup_keys", 9)])
def test_malformed(kind: str, count: int) -> None:
    items = json.loads(third_party("vectors/malformed_fxamacker.json").read_text())[kind]
    assert len(items) == count
    for item in items:
        with pytest.raises((MalformedError, LimitError)):
            pytest.fail(f"{item['name']}: {cbor.decode(bytes.fromhex(item['hex']))!r}")
