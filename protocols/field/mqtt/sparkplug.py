"""The payload of Sparkplug B (specification 3.0.0, section 6.4), read by hand and within bounds.

The message is Google's Protocol Buffers encoding; of its fields those are read that a host needs.
What is unknown is passed over, as that encoding asks for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Metric", "Payload", "SparkplugError", "decode_payload", "encode_rebirth"]


class SparkplugError(ValueError):
    """Octets that are no payload of Sparkplug B."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One value of a message."""

    name: str = ""
    alias: int | None = None
    time_ms: int | None = None
    datatype: int = 0
    historical: bool = False
    null: bool = False
    quality: int | None = None  # of the property "Quality": 192 good, 0 bad, 500 stale
    value: int | float | bool | str | bytes | None = None  # None where of a type not read here
    raw: bytes = b""  # the metric as it came


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One message."""

    time_ms: int | None = None
    seq: int | None = None
    metrics: tuple[Metric, ...] = field(default=())


def decode_payload(data: bytes) -> Payload:
    """Return the message that the octets are; raise SparkplugError."""
    found: dict[int, int] = {}
    metrics: list[Metric] = []
    for number, value in _fields(data):
        if number == 2 and isinstance(value, bytes):
            metrics.append(_metric(value))
        elif number in (1, 3) and isinstance(value, int):
            found[number] = value
    return Payload(time_ms=found.get(1), seq=found.get(3), metrics=tuple(metrics))


def typed(value: object, datatype: int) -> int | float | bool | str | bytes | None:
    """Return a value as its data type has it: negative numbers travel as unsigned ones."""
    bits = _SIGNED.get(datatype)
    if bits is not None and isinstance(value, int):
        value &= (1 << bits) - 1
        return value - (1 << bits) if value >> (bits - 1) else value
    if datatype == _BOOLEAN and isinstance(value, int):
        return bool(value)
    return value if isinstance(value, int | float | str | bytes) else None


def encode_rebirth(time_ms: int) -> bytes:
    """Return the command that asks a node for its birth (section 6.4.19)."""
    name = b"Node Control/Rebirth"
    metric = _field(1, name) + _field(3, time_ms) + _field(4, _BOOLEAN) + _field(14, 1)
    return _field(1, time_ms) + _field(2, metric)


def _metric(data: bytes) -> Metric:
    found: dict[int, Any] = dict(_fields(data))  # of a field that stands twice the last counts
    value: Any = None
    for number, kind in _VALUES.items():
        if number in found and isinstance(found[number], kind):
            value = found[number]
    if 12 in found and isinstance(found[12], bytes):
        (value,) = struct.unpack("<f", found[12]) if len(found[12]) == 4 else (None,)
    if 13 in found and isinstance(found[13], bytes):
        (value,) = struct.unpack("<d", found[13]) if len(found[13]) == 8 else (None,)
    datatype = _whole(found, 4) or 0
    text = found.get(15)
    return Metric(
        name=_text(found.get(1)),
        alias=_whole(found, 2),
        time_ms=_whole(found, 3),
        datatype=datatype,
        historical=bool(found.get(5)),
        null=bool(found.get(7)),
        quality=_quality(found.get(9)),
        value=_text(text) if isinstance(text, bytes) else typed(value, datatype),
        raw=data,
    )


def _quality(data: Any) -> int | None:
    """Return the property "Quality" of a metric (section 6.4.8)."""
    if not isinstance(data, bytes):
        return None
    names = [value for number, value in _fields(data) if number == 1]
    values = [value for number, value in _fields(data) if number == 2]
    for name, value in zip(names, values, strict=False):
        if name == b"Quality" and isinstance(value, bytes):
            return _whole(dict(_fields(value)), 3)
    return None


def _whole(found: dict[int, Any], number: int) -> int | None:
    value = found.get(number)
    return value if isinstance(value, int) else None


def _text(value: Any) -> str:
    if not isinstance(value, bytes):
        return ""
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise SparkplugError(f"a text is no UTF-8: {error}") from error


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield field numbers and values: whole numbers, or octets for all else."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in _FIXED:
            length = _FIXED[wire]
        else:
            raise SparkplugError(f"wire type {wire} is none")
        if number == 0 or at + length > len(data):
            raise SparkplugError("a field reaches beyond the end")
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise SparkplugError("a number reaches beyond the end")
        octet = data[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value & _UINT64_MAX, at
    raise SparkplugError("a number is longer than ten octets")


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _number(number << 3 | _VARINT) + _number(value)
    return _number(number << 3 | _BYTES) + _number(len(value)) + value


def _number(value: int) -> bytes:
    made = bytearray()
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*made, value))


_VARINT, _BYTES = 0, 2
_FIXED: Final = {1: 8, 5: 4}
_UINT64_MAX: Final = 2**64 - 1
_BOOLEAN: Final = 11
_SIGNED: Final = {1: 8, 2: 16, 3: 32, 4: 64}
"""Bits of Int8 to Int64."""
_VALUES: Final = {10: int, 11: int, 14: int, 16: bytes}
"""Fields of int_value, long_value, boolean_value and bytes_value."""
