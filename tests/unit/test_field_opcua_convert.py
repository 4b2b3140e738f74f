"""From DataValue to reading."""

from __future__ import annotations

import math
import struct
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import ua

from protocols.field.opcua.change import change_of
from protocols.field.opcua.convert import reading_of, refused_reading
from protocols.field.opcua.settings import OpcuaSignal
from protocols.wire.limits import VALUE_BYTES_MAX
from protocols.wire.reading import SECOND, Doubt, Kind, Reading, Status

NOW = 1_795_000_000 * SECOND
MOMENT = datetime(2026, 11, 18, 10, 13, 20, 123456, tzinfo=UTC)
MOMENT_NS = 1_794_996_800 * SECOND + 123_456_000


def read(
    value: object,
    variant: ua.VariantType,
    kind: Kind,
    *,
    status: int = 0,
    source: datetime | None = None,
    server: datetime | None = None,
    initial: bool = False,
    skew_max: int | None = 7_200 * SECOND,
) -> Reading:
    data = ua.DataValue(
        ua.Variant(value, variant),
        StatusCode=ua.StatusCode(status),
        SourceTimestamp=source,
        ServerTimestamp=server,
    )
    signal = OpcuaSignal(name="s", address="i=1", kind=kind)
    change = change_of(1, data)
    return reading_of(signal, change, gateway_time=NOW, skew_max=skew_max, initial=initial)


@pytest.mark.parametrize(
    ("value", "variant", "kind"),
    [
        (True, ua.VariantType.Boolean, Kind.BOOL),
        (-128, ua.VariantType.SByte, Kind.INT),
        (255, ua.VariantType.Byte, Kind.UINT),
        (-(2**63), ua.VariantType.Int64, Kind.INT),
        (2**64 - 1, ua.VariantType.UInt64, Kind.UINT),
        (0.5, ua.VariantType.Float, Kind.FLOAT32),
        (0.1, ua.VariantType.Double, Kind.FLOAT64),
        (7, ua.VariantType.UInt16, Kind.FLOAT64),
        ("批次", ua.VariantType.String, Kind.TEXT),
        (b"\x00\xff", ua.VariantType.ByteString, Kind.BYTES),
    ],
)
def test_a_value_of_its_kind_is_good(value: object, variant: ua.VariantType, kind: Kind) -> None:
    reading = read(value, variant, kind)
    assert (reading.value, reading.status, reading.code, reading.raw) == (
        value,
        Status.GOOD,
        0,
        b"",
    )


def test_localized_text_is_text() -> None:
    reading = read(ua.LocalizedText("offen", "de"), ua.VariantType.LocalizedText, Kind.TEXT)
    assert (reading.value, reading.status) == ("offen", Status.GOOD)


@pytest.mark.parametrize(
    ("value", "variant", "kind", "doubt"),
    [
        (math.nan, ua.VariantType.Double, Kind.FLOAT64, Doubt.NOT_FINITE),
        (math.inf, ua.VariantType.Float, Kind.FLOAT32, Doubt.NOT_FINITE),
        (1e300, ua.VariantType.Double, Kind.FLOAT32, Doubt.OUT_OF_RANGE),
        (1.5, ua.VariantType.Double, Kind.INT, Doubt.WRONG_TYPE),
        (-1, ua.VariantType.Int32, Kind.UINT, Doubt.OUT_OF_RANGE),
        (1, ua.VariantType.Int32, Kind.BOOL, Doubt.WRONG_TYPE),
        (True, ua.VariantType.Boolean, Kind.INT, Doubt.WRONG_TYPE),
        (b"\x01", ua.VariantType.ByteString, Kind.FLOAT64, Doubt.WRONG_TYPE),
        (b"\x01", ua.VariantType.ByteString, Kind.TEXT, Doubt.WRONG_TYPE),
        ([1.0, 2.0], ua.VariantType.Double, Kind.FLOAT64, Doubt.WRONG_TYPE),
        ([1, 2], ua.VariantType.Byte, Kind.BYTES, Doubt.WRONG_TYPE),
        (uuid.UUID(int=5), ua.VariantType.Guid, Kind.TEXT, Doubt.WRONG_TYPE),
        (MOMENT, ua.VariantType.DateTime, Kind.INT, Doubt.WRONG_TYPE),
        ("x" * (VALUE_BYTES_MAX + 1), ua.VariantType.String, Kind.TEXT, Doubt.OUT_OF_RANGE),
    ],
)
def test_a_value_that_does_not_fit_is_bad_and_kept(
    value: object, variant: ua.VariantType, kind: Kind, doubt: Doubt
) -> None:
    reading = read(value, variant, kind)
    assert (reading.value, reading.status, reading.code) == (None, Status.BAD, doubt)
    assert 0 < len(reading.raw) <= VALUE_BYTES_MAX


def test_an_array_keeps_its_encoded_form() -> None:
    reading = read([1.0, 2.0], ua.VariantType.Double, Kind.FLOAT64)
    assert reading.raw == b"\x8b" + struct.pack("<idd", 2, 1.0, 2.0)  # OPC 10000-6 section 5.2.2.16


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ua.StatusCodes.Good, Status.GOOD),
        (ua.StatusCodes.GoodClamped, Status.GOOD),
        (ua.StatusCodes.UncertainLastUsableValue, Status.UNCERTAIN),
        (ua.StatusCodes.BadSensorFailure, Status.BAD),
        (0xC0000000, Status.BAD),
    ],
)
def test_severity_is_the_servers_and_its_code_is_kept(code: int, status: Status) -> None:
    reading = read(21.5, ua.VariantType.Double, Kind.FLOAT64, status=code)
    assert (reading.status, reading.code) == (status, code)


def test_nan_under_a_bad_status_keeps_the_servers_code() -> None:
    bad = ua.StatusCodes.BadSensorFailure
    reading = read(math.nan, ua.VariantType.Double, Kind.FLOAT64, status=bad)
    assert (reading.value, reading.status, reading.code) == (None, Status.BAD, bad)


def test_source_time_is_exact_to_the_microsecond() -> None:
    reading = read(1.0, ua.VariantType.Double, Kind.FLOAT64, source=MOMENT)
    assert (reading.source_time, reading.status) == (MOMENT_NS, Status.GOOD)


def test_no_source_time_is_none() -> None:
    null = datetime(1601, 1, 1, tzinfo=UTC)
    assert read(1.0, ua.VariantType.Double, Kind.FLOAT64).source_time is None
    assert read(1.0, ua.VariantType.Double, Kind.FLOAT64, source=null).source_time is None


@pytest.mark.parametrize("days", [-1, 1])
@pytest.mark.parametrize("initial", [False, True])
def test_an_impossible_time_is_never_good(days: int, initial: bool) -> None:
    reading = read(
        1.0,
        ua.VariantType.Double,
        Kind.FLOAT64,
        source=MOMENT + timedelta(days=days),
        server=MOMENT + timedelta(days=days),
        initial=initial,
    )
    assert (reading.status, reading.code) == (Status.UNCERTAIN, Doubt.IMPOSSIBLE_TIME)


def test_a_first_value_may_be_old_where_the_server_knows_it_now() -> None:
    reading = read(
        1.0,
        ua.VariantType.Double,
        Kind.FLOAT64,
        source=MOMENT - timedelta(days=30),
        server=MOMENT,
        initial=True,
    )
    assert reading.status is Status.GOOD


def test_a_time_beyond_64_bits_is_doubted_whatever_our_own_clock_is() -> None:
    reading = read(
        1.0,
        ua.VariantType.Double,
        Kind.FLOAT64,
        source=datetime(9999, 12, 31, tzinfo=UTC),
        skew_max=None,
    )
    assert (reading.status, reading.source_time) == (Status.UNCERTAIN, 2**63 - 1)


def test_overflow_is_seen_only_among_a_data_values_info_bits() -> None:
    def data(code: int) -> ua.DataValue:
        return ua.DataValue(ua.Variant(1.0), StatusCode=ua.StatusCode(code))

    assert change_of(1, data(0x0480)).overflowed
    assert change_of(1, data(0x40900480)).overflowed
    assert not change_of(1, data(0x0080)).overflowed
    assert not change_of(1, data(0x0400)).overflowed


def test_a_refused_signal_is_bad_with_the_servers_code() -> None:
    signal = OpcuaSignal(name="s", address="i=1")
    reading = refused_reading(signal, 0x80340000, NOW)
    assert (reading.value, reading.status, reading.code) == (None, Status.BAD, 0x80340000)
