"""What a source sent becomes a reading that is never more trusting than it should be."""

from __future__ import annotations

import math
import struct

import pytest

from protocols.wire.reading import Doubt, Kind, Reading, SignalName, Status, TagRead, judge

NOW = 1_790_000_000_000_000_000
DAY = 86_400_000_000_000
SEEN_TAG_READ = TagRead(
    epc=b"\x30", epc_bits=8, antenna=1, rssi=-5000, first_seen=NOW, last_seen=NOW, count=1
)


def read(kind: Kind, value: object, **more: object) -> Reading:
    return judge(signal=SignalName("s"), kind=kind, value=value, gateway_time=NOW, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.BOOL, True),
        (Kind.INT, -(2**63)),
        (Kind.UINT, 2**64 - 1),
        (Kind.FLOAT32, 0.5),
        (Kind.FLOAT64, 1e308),
        (Kind.TEXT, "批"),
        (Kind.BYTES, b"\x00"),
        (Kind.TAG_READ, SEEN_TAG_READ),
    ],
)
def test_a_value_of_its_kind_is_kept_as_it_came(kind: Kind, value: object) -> None:
    reading = read(kind, value)
    assert (reading.value, reading.status, reading.code, reading.raw) == (
        value,
        Status.GOOD,
        0,
        b"",
    )


@pytest.mark.parametrize(
    ("kind", "value", "doubt"),
    [
        (Kind.FLOAT64, math.nan, Doubt.NOT_FINITE),
        (Kind.FLOAT64, -math.inf, Doubt.NOT_FINITE),
        (Kind.FLOAT32, 1e39, Doubt.OUT_OF_RANGE),
        (Kind.FLOAT64, "12.5", Doubt.WRONG_TYPE),
        (Kind.FLOAT64, True, Doubt.WRONG_TYPE),
        (Kind.FLOAT64, b"\x01\x02", Doubt.WRONG_TYPE),
        (Kind.INT, 2**63, Doubt.OUT_OF_RANGE),
        (Kind.UINT, -1, Doubt.OUT_OF_RANGE),
        (Kind.INT, 1.0, Doubt.WRONG_TYPE),
        (Kind.INT, True, Doubt.WRONG_TYPE),
        (Kind.BOOL, 1, Doubt.WRONG_TYPE),
        (Kind.TEXT, b"x", Doubt.WRONG_TYPE),
        (Kind.TAG_READ, "x", Doubt.WRONG_TYPE),
        (Kind.FLOAT64, None, Doubt.NO_VALUE),
    ],
)
def test_what_does_not_fit_its_kind_is_bad_and_says_why(
    kind: Kind, value: object, doubt: Doubt
) -> None:
    reading = read(kind, value)
    assert (reading.value, reading.status, reading.code) == (None, Status.BAD, doubt)


def test_a_value_that_cannot_be_held_is_kept_raw() -> None:
    assert read(Kind.FLOAT64, math.nan).raw == struct.pack(">d", math.nan)
    assert read(Kind.FLOAT64, b"\x01").raw == b"\x01"
    assert read(Kind.INT, "seven").raw == b"'seven'"


def test_an_integer_may_stand_for_a_float_and_loses_nothing_unseen() -> None:
    assert read(Kind.FLOAT64, 3).value == 3.0
    assert read(Kind.FLOAT32, 0.1).value == struct.unpack("<f", struct.pack("<f", 0.1))[0]


def test_the_sources_own_word_is_kept() -> None:
    reading = read(Kind.FLOAT64, math.nan, status=Status.UNCERTAIN, code=0x40000000)
    assert (reading.status, reading.code) == (Status.BAD, 0x40000000)


@pytest.mark.parametrize("away", [DAY, -DAY])
def test_an_impossible_time_is_never_good(away: int) -> None:
    reading = read(Kind.FLOAT64, 1.5, source_time=NOW + away, skew_max=60_000_000_000)
    assert (reading.status, reading.code) == (Status.UNCERTAIN, Doubt.IMPOSSIBLE_TIME)
    assert (reading.value, reading.source_time) == (1.5, NOW + away)


def test_an_impossible_time_of_a_bad_reading_places_it_nowhere_and_is_kept() -> None:
    reading = read(
        Kind.FLOAT64, None, status=Status.BAD, code=7, source_time=NOW + DAY, skew_max=DAY // 2
    )
    assert (reading.status, reading.code, reading.source_time) == (Status.BAD, 7, None)
    assert str(NOW + DAY).encode() in reading.raw


def test_a_clock_that_is_not_trusted_judges_no_time() -> None:
    assert read(Kind.FLOAT64, 1.5, source_time=0, skew_max=None).status is Status.GOOD
