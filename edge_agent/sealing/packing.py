"""From readings to bodies that every party will accept: what breaks a limit is refused alone.

One reading that cannot be sealed must not stop the others, and must not poison the bundle that
the aggregator would then have to quarantine whole. So what the strict decoder of
``protocols.wire`` would refuse is refused here, counted by reason.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Final

from protocols.wire.bundle import SEED_BYTES, Body, pack_body
from protocols.wire.column import encode_column, encode_columns
from protocols.wire.errors import LimitError, WireError
from protocols.wire.limits import (
    BODY_INFLATED_BYTES_MAX,
    COLUMNS_PER_BUNDLE_MAX,
    HEADER_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    READINGS_PER_BUNDLE_MAX,
)
from protocols.wire.reading import Kind, Nanoseconds, Reading, TagRead

_BODY_BYTES_MAX: Final = MESSAGE_BYTES_MAX - HEADER_BYTES_MAX - 16
_INFLATED_BYTES_MAX: Final = BODY_INFLATED_BYTES_MAX - 16 * COLUMNS_PER_BUNDLE_MAX
_TIME_MAX: Final = 2**63
_FLOAT64: Final = Kind.FLOAT64  # a member is slow to find by its name


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A body ready to be sealed, and what its header says of it."""

    body: bytes
    body_hash: bytes
    root: bytes
    count: int
    first_time: Nanoseconds | None  # None where there is no reading
    last_time: Nanoseconds | None


@dataclass(slots=True)
class Sifted:
    """Readings that can be sealed, and those that cannot."""

    sound: list[Reading] = field(default_factory=list)
    refused: list[Reading] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)


def pack(readings: Sequence[Reading]) -> tuple[list[Packed], Sifted]:
    """Return bodies that hold all readings but those refused; one without readings if none is left.

    More than one body where one would break a limit of the wire.
    """
    sifted = _sift(readings)
    try:
        return _pack(sifted.sound), sifted
    except _UNSEALABLE:
        sifted = _sift_by_trial(sifted)
        return _pack_apart(sifted.sound), sifted


def _pack(readings: Sequence[Reading]) -> list[Packed]:
    if len(readings) <= READINGS_PER_BUNDLE_MAX:
        columns = encode_columns(readings)
        body = Body(os.urandom(SEED_BYTES), columns)
        if len(columns) <= COLUMNS_PER_BUNDLE_MAX and sum(map(len, columns)) < _INFLATED_BYTES_MAX:
            data = pack_body(body)
            if len(data) <= _BODY_BYTES_MAX:
                times = [reading.gateway_time for reading in readings]
                packed = Packed(
                    body=data,
                    body_hash=hashlib.sha256(data).digest(),
                    root=body.root(),
                    count=len(readings),
                    first_time=min(times, default=None),
                    last_time=max(times, default=None),
                )
                return [packed]
    half = len(readings) // 2
    return _pack(readings[:half]) + _pack(readings[half:])


def _pack_apart(readings: Sequence[Reading]) -> list[Packed]:
    """Pack readings each of which can be sealed, in more bodies where some cannot stand together.

    A column holds differences of times: one of the year 1700 is too far from today's for 64 bits.
    """
    try:
        return _pack(readings)
    except LimitError:
        half = len(readings) // 2
        if half == 0:
            raise
        return _pack_apart(readings[:half]) + _pack_apart(readings[half:])


# What encoding raises for values that are not what their kind says.
_UNSEALABLE: Final = (WireError, ValueError, TypeError, OverflowError, AttributeError)


def _sift_by_trial(sifted: Sifted) -> Sifted:
    """Find out one by one which readings cannot be encoded."""
    found = Sifted(refused=sifted.refused, reasons=sifted.reasons)
    for reading in sifted.sound:
        try:
            encode_column([reading])
        except _UNSEALABLE as error:
            found.refused.append(reading)
            found.reasons[getattr(error, "reason", "malformed")] += 1
        else:
            found.sound.append(reading)
    return found


def _sift(readings: Iterable[Reading]) -> Sifted:
    """Set apart what the wire's decoder would refuse although the encoder lets it pass."""
    sifted = Sifted()
    for reading in readings:
        _, kind, value, gateway_time, source_time, _, _, _ = reading
        if (
            type(value) is float  # most are numbers that need no more than a look
            and kind is _FLOAT64
            and isfinite(value)
            and 0 <= gateway_time < _TIME_MAX
            and (source_time is None or -_TIME_MAX <= source_time < _TIME_MAX)
        ) or (reason := _fault(reading)) is None:
            sifted.sound.append(reading)
        else:
            sifted.refused.append(reading)
            sifted.reasons[reason] += 1
    return sifted


def _fault(reading: Reading) -> str | None:
    """Return why the wire's decoder would refuse what the encoder lets pass, None if it would not.

    A driver that made its readings with ``judge`` never meets this.
    """
    if not 0 <= reading.gateway_time < _TIME_MAX or not _is_time(reading.source_time):
        return "malformed"
    value, kind = reading.value, reading.kind
    if value is None:
        return None
    if kind is Kind.FLOAT64:
        return None if isinstance(value, float) and isfinite(value) else "malformed"
    return None if _fits(kind, value) else "malformed"


def _is_time(time: Nanoseconds | None) -> bool:
    return time is None or -_TIME_MAX <= time < _TIME_MAX


def _fits(kind: Kind, value: object) -> bool:
    if kind is Kind.INT or kind is Kind.UINT:
        low, high = _BOUNDS[kind]
        return type(value) is int and low <= value < high
    if kind is Kind.FLOAT32:
        return isinstance(value, float) and abs(value) <= _FLOAT32_MAX  # NaN is not
    if isinstance(value, TagRead):
        times = value.first_seen, value.last_seen
        return kind is Kind.TAG_READ and type(value.epc) is bytes and all(map(_is_time, times))
    return type(value) is _TYPES.get(kind)


_BOUNDS: Final = {Kind.INT: (-(2**63), 2**63), Kind.UINT: (0, 2**64)}
_FLOAT32_MAX: Final = 3.4028234663852886e38  # IEEE 754 binary32
_TYPES: Final[dict[Kind, type]] = {Kind.BOOL: bool, Kind.TEXT: str, Kind.BYTES: bytes}


def span(readings: Iterable[Reading], default: Nanoseconds) -> tuple[Nanoseconds, Nanoseconds]:
    """Return the first and last gateway time of ``readings``, bounded to what a gap can state."""
    times = [time for r in readings if 0 <= (time := r.gateway_time) < _TIME_MAX]
    return min(times, default=default), max(times, default=default)
