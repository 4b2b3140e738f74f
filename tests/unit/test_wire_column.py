"""Columns: strict about everything that a compromised gateway could put into one."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.wire import cbor
from protocols.wire.column import decode_column, encode_column, encode_columns
from protocols.wire.errors import LimitError, WireError
from protocols.wire.limits import SIGNAL_NAME_BYTES_MAX, VALUE_BYTES_MAX
from protocols.wire.reading import Kind, Reading, SignalName, Status
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
        (Kind.INT, 5, cbor.Tagged(86, bytes(24))),
        (Kind.INT, 5, cbor.Tagged(71, b"\xff" * 24)),
        (Kind.BOOL, 5, u8(0, 1, 2)),
        (Kind.UINT, 5, cbor.Tagged(72, b"\xff\x01\x01")),
        (Kind.FLOAT64, 5, NAN),
        (Kind.FLOAT64, 5, cbor.Tagged(85, bytes(12))),
        (Kind.FLOAT32, 5, INFINITE),
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
