"""EPCs of the Tag Data Standard's examples, and those that its rules forbid."""

from __future__ import annotations

import pytest

from protocols.identifiers.epc import Scheme, decode
from protocols.identifiers.errors import EpcError


@pytest.mark.parametrize(
    ("epc", "scheme", "uri"),
    [
        # The examples of the Tag Data Standard 2.1
        ("3074257BF7194E4000001A85", Scheme.SGTIN_96, "urn:epc:id:sgtin:0614141.812345.6789"),
        ("3174257BF4499602D2000000", Scheme.SSCC_96, "urn:epc:id:sscc:0614141.1234567890"),
        ("3374257BF40C0E4000000190", Scheme.GRAI_96, "urn:epc:id:grai:0614141.12345.400"),
    ],
)
def test_the_standards_examples(epc: str, scheme: Scheme, uri: str) -> None:
    found = decode(bytes.fromhex(epc), 96)
    assert (found.scheme, found.filter, found.uri) == (scheme, 3, uri)


def build(header: int, partition: int, *fields: tuple[int, int]) -> bytes:
    """Return 96 bits: header, filter 0, partition, then (value, bits)."""
    number, bits = header << 6 | partition, 14
    for value, width in fields:
        number, bits = number << width | value, bits + width
    assert bits == 96
    return number.to_bytes(12, "big")


def test_a_company_prefix_of_twelve_digits_leaves_a_grai_no_asset_type() -> None:
    epc = build(0x33, 0, (123456789012, 40), (0, 4), (7, 38))
    assert decode(epc, 96).uri == "urn:epc:id:grai:123456789012..7"


def test_leading_zeros_are_kept() -> None:
    epc = build(0x30, 5, (1, 24), (2, 20), (0, 38))
    assert decode(epc, 96).uri == "urn:epc:id:sgtin:0000001.000002.0"


@pytest.mark.parametrize(
    ("epc", "why"),
    [
        (build(0x30, 7, (0, 82)), "partition 7"),
        (build(0x30, 5, (10_000_000, 24), (0, 20), (0, 38)), "more than 7 digits"),
        (build(0x30, 5, (1, 24), (1_000_000, 20), (0, 38)), "more than 6 digits"),
        (build(0x33, 0, (1, 40), (1, 4), (0, 38)), "more than 0 digits"),
        (build(0x31, 5, (1, 24), (1, 34), (1, 24)), "reserved bits"),
        (build(0x35, 0, (0, 82)), "header 0x35"),
        (bytes.fromhex("e28011050000000000000001"), "header 0xe2"),
    ],
)
def test_what_the_rules_forbid_names_nothing(epc: bytes, why: str) -> None:
    with pytest.raises(EpcError, match=why) as caught:
        decode(epc, 96)
    assert caught.value.hint


@pytest.mark.parametrize(("epc", "bits"), [(b"", 0), (b"\x30" * 12, 95), (b"\x30" * 16, 128)])
def test_other_lengths_are_not_guessed(epc: bytes, bits: int) -> None:
    with pytest.raises(EpcError, match=f"{bits} bits"):
        decode(epc, bits)
