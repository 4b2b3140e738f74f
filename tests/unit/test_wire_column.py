"""Columns: strict about everything that a compromised gateway could put into one."""

from __future__ import annotations

import contextlib
import math
from array import array
from typing import Any

import pytest

from protocols.wire import cbor
from protocols.wire.column import decode_column, encode_column, encode_columns
from protocols.wire.errors import LimitError, MalformedError, WireError
from protocols.wire.limits import SIGNAL_NAME_BYTES_MAX, VALUE_BYTES_MAX
from protocols.wire.reading import Kind, Reading, SignalName, Status
from protocols.wire.values.arrays import narrow, typed
from tests.sealed import START


def reading(kind: Kind = Kind.INT, value: Any = 1, at: int = 0, **changes: Any) -> Reading:
    made = Reading(
        signal=SignalName("s"),
        kind=kind,
        value=value,
        gateway_time=START + at,
        source_time=START + at,
    )
    return made._replace(**changes)


def fields(kind: Kind = Kind.INT, values: tuple[Any, ...] = (1, 2, 3)) -> list[Any]:
    """Return the nine fields of a good column of three."""
    data = encode_column([reading(kind, value, at) for at, value in enumerate(values)])
    found = cbor.decode(data)
    if not isinstance(found, list):
        raise TypeError
    return found


def u8(*numbers: int) -> cbor.Tagged:
    return cbor.Tagged(64, bytes(numbers))


NAN = cbor.Tagged(86, bytes.fromhex("000000000000f87f") + bytes(16))
INFINITE = cbor.Tagged(85, bytes.fromhex("0000807f") + bytes(8))


@pytest.mark.parametrize(
    ("kind", "at", "item"),
    [
        (Kind.INT, 0, ""),
        (Kind.INT, 0, "x" * (SIGNAL_NAME_BYTES_MAX + 1)),
        (Kind.INT, 0, "a\x00b"),
        (Kind.INT, 0, b"s"),
        (Kind.INT, 1, 8),
        (Kind.INT, 1, -1),
        (Kind.INT, 2, 0),
        (Kind.INT, 2, 2),
        (Kind.INT, 2, 2**40),
        (Kind.INT, 3, [START, 1, u8(1)]),
        (Kind.INT, 3, [START, 3, u8(1, 1)]),
        (Kind.INT, 3, [2**63, 1, u8(1, 1)]),
        (Kind.INT, 3, [2**62, 1_000_000_000, cbor.Tagged(71, b"\xff" * 16)]),
        (Kind.INT, 3, None),
        (Kind.INT, 3, [START, 1, cbor.Tagged(69, bytes(3))]),
        (Kind.INT, 4, [START, 1]),
        (Kind.INT, 5, u8(1, 2)),
        (Kind.INT, 5, [1, 2, 3]),
        (Kind.INT, 5, [u8(1, 1, 1), 1]),
        (Kind.INT, 5, [1, u8(1, 1)]),
        (Kind.INT, 5, [u8(1, 1), 2**63 - 1]),
        (Kind.INT, 5, [u8(1, 1), -(2**63) - 1]),
        (Kind.UINT, 5, [u8(1, 1), -1]),
        (Kind.UINT, 5, [cbor.Tagged(72, b"\xff\x02"), 0]),
        (Kind.UINT, 5, [u8(0, 1), 2**64 - 1]),
        (Kind.BOOL, 5, [u8(0, 1), 0]),
        (Kind.INT, 5, cbor.Tagged(86, bytes(24))),
        (Kind.INT, 5, cbor.Tagged(71, b"\xff" * 24)),
        (Kind.BOOL, 5, u8(0, 1, 2)),
        (Kind.UINT, 5, cbor.Tagged(72, b"\xff\x01\x01")),
        (Kind.FLOAT64, 5, NAN),
        (Kind.FLOAT64, 5, cbor.Tagged(85, bytes(12))),
        (Kind.FLOAT32, 5, INFINITE),
        (Kind.FLOAT64, 5, [10, u8(1, 1), 1]),
        (Kind.FLOAT64, 5, [-1, u8(1, 1), 1]),
        (Kind.FLOAT64, 5, [None, u8(1, 1), 1]),
        (Kind.FLOAT64, 5, [1, u8(1, 1)]),
        (Kind.FLOAT64, 5, [u8(1, 1), 1]),
        (Kind.FLOAT64, 5, [1, u8(1), 1]),
        (Kind.FLOAT64, 5, [1, u8(1, 1, 1), 1]),
        (Kind.FLOAT64, 5, [1, cbor.Tagged(86, bytes(16)), 1]),
        (Kind.FLOAT64, 5, [1, u8(1, 1), 2**53 - 2]),
        (Kind.FLOAT64, 5, [1, u8(1, 1), -(2**53)]),
        (Kind.FLOAT64, 5, [1, cbor.Tagged(79, b"\xff" * 7 + b"\x7f" + b"\x00" * 7 + b"\x80"), 1]),
        (Kind.FLOAT32, 5, [1, u8(1, 1), 2**24 - 2]),
        (Kind.FLOAT32, 5, [1, u8(1, 1), -(2**24)]),
        (Kind.TEXT, 5, ["a", "b", b"c"]),
        (Kind.BYTES, 5, [b"a", b"b", bytes(VALUE_BYTES_MAX + 1)]),
        (Kind.TAG_READ, 5, [[b""] * 3]),
        (Kind.INT, 6, u8()),
        (Kind.INT, 6, u8(1, 1)),
        (Kind.INT, 6, u8(2, 1)),
        (Kind.INT, 6, u8(3)),
        (Kind.INT, 7, []),
        (Kind.INT, 7, [[2, 0, 0]]),
        (Kind.INT, 7, [[3, 3, 0]]),
        (Kind.INT, 7, [[3, 0, 2**63]]),
        (Kind.INT, 7, [[4, 0, 0], [-1, 0, 0]]),
        (Kind.INT, 7, 1),
        (Kind.INT, 8, {}),
        (Kind.INT, 8, {3: b"x"}),
        (Kind.INT, 8, {0: b""}),
        (Kind.INT, 8, {0: "x"}),
        (Kind.INT, 8, {"0": b"x"}),
    ],
)
def test_one_wrong_field_refuses_the_column(kind: Kind, at: int, item: Any) -> None:
    values: dict[Kind, tuple[Any, ...]] = {
        Kind.BOOL: (True, False, True),
        Kind.TEXT: ("a", "b", "c"),
        Kind.BYTES: (b"a", b"b", b"c"),
        Kind.TAG_READ: (None, None, None),
        Kind.FLOAT32: (1.0, 2.0, 3.0),
        Kind.FLOAT64: (1.0, 2.0, 3.0),
    }
    good = fields(kind, values.get(kind, (1, 2, 3)))
    decode_column(cbor.encode(good))
    good[at] = item
    with pytest.raises(WireError):
        decode_column(cbor.encode(good))


def test_readings_with_and_without_a_source_time_stand_in_two_columns() -> None:
    columns = [
        decode_column(data)
        for data in encode_columns([reading(at=0), reading(at=1, source_time=None)])
    ]
    assert [column.source_times is None for column in columns] == [False, True]


def test_a_status_run_holds_for_its_readings() -> None:
    made = [
        reading(at=0),
        reading(value=None, at=1, status=Status.BAD, code=-5, raw=b"?"),
        reading(at=2, status=Status.UNCERTAIN, code=7),
    ]
    assert list(decode_column(encode_column(made)).readings()) == made


@pytest.mark.parametrize(
    "wrong",
    [
        reading(signal=SignalName("")),
        reading(signal=SignalName("x" * (SIGNAL_NAME_BYTES_MAX + 1))),
        reading(signal=SignalName("\ud800")),
        reading(raw=bytes(VALUE_BYTES_MAX + 1)),
        reading(Kind.TEXT, "x" * (VALUE_BYTES_MAX + 1)),
        reading(value=2**64),
    ],
)
def test_what_would_be_refused_is_not_encoded(wrong: Reading) -> None:
    with pytest.raises(LimitError):
        encode_column([wrong])


def test_times_take_the_widest_step_that_loses_nothing() -> None:
    for step in (1_000_000_000, 1_000_000, 1_000, 100, 1):
        column = [reading(at=at * step * 3) for at in range(4)]
        found = cbor.decode(encode_column(column))
        assert isinstance(found, list)
        assert found[3] == [START, step, u8(3, 3, 3)]


def i8(*numbers: int) -> cbor.Tagged:
    return cbor.Tagged(72, array("b", numbers).tobytes())


@pytest.mark.parametrize(
    ("kind", "values", "form"),
    [
        (Kind.INT, (5, 6, 8), [u8(1, 2), 5]),
        (Kind.INT, (-(2**63), 2**63 - 1), [cbor.Tagged(71, b"\xff" * 8), -(2**63)]),
        (Kind.UINT, (2**64 - 1,), [u8(), 2**64 - 1]),
        (Kind.FLOAT64, (20.5, 20.25, 20.0), [2, i8(-25, -25), 2050]),
        (Kind.FLOAT64, (130.0,), [0, u8(), 130]),
        (Kind.FLOAT64, (0.0, 0.0), [0, u8(0), 0]),
        (Kind.FLOAT64, (1e-9, 2e-9), [9, u8(1), 1]),
        (Kind.FLOAT64, (1.0, 1.5, 1.25, 1.0), [2, i8(50, -25, -25), 100]),
        (Kind.FLOAT64, (2.0**53 - 1, 2.0**53 - 2), [0, i8(-1), 2**53 - 1]),
        (Kind.FLOAT32, (0.5, 0.75, 1.25), [2, u8(25, 50), 50]),
        (Kind.FLOAT32, (2.0**24 - 1, 2.0**24 - 2, 2.0**24 - 2), [0, i8(-1, 0), 2**24 - 1]),
    ],
)
def test_values_near_each_other_are_written_as_deltas(
    kind: Kind, values: tuple[Any, ...], form: list[Any]
) -> None:
    assert fields(kind, values)[5] == form


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Kind.INT, (2**63 - 1, -(2**63))),  # 65 bits apart
        (Kind.UINT, (0, 200, 0)),  # deltas would be wider
        (Kind.INT, ()),
        (Kind.FLOAT64, ()),
        (Kind.FLOAT64, (0.1, 0.1 + 0.2)),  # not 0.3
        (Kind.FLOAT64, (1e-10, 2e-10)),  # ten decimals
        (Kind.FLOAT64, (-0.0,)),
        (Kind.FLOAT64, (1.5, -0.0)),
        (Kind.FLOAT64, (2.0**53, 1.0)),  # over the bound
        (Kind.FLOAT64, (0.5, 1e300)),
        (Kind.FLOAT64, (1e300, 0.5)),
        (Kind.FLOAT64, (5e-324, 0.5)),
        (Kind.FLOAT64, (1e9, 0.001)),  # exact, and no smaller
        (Kind.FLOAT32, (130.25,)),  # exact, and no smaller
        (Kind.FLOAT32, (2.0**24, 1.0, 1.0, 1.0)),
    ],
)
def test_values_that_deltas_do_not_make_smaller_stay_as_they_are(
    kind: Kind, values: tuple[Any, ...]
) -> None:
    code = {Kind.FLOAT64: "d", Kind.FLOAT32: "f"}.get(kind)
    made = [reading(kind, value, at) for at, value in enumerate(values)] or [reading(kind, None)]
    column = decode_column(encode_column(made))
    found = cbor.decode(encode_column(made))
    assert isinstance(found, list)
    assert isinstance(found[5], cbor.Tagged)
    assert list(column.readings()) == made
    if code:
        assert found[5].content == array(code, values).tobytes()


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_left_to_the_decoder_to_refuse(wrong: float) -> None:
    for kind, values in [(Kind.FLOAT64, (1.5, wrong)), (Kind.FLOAT32, (wrong, 1.5))]:
        data = encode_column([reading(kind, value, at) for at, value in enumerate(values)])
        with pytest.raises(MalformedError, match="NaN or infinity"):
            decode_column(data)


@pytest.mark.parametrize(
    ("code", "low", "high"),
    [
        ("B", 0, 2**8 - 1), ("b", -(2**7), 2**7 - 1),
        ("H", 0, 2**16 - 1), ("h", -(2**15), 2**15 - 1),
        ("I", 0, 2**32 - 1), ("i", -(2**31), 2**31 - 1),
        ("Q", 0, 2**64 - 1), ("q", -(2**63), 2**63 - 1),
    ],
)  # fmt: skip
def test_integers_stand_in_the_narrowest_array_that_holds_them(
    code: str, low: int, high: int
) -> None:
    assert narrow([low, high]) == (typed(array(code, [low, high])), 2 * array(code).itemsize)
    for alone in (low, high):  # it is written by itself
        assert narrow([alone]) == narrow_array([alone])
    beyond = [low, high + 1] if low else [high + 1]
    if code in "Qq":
        with pytest.raises(LimitError):
            narrow(beyond)
    else:
        assert narrow(beyond) == narrow_array(beyond)
        assert narrow(beyond)[1] // len(beyond) > array(code).itemsize


def narrow_array(numbers: list[int]) -> tuple[bytes, int]:
    """Return the first array that takes the numbers, by trial."""
    for code in "BbHhIiQq":
        with contextlib.suppress(OverflowError):
            found = array(code, numbers)
            return typed(found), len(found) * found.itemsize
    raise AssertionError(numbers)
