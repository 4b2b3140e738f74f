"""Our CBOR is the one encoding of RFC 8949 section 4.2, and the decoder knows no other."""

from __future__ import annotations

import cbor2
import pytest

from protocols.wire import cbor
from protocols.wire.errors import LimitError, MalformedError
from protocols.wire.limits import CBOR_DEPTH_MAX

VALUES: list[cbor.Item] = [
    0, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**64 - 1, -1, -24, -25, -(2**64),
    b"", bytes(23), bytes(24), bytes(70_000), "", "批号", None, True, False,
    [], [1, [2, [3]]], {}, {1: 2, 10: 3, 100: 4}, {"a": 1, "bb": 2, "c": 3},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:30])
def test_encoding_is_the_one_of_another_library_in_canonical_mode(value: cbor.Item) -> None:
    encoded = cbor.encode(value)
    assert encoded == cbor2.dumps(value, canonical=True)
    assert cbor.decode(encoded) == value


def test_keys_stand_in_the_order_of_their_bytes_not_their_length_first() -> None:
    assert cbor.encode({100: 0, -1: 0}) == bytes.fromhex("a2186400" + "2000")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("nothing", ""),
        ("more than one item", "0000"),
        ("long head, 1 byte", "1817"),
        ("long head, 2 bytes", "1900ff"),
        ("long head, 4 bytes", "1a0000ffff"),
        ("long head, 8 bytes", "1b00000000ffffffff"),
        ("long length", "5800"),
        ("reserved head", "1c"),
        ("indefinite string", "5f4100ff"),
        ("indefinite array", "9fff"),
        ("indefinite map", "bfff"),
        ("break alone", "ff"),
        ("half float", "f93c00"),
        ("float", "fa3f800000"),
        ("double", "fb3ff0000000000000"),
        ("NaN", "f97e00"),
        ("undefined", "f7"),
        ("simple value", "f820"),
        ("string cut short", "4300"),
        ("array cut short", "8200"),
        ("array of 2^40", "9b0000010000000000"),
        ("map of 2^40", "bb0000010000000000"),
        ("not UTF-8", "61ff"),
        ("surrogate", "63eda080"),
        ("key twice", "a201000100"),
        ("keys out of order", "a202000100"),
        ("key of bytes", "a1410000"),
        ("key of null", "a1f600"),
        ("key of an array", "a18000"),
        ("tag of a date", "c000"),
        ("tag of a big number", "c24100"),
        ("tag of a regular expression", "d8236161"),
        ("tag of a shared reference", "d81d00"),
        ("typed array of text", "d84060"),
    ],
)
def test_every_other_form_is_refused(name: str, data: str) -> None:
    with pytest.raises((MalformedError, LimitError)):
        cbor.decode(bytes.fromhex(data))


def test_depth_and_items_are_bounded() -> None:
    fits = b"\x81" * CBOR_DEPTH_MAX + b"\x00"
    assert cbor.decode(fits)
    with pytest.raises(LimitError):
        cbor.decode(b"\x81" + fits)
    assert cbor.decode(b"\x82\x00\x00", items_max=3) == [0, 0]
    with pytest.raises(LimitError):
        cbor.decode(b"\x82\x00\x00", items_max=2)


def test_where_booleans_have_no_place_they_are_refused() -> None:
    assert cbor.decode(b"\xf5") is True
    with pytest.raises(MalformedError):
        cbor.decode(b"\xf5", booleans=False)


@pytest.mark.parametrize(
    "value", [2**64, -(2**64) - 1, 1.5, {1.5: 1}, {True: 1}, {b"": 1}, object()]
)
def test_what_the_format_cannot_hold_is_not_encoded(value: object) -> None:
    with pytest.raises(MalformedError):
        cbor.encode(value)  # type: ignore[arg-type]
