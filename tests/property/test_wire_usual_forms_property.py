"""What is matched whole is what the strict decoder reads item by item, and nothing besides."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.wire import cbor
from protocols.wire.bundle import read_body, split_bundle
from protocols.wire.column import decode_any_column, decode_column, encode_column
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
from protocols.wire.reading import (
    SECOND,
    Gap,
    GapReason,
    Kind,
    Reading,
    SignalName,
    Status,
    Value,
)
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


kinds = st.sampled_from([Kind.BOOL, Kind.INT, Kind.UINT, Kind.FLOAT32, Kind.FLOAT64, Kind.TEXT])
values: dict[Kind, st.SearchStrategy[Value]] = {
    Kind.BOOL: st.booleans(),
    Kind.INT: st.one_of(st.integers(-300, 300), st.integers(-(2**63), 2**63 - 1)),
    Kind.UINT: st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1)),
    Kind.FLOAT32: st.floats(width=32, allow_nan=False, allow_infinity=False),
    Kind.FLOAT64: st.one_of(
        st.integers(-(10**6), 10**6).map(lambda number: number / 100),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    Kind.TEXT: st.text("ab", max_size=3),
}


@st.composite
def columns(draw: st.DrawFn) -> bytes:
    """Give a column, most of them short and all GOOD."""
    kind, sourced = draw(kinds), draw(st.booleans())
    signal = SignalName(draw(names))
    step = draw(st.sampled_from([1, 100, SECOND // 2, SECOND, 10 * SECOND]))
    apart = st.integers(-3, 70_000).map(lambda steps: START + steps * step)
    return encode_column(
        [
            Reading(
                signal=signal,
                kind=kind,
                value=draw(values[kind]),
                gateway_time=draw(apart),
                source_time=draw(apart) if sourced else None,
                status=draw(st.sampled_from([Status.GOOD] * 9 + [Status.UNCERTAIN])),
            )
            for _ in range(draw(st.integers(1, 26)))
        ]
    )


@given(data=columns())
def test_any_column(data: bytes) -> None:
    assert decode_column(data) == decode_any_column(data)


@given(data=columns(), draws=st.data())
def test_a_byte_of_a_column_that_differs(data: bytes, draws: st.DataObject) -> None:
    at = draws.draw(st.integers(0, len(data) - 1))
    other = draws.draw(st.integers(0, 255))
    whole = draws.draw(
        st.sampled_from(
            [data[:at] + bytes((other,)) + data[at + 1 :], data[:at], data + data[at : at + 1]]
        )
    )
    assert judged(decode_column, whole) == judged(decode_any_column, whole)


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_form_of_values_is_judged_alike(kind: int, count: int) -> None:
    """Forms that no encoder writes: wide arrays, decimals of integers, tags of another kind."""
    times: list[cbor.Item] = [START, SECOND, cbor.Tagged(64, b"\x01" * (count - 1))]
    forms: list[cbor.Item] = []
    for array_type, width in (
        (64, 1),
        (69, 2),
        (70, 4),
        (71, 8),
        (72, 1),
        (79, 8),
        (85, 4),
        (86, 8),
    ):
        for numbers in (count - 1, count, count + 1):
            for fill in (b"\x00", b"\x01", b"\xff"):
                found = cbor.Tagged(array_type, fill * width * numbers)
                forms += [found, [found, 1], [found, 2**62], [2, found, 1], [9, found, -5]]
    for form in forms:
        column = cbor.encode(["s", kind, count, times, times, form, None, None, None])
        assert judged(decode_column, column) == judged(decode_any_column, column)
