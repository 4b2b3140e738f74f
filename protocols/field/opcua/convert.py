"""From an OPC UA DataValue to a reading (OPC 10000-4 sections 7.11 and 7.39)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from asyncua import ua
from asyncua.ua.ua_binary import variant_to_binary

from protocols.field.opcua.settings import OpcuaSignal
from protocols.wire.limits import VALUE_BYTES_MAX
from protocols.wire.reading import Doubt, Nanoseconds, Reading, SignalName, Status, judge


def reading_of(
    signal: OpcuaSignal,
    data: ua.DataValue,
    *,
    gateway_time: Nanoseconds,
    skew_max: Nanoseconds | None,
    initial: bool = False,
) -> Reading:
    """Return what the server sent for the signal, judged.

    ``initial`` says that it is the first value of a subscription: its source time tells when the
    value last changed, which may be long ago. It is believed where the server's own time, at
    which the server knew it to be so, is right.
    """
    code = data.StatusCode.value if data.StatusCode is not None else 0
    source_time, skew_max = _source_time(data, gateway_time, skew_max, initial=initial)
    value, raw = _plain(data.Value)
    status = _SEVERITY[code >> 30]
    if isinstance(value, str | bytes) and _size(value) > VALUE_BYTES_MAX:
        raw, value = _octets(value)[:VALUE_BYTES_MAX], None
        if status is not Status.BAD:
            status, code = Status.BAD, Doubt.OUT_OF_RANGE
    return judge(
        signal=SignalName(signal.name),
        kind=signal.kind,
        value=value,
        gateway_time=gateway_time,
        source_time=source_time,
        status=status,
        code=code,
        raw=raw,
        skew_max=skew_max,
    )


def refused_reading(signal: OpcuaSignal, code: int, gateway_time: Nanoseconds) -> Reading:
    """Return the reading of a signal that the server refuses to observe, with its status code."""
    return judge(
        signal=SignalName(signal.name),
        kind=signal.kind,
        value=None,
        gateway_time=gateway_time,
        status=Status.BAD,
        code=code,
    )


def has_overflowed(data: ua.DataValue) -> bool:
    """Whether the server's queue lost values before this one (OPC 10000-4 section 7.39.1)."""
    code = data.StatusCode.value if data.StatusCode is not None else 0
    return code & _INFO_TYPE == _DATA_VALUE and bool(code & _OVERFLOW)


_SEVERITY: Final = (Status.GOOD, Status.UNCERTAIN, Status.BAD, Status.BAD)  # the fourth is reserved
_INFO_TYPE: Final = 0b11 << 10
_DATA_VALUE: Final = 0b01 << 10
_OVERFLOW: Final = 1 << 7

_INTEGERS: Final = frozenset(
    {
        ua.VariantType.SByte,
        ua.VariantType.Byte,
        ua.VariantType.Int16,
        ua.VariantType.UInt16,
        ua.VariantType.Int32,
        ua.VariantType.UInt32,
        ua.VariantType.Int64,
        ua.VariantType.UInt64,
    }
)
_FLOATS: Final = frozenset({ua.VariantType.Float, ua.VariantType.Double})


def _plain(variant: ua.Variant | None) -> tuple[object, bytes]:
    """Return the value in Python's own types; what has none there, with its encoded form."""
    if variant is None or variant.Value is None:
        return None, b""
    value, kind = variant.Value, variant.VariantType
    if not isinstance(value, list):
        if kind is ua.VariantType.Boolean:
            return bool(value), b""
        if kind in _INTEGERS:
            return int(value), b""
        if kind in _FLOATS:
            return float(value), b""
        if kind is ua.VariantType.String:
            return str(value), b""
        if kind is ua.VariantType.LocalizedText:
            return value.Text, b""
        if kind is ua.VariantType.ByteString:
            return bytes(value), b""
    return value, _encoded(variant)[:VALUE_BYTES_MAX]


def _encoded(variant: ua.Variant) -> bytes:
    try:
        return bytes(variant_to_binary(variant))
    except Exception:  # noqa: BLE001 -- a type that asyncua decodes and cannot encode again
        return repr(variant.Value).encode(errors="replace")


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NULL: Final = datetime(1601, 1, 1, tzinfo=UTC)  # the encoding's zero: no time was given
_INT64_MAX: Final = 2**63 - 1


def _source_time(
    data: ua.DataValue,
    gateway_time: Nanoseconds,
    skew_max: Nanoseconds | None,
    *,
    initial: bool,
) -> tuple[Nanoseconds | None, Nanoseconds | None]:
    """Return the source time and how far it may stray."""
    source_time = _nanoseconds(data.SourceTimestamp)
    if source_time is None:
        return None, skew_max
    if abs(source_time) > _INT64_MAX:
        return _INT64_MAX, 0  # no clock is there, whatever our own says
    server_time = _nanoseconds(data.ServerTimestamp)
    if initial and skew_max is not None and source_time <= gateway_time and server_time is not None:
        known_lately = abs(server_time - gateway_time) <= skew_max
        return source_time, None if known_lately else skew_max
    return source_time, skew_max


def _nanoseconds(time: datetime | None) -> Nanoseconds | None:
    if time is None:
        return None
    time = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    if time <= _NULL:
        return None
    since = time - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def _octets(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode(errors="replace")


def _size(value: str | bytes) -> int:
    return len(_octets(value))
