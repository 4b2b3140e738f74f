"""What a server says of one monitored item, in plain words (OPC 10000-4 section 7.11)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

from asyncua import ua
from asyncua.ua.ua_binary import variant_to_binary

from protocols.wire.limits import VALUE_BYTES_MAX
from protocols.wire.reading import Nanoseconds


class Change(NamedTuple):
    """A value with its status and times."""

    handle: int  # which item: the number that we gave it
    value: object  # in Python's own type; what has none there as asyncua gives it
    raw: bytes  # the encoded value, cut to its bound, where Python has no type for it
    code: int  # status code
    source_time: Nanoseconds | None  # None: not given
    server_time: Nanoseconds | None

    @property
    def overflowed(self) -> bool:
        """Whether the server's queue lost values before this one (OPC 10000-4 section 7.39.1)."""
        return self.code & _INFO_TYPE == _DATA_VALUE and bool(self.code & _OVERFLOW)


def change_of(handle: int, data: ua.DataValue) -> Change:
    """Return a value as asyncua decoded it as a change."""
    value, raw = _plain(data.Value)
    return Change(
        handle=handle,
        value=value,
        raw=raw,
        code=data.StatusCode.value if data.StatusCode is not None else 0,
        source_time=nanoseconds(data.SourceTimestamp),
        server_time=nanoseconds(data.ServerTimestamp),
    )


def plain_of(value: object) -> tuple[object, bytes]:
    """Return a part of a value in Python's own types; what has none there, with a form of it."""
    if isinstance(value, ua.Variant):
        return _plain(value)
    if isinstance(value, ua.LocalizedText):
        return value.Text, b""
    if isinstance(value, bool | float | str | bytes) or value is None:
        return value, b""
    if isinstance(value, int):
        return int(value), b""
    return value, repr(value).encode(errors="replace")[:VALUE_BYTES_MAX]


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


def nanoseconds(time: datetime | None) -> Nanoseconds | None:
    """Return a time as asyncua decoded it; None for the encoding's zero, which says nothing."""
    if time is None:
        return None
    time = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    if time <= _NULL:
        return None
    since = time - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
