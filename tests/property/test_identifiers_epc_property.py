"""Our EPC decoder beside another: where ours reads a tag, the other reads the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from llrpkit.epc import decode_epc

from protocols.identifiers.epc import decode
from protocols.identifiers.errors import EpcError


@given(st.sampled_from([0x30, 0x31, 0x33]), st.binary(min_size=11, max_size=11), st.booleans())
def test_two_decoders_agree(header: int, rest: bytes, cleared: bool) -> None:
    if cleared:  # low numbers, which fit their digits far more often than random ones
        rest = rest[:1] + bytes(byte & 0x11 for byte in rest[1:8]) + bytes(3)
    epc = bytes([header]) + rest
    other = decode_epc(epc.hex())
    try:
        ours = decode(epc, 96)
    except EpcError:
        return
    assert other is not None
    assert ours.uri == other.pure_identity_uri


@given(st.binary(max_size=64), st.integers(min_value=0, max_value=512))
def test_any_bytes_are_named_or_refused(epc: bytes, bits: int) -> None:
    try:
        found = decode(epc, bits)
    except EpcError:
        return
    assert found.uri.startswith("urn:epc:id:")
