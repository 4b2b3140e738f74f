"""What is matched whole is what the strict decoder reads item by item, and nothing besides."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from protocols.wire import cbor
from protocols.wire.bundle import read_body, split_bundle
from protocols.wire.errors import WireError
from protocols.wire.header import (
    Clock,
    ClockState,
    Counters,
    Epoch,
    GatewayId,
    Header,
    decode_any_header,
    decode_header,
    encode_header,
)
from protocols.wire.reading import SECOND, Gap, GapReason
from protocols.wire.seal import peek
from tests.sealed import START, SealedGateway

figures = st.one_of(
    st.sampled_from([0, 1, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63 - 1, 2**63]),
    st.integers(0, 2**64 - 1),
)
names = st.text("abcxyz0189-", min_size=1, max_size=70)
hashes = st.binary(min_size=32, max_size=32)


@st.composite
def headers(draw: st.DrawFn) -> Header:
    """Give a header of whatever figures, many of them none that would be taken."""
    return Header(
        gateway=GatewayId(draw(names)),
        epoch=Epoch(draw(st.binary(min_size=16, max_size=16))),
        number=draw(figures),
        previous=draw(hashes),
        first_reading=draw(figures),
        count=draw(st.integers(0, 70_000)),
        first_time=draw(figures),
        last_time=draw(figures),
        boot=draw(st.binary(min_size=16, max_size=16)),
        sealed_time=draw(figures),
        sealed_monotonic=draw(figures),
        clock=Clock(
            state=draw(st.sampled_from(ClockState)), uncertainty=draw(figures), floor=draw(figures)
        ),
        settings_hash=draw(hashes),
        dictionary_hash=draw(hashes),
        body_hash=draw(hashes),
        columns_root=draw(hashes),
        counters=Counters(read=draw(figures), sealed=draw(figures)),
    )


def judged(decode: object, data: bytes) -> object:
    """Return what a decoder makes of ``data``, or the word of its refusal."""
    try:
        return decode(data)  # type: ignore[operator]
    except WireError as error:
        return error.reason


@given(header=headers())
def test_any_figures(header: Header) -> None:
    data = encode_header(header)
    assert judged(decode_header, data) == judged(decode_any_header, data)


@given(data=st.data())
def test_a_byte_that_differs(data: st.DataObject) -> None:
    gateway = SealedGateway("gw-" + "a" * data.draw(st.integers(0, 30)))
    header = gateway.draft(gateway.readings(2))[1]
    whole = bytearray(encode_header(replace(header, number=300, previous=bytes([1]) * 32)))
    for _ in range(data.draw(st.integers(1, 2))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    given_ = bytes(whole[: data.draw(st.integers(len(whole) - 2, len(whole)))])
    assert judged(decode_header, given_) == judged(decode_any_header, given_)


def test_what_is_unusual_is_read_all_the_same() -> None:
    gateway = SealedGateway()
    opening = gateway.draft()[1]
    gap = Gap(subject="*", start=START, end=START + SECOND, count=None, reason=GapReason.REFUSED)
    gateway.seal()
    later = replace(gateway.draft(gaps=(gap,))[1], counters=Counters(read=1, sealed=0))
    for header in (
        opening,
        later,
        replace(later, counters=Counters(read=2, sealed=0, refused={"a": 2})),
    ):
        assert decode_header(encode_header(header)) == header


def sign1(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    """Write a COSE_Sign1."""
    return cbor.encode(cbor.Tagged(cbor.COSE_SIGN1, [protected, {}, payload, signature]))


def split_strictly(data: bytes) -> object:
    """Take a bundle apart as the decoder does."""
    match cbor.decode(data, items_max=3):
        case [bytes(header), bytes(body)]:
            return header, body
    return "malformed"


@given(
    payload=st.one_of(st.binary(max_size=300), st.integers(65_530, 65_540).map(bytes)),
    signature=st.one_of(st.just(64), st.integers(0, 70)),
    data=st.data(),
)
def test_seals(payload: bytes, signature: int, data: st.DataObject) -> None:
    protected = peek(split_bundle(SealedGateway().seal()).sealed_header).protected
    whole = bytearray(sign1(protected, payload, bytes(signature)))
    if data.draw(st.booleans()):
        whole[data.draw(st.integers(0, min(len(whole) - 1, 80)))] = data.draw(st.integers(0, 255))
    match found := judged(cbor.decode, bytes(whole)):
        case cbor.Tagged(cbor.COSE_SIGN1, [bytes(head), dict(empty), bytes(body), bytes(sign)]) if (
            not empty and head == protected
        ):
            sealed = peek(bytes(whole))
            assert (sealed.protected, sealed.payload, sealed.signature) == (head, body, sign)
        case _ if not isinstance(found, cbor.Tagged):
            assert isinstance(judged(peek, bytes(whole)), str)


@given(
    header=st.binary(max_size=300),
    body=st.one_of(st.binary(max_size=300), st.integers(65_530, 65_540).map(bytes)),
    data=st.data(),
)
def test_bundles(header: bytes, body: bytes, data: st.DataObject) -> None:
    whole = bytearray(cbor.encode([header, body]))
    if data.draw(st.booleans()):
        whole[data.draw(st.integers(0, min(len(whole) - 1, 6)))] = data.draw(st.integers(0, 255))
    strict, found = judged(split_strictly, bytes(whole)), judged(split_bundle, bytes(whole))
    if isinstance(strict, tuple):
        assert found == strict
    else:
        assert isinstance(found, str)


@given(
    columns=st.lists(st.binary(max_size=300), max_size=300),
    seed=st.one_of(st.just(16), st.integers(0, 30)),
    data=st.data(),
)
def test_bodies(columns: list[bytes], seed: int, data: st.DataObject) -> None:
    whole = bytearray(cbor.encode([bytes(seed), columns]))
    for _ in range(data.draw(st.integers(0, 2))):
        whole[data.draw(st.integers(0, min(len(whole) - 1, 40)))] = data.draw(st.integers(0, 255))
    match judged(cbor.decode, bytes(whole)):
        case [bytes(seed_), list(found)] if len(seed_) == 16:
            strict: object = (seed_, found)
            if not all(type(each) is bytes for each in found) or not found:
                strict = "malformed"
        case _:
            strict = "malformed"
    header = replace(SealedGateway().draft()[1], count=1_000)
    body = judged(lambda given_: tuple(read_body(header, given_)), bytes(whole))
    assert body == strict or (isinstance(body, str) and strict == "malformed")
