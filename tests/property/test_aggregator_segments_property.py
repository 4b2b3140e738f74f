"""Segments lose nothing: arrays, parts and whole series come back as they went in."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import EvidenceError
from aggregator.store.segments import codec
from aggregator.store.segments.arrays import Packed, pack, unpack
from aggregator.store.segments.build import times_between
from aggregator.store.segments.codec import ARRAYS, Part, Shared, decode_column, encode_segment
from protocols.wire.reading import Kind, TagRead

INT64 = st.integers(-(2**63), 2**63 - 1)
STEADY = st.builds(
    lambda start, step, jitter: [start + at * step + extra for at, extra in enumerate(jitter)],
    st.integers(-(2**40), 2**60),
    st.integers(0, 2**31),
    st.lists(st.integers(-300, 300), max_size=30),
)
NUMBERS = st.lists(INT64, max_size=40) | STEADY


@given(NUMBERS)
def test_an_array_comes_back(numbers: list[int]) -> None:
    first, packed = pack(np.array(numbers, np.int64))
    again = Packed.from_item(packed.item())
    assert unpack(again, first).tolist() == numbers


@given(STEADY, INT64)
def test_arrays_that_only_begin_elsewhere_are_one(numbers: list[int], shift: int) -> None:
    array = np.array(numbers, np.int64)
    with np.errstate(over="ignore"):
        moved = array + np.int64(shift)
    assert pack(array)[1] == pack(moved)[1]


def test_a_regular_clock_takes_no_room() -> None:
    _, packed = pack(np.arange(10**9, 10**9 + 3_600_000, 1_000, dtype=np.int64))
    assert (packed.order, packed.width, len(packed.data)) == (1, 0, 8)


@pytest.mark.parametrize(
    "item", [None, [], [0, 0, 1, 2, b"x"], [3, 0, 1, 1, b"x"], [0, 0, 3, 1, b"xxx"]]
)
def test_what_is_no_array_is_refused(item: Any) -> None:
    with pytest.raises(EvidenceError, match=r"array"):
        unpack(Packed.from_item(item))


FINITE = st.floats(allow_nan=False, allow_infinity=False)
TENTHS = st.integers(-(10**6), 10**6).map(lambda number: number / 10)
TAG_READS = st.builds(
    TagRead,
    epc=st.binary(max_size=12),
    epc_bits=st.integers(0, 96),
    antenna=st.integers(0, 4),
    rssi=st.integers(-9_000, 0),
    first_seen=st.integers(0, 2**62),
    last_seen=st.integers(0, 2**62),
    count=st.integers(0, 99),
)
VALUES: dict[Kind, tuple[st.SearchStrategy[Any], Any]] = {
    Kind.BOOL: (st.integers(0, 1), np.int64),
    Kind.INT: (INT64, np.int64),
    Kind.UINT: (st.integers(0, 2**64 - 1), np.uint64),
    Kind.FLOAT32: (st.floats(allow_nan=False, allow_infinity=False, width=32), np.float64),
    Kind.FLOAT64: (FINITE | TENTHS, np.float64),
    Kind.TEXT: (st.text(st.characters(exclude_categories=["Cs"]), max_size=9), np.object_),
    Kind.BYTES: (st.binary(max_size=9), np.object_),
    Kind.TAG_READ: (TAG_READS, np.object_),
}


@st.composite
def parts(draw: st.DrawFn) -> Part:
    """Draw a part of any kind."""
    kind = draw(st.sampled_from(Kind))
    count = draw(st.integers(1, 12))
    present = draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
    strategy, dtype = VALUES[kind]
    there = draw(st.lists(strategy, min_size=sum(present), max_size=sum(present)))
    values = np.empty(len(there), dtype)
    values[:] = there
    arrays = {
        name: np.array(draw(st.lists(INT64, min_size=count, max_size=count)), np.int64)
        for name in ARRAYS
    }
    return Part.given(kind, values, arrays | {"present": np.array(present, np.int64)})


def same(one: Part, other: Part) -> bool:
    """Tell whether two parts are the same to the last bit."""
    if one.values.dtype == np.float64:
        values = one.values.view(np.int64).tolist() == other.values.view(np.int64).tolist()
    else:
        values = one.values.tolist() == other.values.tolist()
    return (
        values
        and one.kind is other.kind
        and all(getattr(one, name).tolist() == getattr(other, name).tolist() for name in ARRAYS)
    )


@given(st.lists(parts(), max_size=4))
def test_a_segment_comes_back(several: list[Part]) -> None:
    encoded = encode_segment([*several, *several])  # twice, so that every array is shared
    shared = Shared(encoded.shared)
    for part, data in zip([*several, *several], encoded.columns, strict=True):
        assert same(decode_column(data, shared), part)


@given(parts(), st.integers(0, 400), st.integers(0, 3))
def test_a_damaged_segment_is_said_or_harmless(part: Part, at: int, bit: int) -> None:
    encoded = encode_segment([part])
    damaged = bytearray(encoded.columns[0])
    damaged[at % len(damaged)] ^= 1 << bit
    found = None
    with contextlib.suppress(EvidenceError):
        found = decode_column(bytes(damaged), Shared(encoded.shared))
    assert found is None or same(found, part)


@given(parts(), parts(), st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=2))
def test_a_column_matched_whole_is_what_the_strict_decoder_reads(
    part: Part, other: Part, changes: list[tuple[int, int]]
) -> None:
    """As it is or with bytes that differ; what is not matched is the decoder's to judge."""
    inflate = zstandard.ZstdDecompressor().decompress
    for column in encode_segment([part, replace(other, times=part.times), part]).columns:
        plain = bytearray(inflate(column))
        for place, byte in changes:
            plain[place % len(plain)] = byte
        with contextlib.suppress(EvidenceError):
            found = codec._usual(bytes(plain))
            assert found is None or found == codec._any(bytes(plain))


@given(parts(), INT64, INT64)
def test_a_window_takes_what_is_in_it_in_order_of_time(part: Part, one: int, other: int) -> None:
    start, stop = min(one, other), max(one, other)
    found = times_between(part, start, stop)
    expected = sorted(
        (time, at) for at, time in enumerate(part.times.tolist()) if start <= time < stop
    )
    assert found.times.tolist() == [time for time, _ in expected]
    assert found.positions.tolist() == [part.positions.tolist()[at] for _, at in expected]
    rank = np.cumsum(part.present) - 1
    values = [part.values[rank[at]] for _, at in expected if part.present[at] == 1]
    assert found.values.tolist() == [
        value.item() if isinstance(value, np.generic) else value for value in values
    ]


@given(st.lists(TENTHS, min_size=8, max_size=40))
def test_decimal_numbers_are_kept_as_integers(numbers: list[float]) -> None:
    array = np.array(numbers)
    part = Part.given(Kind.FLOAT64, array, {name: np.ones(len(array), np.int64) for name in ARRAYS})
    encoded = encode_segment([part])
    again = decode_column(encoded.columns[0], Shared(encoded.shared))
    assert [math.copysign(1, value) for value in again.values] == [
        math.copysign(1, value) for value in numbers
    ]
    assert again.values.tolist() == numbers
