"""EPCs of any value: both ways, beside another decoder, and against arbitrary bits."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llrpkit.epc import decode_epc

from protocols.identifiers.check_characters import CSET_82, gs1_digit
from protocols.identifiers.epc import (
    Epc,
    Scheme,
    decode,
    encode,
    from_elements,
    from_tag_uri,
    from_uri,
)
from protocols.identifiers.epc.scheme import LAYOUTS
from protocols.identifiers.errors import EpcError, IdentifierError

TEXT_82 = {198: 20, 195: 20, 170: 16, 174: 17, 212: 20}
SPLIT = {"sgtin": 13, "itip": 13, "sscc": 17, "gsrn": 17, "gsrnp": 17}


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text(string.digits, min_size=count, max_size=count)


@st.composite
def legacy(draw: st.DrawFn) -> Epc:
    """Draw an EPC with a company prefix."""
    scheme = draw(st.sampled_from([s for s in LAYOUTS if s.kind not in ("gid", "usdod", "adi")]))
    kind, _, size = scheme.label.partition("-")
    company = draw(st.integers(6, 12).flatmap(digits))
    left = SPLIT.get(kind, 12) - len(company)
    text = st.text(CSET_82, min_size=1, max_size=TEXT_82.get(int(size) if size != "var" else 0, 1))
    number = st.integers(0, 2**31 - 1).map(str)
    serial = text if int(size if size != "var" else 0) in TEXT_82 else number
    match kind:
        case "giai":
            long = st.text(CSET_82, min_size=1, max_size=30 - len(company))
            parts = [draw(long if size == "202" else st.integers(0, 2**42 - 1).map(str))]
        case "cpi":
            six = st.text(string.digits + string.ascii_uppercase + "#-/", min_size=1, max_size=18)
            small = st.integers(0, 10 ** min(3, 15 - len(company)) - 1).map(str)
            parts = [draw(six if size == "var" else small), draw(number)]
        case "sgcn":
            parts = [draw(digits(left)), draw(st.integers(1, 12).flatmap(digits))]
        case "sscc" | "gsrn" | "gsrnp":
            parts = [draw(digits(left))]
        case "itip":
            total = draw(st.integers(1, 99))
            pieces = [f"{draw(st.integers(1, total)):02d}", f"{total:02d}"]
            parts = [draw(digits(left)), *pieces, draw(serial)]
        case _:
            parts = [draw(digits(left)), draw(serial)]
    return Epc(scheme=scheme, filter=draw(st.integers(0, 7)), parts=(company, *parts))


@settings(max_examples=400)
@given(legacy())
def test_bits_uri_and_elements_go_both_ways(epc: Epc) -> None:
    bits = encode(epc)
    assert decode(bits.data, bits.length) == epc
    assert epc.tag_uri is not None
    assert from_tag_uri(epc.tag_uri) == epc
    assert from_uri(epc.uri, scheme=epc.scheme, filter_value=epc.filter) == epc
    try:
        elements = epc.elements
    except IdentifierError:
        return  # a drawn number may not be a key of GS1: SSCC 000… has no company prefix
    assert elements is not None
    again = from_elements(
        elements.bracketed(),
        scheme=epc.scheme,
        filter_value=epc.filter,
        company_digits=len(epc.parts[0]),
    )
    assert again == epc


@settings(max_examples=300)
@given(
    gtin=digits(13),
    serial=st.text(CSET_82, min_size=1, max_size=20),
    date=st.one_of(st.none(), st.sampled_from(["11", "13", "15", "16", "17", "7006", "7007"])),
    filter_value=st.integers(0, 7),
)
def test_plus_schemes_go_both_ways(
    gtin: str, serial: str, date: str | None, filter_value: int
) -> None:
    scheme = Scheme.DSGTIN_PLUS if date else Scheme.SGTIN_PLUS
    dated = (date, "271231") if date else ()
    epc = Epc(scheme=scheme, filter=filter_value, parts=(gtin + gs1_digit(gtin), serial, *dated))
    bits = encode(epc)
    assert decode(bits.data, bits.length) == epc
    assert from_uri(epc.uri, scheme=scheme, filter_value=filter_value) == epc


@given(
    company=digits(4),
    rest=st.text(CSET_82, min_size=1, max_size=26),
)
def test_giai_plus_goes_both_ways(company: str, rest: str) -> None:
    epc = Epc(scheme=Scheme.GIAI_PLUS, filter=0, parts=(company + rest,))
    bits = encode(epc)
    assert decode(bits.data, bits.length) == epc


@given(st.sampled_from(list(Scheme)), st.binary(min_size=11, max_size=30), st.booleans())
@settings(max_examples=500)
def test_what_is_read_is_written_as_it_was(scheme: Scheme, rest: bytes, cleared: bool) -> None:
    if cleared:  # low numbers, which fit their digits far more often than random ones
        rest = rest[:1] + bytes(byte & 0x11 for byte in rest[1:8]) + bytes(len(rest) - 8)
    epc = bytes([scheme]) + rest
    try:
        found = decode(epc, len(epc) * 8)
    except EpcError:
        return
    bits = encode(found)
    assert decode(bits.data, bits.length) == found
    if scheme in LAYOUTS:
        assert epc[: len(bits.data)] == bits.data


@given(st.sampled_from([0x30, 0x31, 0x33]), st.binary(min_size=11, max_size=11), st.booleans())
def test_two_decoders_agree(header: int, rest: bytes, cleared: bool) -> None:
    if cleared:
        rest = rest[:1] + bytes(byte & 0x11 for byte in rest[1:8]) + bytes(3)
    epc = bytes([header]) + rest
    other = decode_epc(epc.hex())
    try:
        ours = decode(epc, 96)
    except EpcError:
        return
    assert other is not None
    assert ours.uri == other.pure_identity_uri


@settings(max_examples=1000)
@given(st.binary(max_size=64), st.integers(min_value=0, max_value=512))
def test_any_bytes_are_named_or_refused(epc: bytes, bits: int) -> None:
    try:
        found = decode(epc, bits)
    except EpcError:
        return
    assert found.uri.startswith(("urn:epc:id:", "https://id.gs1.org/"))


@settings(max_examples=1000)
@given(st.text(max_size=80), st.sampled_from(["", "urn:epc:tag:", "urn:epc:tag:sgtin-198:3."]))
def test_any_text_is_a_tag_uri_or_refused(text: str, prefix: str) -> None:
    with pytest.raises(EpcError):
        from_tag_uri(prefix + text + "\0")
