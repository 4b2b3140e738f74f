"""What holds for any value: round trips, chains in any order, and no bytes that break a decoder."""

from __future__ import annotations

import contextlib
import struct
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from protocols.wire import cbor
from protocols.wire.bundle import peek_header, split_bundle
from protocols.wire.chain import Chain, Verdict, step
from protocols.wire.column import decode_column, encode_columns
from protocols.wire.errors import WireError
from protocols.wire.life import open_life
from protocols.wire.reading import Kind, Reading, SignalName, Status, TagRead, Value
from protocols.wire.receipt import open_receipt
from protocols.wire.seal import peek
from tests.sealed import key_named
from tests.unit.test_wire_chain import links

INTEGERS = st.integers(-(2**64), 2**64 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
ITEMS = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.binary() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(INTEGERS, inner, max_size=4)
        | st.dictionaries(TEXTS, inner, max_size=4)
    ),
    max_leaves=12,
).filter(lambda item: depth(item) <= 8)


def depth(item: object) -> int:
    if isinstance(item, dict):
        return 1 + max(map(depth, item.values()), default=0)
    return 1 + max(map(depth, item), default=0) if isinstance(item, list) else 0


@given(ITEMS)
def test_cbor_comes_back_and_has_one_form(item: cbor.Item) -> None:
    encoded = cbor.encode(item)
    assert cbor.decode(encoded) == item
    assert cbor.encode(cbor.decode(encoded)) == encoded


@given(st.binary())
def test_whatever_cbor_takes_it_would_write(data: bytes) -> None:
    with contextlib.suppress(WireError):
        assert cbor.encode(cbor.decode(data)) == data


KEY = key_named("any").public


@given(st.binary())
def test_no_bytes_break_a_decoder(data: bytes) -> None:
    for decode in (
        split_bundle,
        peek,
        peek_header,
        decode_column,
        lambda given: open_receipt(given, KEY),
        lambda given: open_life(given, KEY),
    ):
        with contextlib.suppress(WireError):
            decode(data)


TIMES = st.integers(-(2**62), 2**62)
SIGNED = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TAG_READS = st.builds(
    TagRead,
    epc=st.binary(max_size=62),
    epc_bits=st.integers(0, 496),
    antenna=st.integers(0, 255),
    rssi=st.integers(-20_000, 20_000),
    first_seen=TIMES,
    last_seen=TIMES,
    count=st.integers(0, 2**31),
)
VALUES: dict[Kind, st.SearchStrategy[Value]] = {
    Kind.BOOL: st.booleans(),
    Kind.INT: SIGNED,
    Kind.UINT: st.integers(0, 2**64 - 1),
    Kind.FLOAT32: st.floats(allow_nan=False, allow_infinity=False, width=32),
    Kind.FLOAT64: FLOATS,
    Kind.TEXT: TEXTS,
    Kind.BYTES: st.binary(),
    Kind.TAG_READ: TAG_READS,
}


@st.composite
def readings(draw: st.DrawFn) -> list[Reading]:
    """Draw readings of a few signals, of any kind, status and time."""
    made = []
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(Kind))
        value = draw(st.none() | VALUES[kind])
        made.append(
            Reading(
                signal=SignalName(draw(st.sampled_from(["a", "b/c", "温度"])) + kind.name),
                kind=kind,
                value=value,
                gateway_time=draw(TIMES),
                source_time=draw(st.none() | TIMES),
                status=draw(st.sampled_from(Status)),
                code=draw(SIGNED),
                raw=draw(st.binary(max_size=9)),
            )
        )
    return made


@given(readings())
def test_columns_lose_nothing(made: list[Reading]) -> None:
    found = [reading for data in encode_columns(made) for reading in decode_column(data).readings()]
    assert sorted(map(shown, found)) == sorted(map(shown, made))


def shown(reading: Reading) -> str:
    """Return a reading as text that keeps the bits of a float."""
    value = reading.value
    bits = struct.pack(">d", value).hex() if isinstance(value, float) else repr(value)
    return f"{reading._replace(value=None)!r} {bits}"


SINGLE = struct.Struct("<f")
DECIMALS = st.builds(
    lambda number, decimals: number / 10**decimals,
    st.integers(-(10**6), 10**6) | st.integers(-(2**54), 2**54),
    st.integers(0, 11),
)


@given(
    st.sampled_from([Kind.FLOAT32, Kind.FLOAT64]),
    st.lists(DECIMALS | st.sampled_from([0.0, -0.0]), min_size=1, max_size=20),
    st.none() | FLOATS.filter(lambda value: abs(value) < 3e38),
)
def test_floats_of_few_decimals_keep_every_bit(
    kind: Kind, values: list[float], other: float | None
) -> None:
    values += [] if other is None else [other]
    if kind is Kind.FLOAT32:
        values = [SINGLE.unpack(SINGLE.pack(value))[0] for value in values]
    made = [Reading(SignalName("a"), kind, value, at) for at, value in enumerate(values)]
    (data,) = encode_columns(made)
    assert list(map(shown, decode_column(data).readings())) == list(map(shown, made))


@given(
    st.sampled_from([(Kind.FLOAT32, 2**24), (Kind.FLOAT64, 2**53)]),
    st.integers(0, 9),
    st.data(),
)
def test_a_decimal_is_the_float_nearest_to_it(
    width: tuple[Kind, int], decimals: int, data: st.DataObject
) -> None:
    kind, bound = width
    number = data.draw(st.integers(1 - bound, bound - 1))
    fields = cbor.decode(encode_columns([Reading(SignalName("a"), kind, 0.5, 0)])[0])
    assert isinstance(fields, list)
    fields[5] = [decimals, cbor.Tagged(64, b""), number]
    (reading,) = decode_column(cbor.encode(fields)).readings()
    nearest = float(Fraction(number, 10**decimals))  # correctly rounded by definition
    expected = SINGLE.unpack(SINGLE.pack(nearest))[0] if kind is Kind.FLOAT32 else nearest
    assert reading.value == expected


@given(st.permutations(range(9)), st.lists(st.integers(0, 8), max_size=9))
def test_a_chain_ends_the_same_in_any_order(order: list[int], repeats: list[int]) -> None:
    chain = Chain()
    stored: dict[int, bytes] = {}
    for number in [*order[:5], *repeats, *order[5:]]:
        link = links(9)[number]
        verdict, chain = step(chain, link, stored.get(number))
        assert (verdict is Verdict.REPEAT) == (number in stored)
        assert verdict is not Verdict.FORK
        stored[number] = link.leaf
    assert (chain.head, chain.end_reading, chain.waiting) == (8, 90, {})
