"""Bundles: sealed as the format says, and refused for every other form."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace
from typing import Any

import pytest

from protocols.wire import cbor
from protocols.wire.bundle import (
    Body,
    Bundle,
    check_columns,
    inflate_body,
    open_body,
    open_header,
    pack_body,
    peek_header,
    read_body,
    salt,
    seal_bundle,
    split_bundle,
)
from protocols.wire.errors import HashError, LimitError, MalformedError, SealError, WireError
from protocols.wire.header import (
    Header,
    OpeningReason,
    check_gateway_id,
    decode_header,
    encode_header,
)
from protocols.wire.limits import (
    BODY_INFLATED_BYTES_MAX,
    GAPS_PER_BUNDLE_MAX,
    HEADER_BYTES_MAX,
    MESSAGE_BYTES_MAX,
)
from protocols.wire.reading import Gap, GapReason
from protocols.wire.tlog import leaf_hash, root
from tests.sealed import START, SealedGateway, key_named

GATEWAY = SealedGateway()
FIRST = GATEWAY.seal(GATEWAY.readings(3, 2))
SECOND = GATEWAY.seal(GATEWAY.readings(3, 2))
_, HEADER = peek_header(split_bundle(SECOND).sealed_header)


def test_what_is_sealed_is_opened() -> None:
    bundle = split_bundle(SECOND)
    header = open_header(bundle.sealed_header, GATEWAY.key.public)
    body = open_body(header, bundle.body)
    columns = check_columns(header, body)
    assert (header.number, header.first_reading, header.count) == (1, 6, 6)
    assert header.previous == leaf_hash(split_bundle(FIRST).sealed_header)
    assert [column.signal for column in columns] == [f"press-1/signal-{at:03}" for at in range(3)]
    assert len(list(body.readings())) == 6


def test_another_key_opens_nothing() -> None:
    with pytest.raises(SealError):
        open_header(split_bundle(FIRST).sealed_header, key_named("other").public)


def test_salts_differ_and_the_root_is_over_salted_columns() -> None:
    body = Body(bytes(16), [b"a", b"b"])
    assert salt(body.seed, 0) != salt(body.seed, 1)
    leaves = [leaf_hash(salt(body.seed, at) + data) for at, data in enumerate(body.columns)]
    assert body.root() == root(leaves)


def test_a_header_that_vouches_for_another_body_is_not_sealed() -> None:
    body, header = GATEWAY.draft(GATEWAY.readings(1))
    with pytest.raises(HashError):
        seal_bundle(header, body + b"x", GATEWAY.key)


def test_a_bundle_too_large_to_travel_is_not_sealed() -> None:
    body = bytes(MESSAGE_BYTES_MAX)
    header = replace(HEADER, body_hash=hashlib.sha256(body).digest())
    with pytest.raises(LimitError):
        seal_bundle(header, body, GATEWAY.key)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (bytes(MESSAGE_BYTES_MAX + 1), LimitError),
        (cbor.encode([b""]), MalformedError),
        (cbor.encode([b"", "body"]), MalformedError),
        (cbor.encode([bytes(HEADER_BYTES_MAX + 1), b""]), LimitError),
        (cbor.encode([b"", b""]) + b"\x00", MalformedError),
    ],
)
def test_other_outer_forms_are_refused(data: bytes, error: type[WireError]) -> None:
    with pytest.raises(error):
        split_bundle(data)


def fields() -> dict[int, Any]:
    found = cbor.decode(encode_header(HEADER))
    if not isinstance(found, dict):
        raise TypeError
    return dict(found)


@pytest.mark.parametrize(
    "change",
    [
        {1: "GW 07"},
        {1: 7},
        {2: bytes(15)},
        {3: -1},
        {3: 2**63},
        {3: None},
        {3: True},
        {4: bytes(32)},  # no previous, and yet not the first
        {6: 100_001},
        {7: HEADER.last_time + 1},
        {12: [3, 0, 0]},
        {12: [0, -1, 0]},
        {12: [0, 0]},
        {17: None},
        {17: [["*", 2, 1, None, 0]]},
        {17: [["*", 1, 2, None, 99]]},
        {17: [["*" * 5_000, 1, 2, None, 0]]},
        {17: [["*", 1, 2, None, 0]] * (GAPS_PER_BUNDLE_MAX + 1)},
        {18: [1, 2]},
        {18: [1, 2, {"reason": -1}]},
        {18: [1, 2, {1: 1}]},
        {19: [0, None, None, None]},  # an opening, and yet not the first
        {20: 1},
    ],
)
def test_other_headers_are_refused(change: dict[int, Any]) -> None:
    changed = {**fields(), **change}
    with pytest.raises(WireError):
        decode_header(cbor.encode(changed))


@pytest.mark.parametrize("key", range(1, 19))
def test_no_field_of_a_header_may_be_absent(key: int) -> None:
    changed = fields()
    del changed[key]
    with pytest.raises(MalformedError):
        decode_header(cbor.encode(changed))


def test_a_header_comes_back_as_it_was() -> None:
    gap = Gap(subject="*", start=1, end=2, reason=GapReason.OVERRUN, count=3)
    fresh = SealedGateway("gw-9", reason=OpeningReason.ROLLBACK)
    _, first = fresh.draft(gaps=(gap,))
    for header in (HEADER, first, replace(first, sealed_time=START)):
        assert decode_header(encode_header(header)) == header


@pytest.mark.parametrize("name", ["gw-1", "a", "7" * 64])
def test_gateway_ids(name: str) -> None:
    assert check_gateway_id(name) == name


@pytest.mark.parametrize("name", ["", "-a", "GW", "a b", "a/b", "+", "é", "a" * 65])
def test_what_is_no_gateway_id_is_refused_with_a_hint(name: str) -> None:
    with pytest.raises(MalformedError) as raised:
        check_gateway_id(name)
    assert "lower-case" in raised.value.hint


def test_a_body_is_hashed_before_it_is_inflated() -> None:
    bomb = zlib.compress(bytes(BODY_INFLATED_BYTES_MAX + 1))
    with pytest.raises(HashError):
        open_body(HEADER, bomb)
    with pytest.raises(LimitError):
        inflate_body(bomb)


@pytest.mark.parametrize(
    "body", [b"", b"no zlib", zlib.compress(b"x")[:-1], zlib.compress(b"x") + b"y"]
)
def test_what_is_no_whole_zlib_stream_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedError):
        inflate_body(body)


@pytest.mark.parametrize(
    "content",
    [
        [bytes(15), [b"x"]],
        [bytes(16)],
        [bytes(16), []],
        [bytes(16), [1]],
        [bytes(16), [b"x"] * 7],  # more columns than readings
    ],
)
def test_other_bodies_are_refused(content: Any) -> None:
    with pytest.raises(MalformedError):
        read_body(HEADER, cbor.encode(content))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"columns_root": bytes(32)}, HashError),
        ({"count": 5}, MalformedError),
        ({"first_time": HEADER.first_time - 1}, MalformedError),
        ({"last_time": HEADER.last_time + 1}, MalformedError),
    ],
)
def test_columns_that_are_not_the_headers_are_refused(
    change: dict[str, Any], error: type[WireError]
) -> None:
    header: Header = replace(HEADER, **change)
    body = open_body(HEADER, split_bundle(SECOND).body)
    with pytest.raises(error):
        check_columns(header, body)


def test_packing_is_zlib_that_everybody_reads() -> None:
    body = Body(bytes(16), [b"x"])
    assert cbor.decode(zlib.decompress(pack_body(body))) == [bytes(16), [b"x"]]
    assert Bundle(b"h", b"b").encode() == cbor.encode([b"h", b"b"])
