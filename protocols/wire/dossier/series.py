"""A series: the readings of one signal that a batch record rests on, as they were when it was made.

The bundles prove what the gateway sealed; the series repeats the record's readings beside them,
bundle by bundle. Where one of the two was altered afterwards, the reading that differs is named.
A series is the CBOR array ``[signal, [[gateway, epoch, first, counts, columns], ...]]``: from the
bundle ``first`` on, ``counts`` says how many readings each bundle gave, and ``columns`` holds them
all in order, in the form that bundles use (docs/specs/dossier.md).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Final, NamedTuple

from protocols.wire import cbor
from protocols.wire.column import Column, decode_column, encode_column
from protocols.wire.errors import MalformedError
from protocols.wire.header import Epoch, GatewayId, check_gateway_id
from protocols.wire.limits import READINGS_PER_BUNDLE_MAX
from protocols.wire.reading import Doubt, Nanoseconds, Reading, SignalName


class Interval(NamedTuple):
    """A half-open stretch of time: ``start`` belongs to it, ``end`` does not."""

    start: Nanoseconds
    end: Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The readings of the series that one chain gave."""

    gateway: GatewayId
    epoch: Epoch
    first: int  # number of the bundle that readings[0] came from
    readings: tuple[tuple[Reading, ...], ...]  # one entry a bundle, in order of reading numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The readings of one signal, chain by chain."""

    signal: SignalName
    parts: tuple[Part, ...]


def reading_time(reading: Reading) -> Nanoseconds:
    """Return the time that decides to which lot a reading belongs: the source's, if it is believed.

    The gateway's time stands in where the source gives none, or one that the gateway has marked as
    impossible.
    """
    if reading.source_time is None or reading.code == Doubt.IMPOSSIBLE_TIME:
        return reading.gateway_time
    return reading.source_time


def select(readings: Iterable[Reading], intervals: Sequence[Interval]) -> tuple[Reading, ...]:
    """Return the readings whose time lies in one of ``intervals``, in the order given."""
    return tuple(
        reading
        for reading in readings
        if any(start <= reading_time(reading) < end for start, end in intervals)
    )


def readings_of(
    columns: Iterable[Column], signal: SignalName, intervals: Sequence[Interval]
) -> tuple[Reading, ...]:
    """Return what one bundle's columns, in their order, give for a series of ``signal``."""
    own = (column for column in columns if column.signal == signal)
    return select((reading for column in own for reading in column.readings()), intervals)


def encode_series(series: Series) -> bytes:
    """Return the deterministic CBOR of ``series``."""
    parts: list[cbor.Item] = []
    for part in series.parts:
        counts = struct.pack(f"<{len(part.readings)}I", *map(len, part.readings))
        flat = [reading for bundle in part.readings for reading in bundle]
        if any(reading.signal != series.signal for reading in flat):
            raise MalformedError(
                f"a reading of another signal stands in the series {series.signal}"
            )
        columns = [encode_column(run) for run in _runs(flat)]
        typed = cbor.Tagged(_UINT32, counts)
        parts.append([part.gateway, part.epoch, part.first, typed, columns])
    return cbor.encode([series.signal, parts])


def decode_series(data: bytes) -> Series:
    """Return the series that ``data`` is; MalformedError or LimitError if it is none."""
    match cbor.decode(data, booleans=False):
        case [str(signal), list(parts)]:
            name = SignalName(signal)
            return Series(signal=name, parts=tuple(_part(name, part) for part in parts))
    raise MalformedError("a series is not [signal, parts]")


_UINT32: Final = 70
"""Tag of a typed array of 32-bit unsigned integers, little-endian (RFC 8746 section 2.1)."""


def _runs(readings: Sequence[Reading]) -> Iterable[Sequence[Reading]]:
    """Cut readings into what one column holds: one kind, with source times or without, bounded."""
    for _, group in groupby(readings, lambda reading: (reading.kind, reading.source_time is None)):
        while run := tuple(islice(group, READINGS_PER_BUNDLE_MAX)):
            yield run


def _part(signal: SignalName, item: cbor.Item) -> Part:
    match item:
        case [
            str(gateway),
            bytes(epoch),
            int(first),
            cbor.Tagged(70, bytes(packed)),
            list(columns),
        ]:
            pass
        case _:
            raise MalformedError("a series' part is not [gateway, epoch, first, counts, columns]")
    if len(epoch) != 16 or first < 0 or len(packed) % 4:
        raise MalformedError("a series' part has a wrong epoch, number or counts")
    readings: list[Reading] = []
    for column in columns:
        if not isinstance(column, bytes):
            raise MalformedError("a series' column is not a byte string")
        readings.extend(decode_column(column).readings())
    if any(reading.signal != signal for reading in readings):
        raise MalformedError(f"a reading of another signal stands in the series {signal}")
    counts = struct.unpack(f"<{len(packed) // 4}I", packed)
    if sum(counts) != len(readings):
        raise MalformedError("a series' counts do not add up to its readings")
    rest = iter(readings)
    return Part(
        gateway=check_gateway_id(gateway),
        epoch=Epoch(epoch),
        first=first,
        readings=tuple(tuple(islice(rest, count)) for count in counts),
    )
