"""A series: the readings of one signal that a batch record rests on, as they were when it was made.

The bundles prove what the gateway sealed; the series repeats the record's readings beside them,
bundle by bundle. Where one of the two was altered afterwards, the reading that differs is named.
A series is the CBOR array ``[signal, [[gateway, epoch, first, counts, columns], ...]]``: from the
bundle ``first`` on, ``counts`` says how many columns each bundle gave, and ``columns`` holds them
all in order: as the gateway sealed them, but for those that an interval cuts
(docs/specs/dossier.md).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from protocols.wire import cbor
from protocols.wire.column import decode_column, encode_column
from protocols.wire.dossier.placement import Placement
from protocols.wire.errors import MalformedError
from protocols.wire.header import Epoch, GatewayId, check_gateway_id
from protocols.wire.reading import Doubt, Nanoseconds, Reading, SignalName


class Interval(NamedTuple):
    """A half-open stretch of time: ``start`` belongs to it, ``end`` does not."""

    start: Nanoseconds
    end: Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The columns of the series that one chain gave."""

    gateway: GatewayId
    epoch: Epoch
    first: int  # number of the bundle that counts[0] speaks of
    counts: tuple[int, ...]  # columns that each bundle gave, 0 where it gave no reading
    columns: tuple[bytes, ...]  # of all of them, in the order of their bundles and within those


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The readings of one signal, chain by chain."""

    signal: SignalName
    parts: tuple[Part, ...]


class PackedPart(NamedTuple):
    """A part whose columns stand end to end, each as a CBOR byte string with its head."""

    gateway: GatewayId
    epoch: Epoch
    first: int
    counts: Sequence[int]
    columns: bytes


class Run(NamedTuple):
    """The readings of a series that one bundle gave, in their order."""

    gateway: GatewayId
    epoch: Epoch
    number: int
    readings: tuple[Reading, ...]


def reading_time(reading: Reading, placement: Placement | None = None) -> Nanoseconds:
    """Return the time that decides to which lot a reading belongs: the source's, if it is believed.

    The gateway's time stands in where the source gives none, or one that the gateway has marked as
    impossible. ``placement`` is that of the reading's bundle, where its clock was in doubt: it
    places a time that is the gateway's.
    """
    time = reading.source_time
    if time is None or reading.code == Doubt.IMPOSSIBLE_TIME:
        time = reading.gateway_time
    if placement is not None and time == reading.gateway_time:
        return placement.time(time)
    return time


def select(
    readings: Iterable[Reading],
    intervals: Sequence[Interval],
    placement: Placement | None = None,
) -> tuple[Reading, ...]:
    """Return the readings whose time lies in one of ``intervals``, in the order given."""
    return tuple(
        reading
        for reading in readings
        if any(start <= reading_time(reading, placement) < end for start, end in intervals)
    )


def cut(
    column: bytes, intervals: Sequence[Interval], placement: Placement | None = None
) -> bytes | None:
    """Return what a series over ``intervals`` holds of a bundle's column, None for no reading.

    It is the column itself where all its readings are within, else one of those that are.
    """
    readings = tuple(decode_column(column).readings())
    chosen = select(readings, intervals, placement)
    if len(chosen) == len(readings):
        return column
    return encode_column(chosen) if chosen else None


def encode_series(series: Series) -> bytes:
    """Return the deterministic CBOR of ``series``."""
    return encode_packed(
        series.signal,
        [
            PackedPart(part.gateway, part.epoch, part.first, part.counts, packed(part.columns))
            for part in series.parts
        ],
    )


def encode_packed(signal: SignalName, parts: Sequence[PackedPart]) -> bytes:
    """Return the deterministic CBOR of a series; the bytes of its columns go in as they are."""
    pieces = [cbor.array_head(2), cbor.encode(signal), cbor.array_head(len(parts))]
    for part in parts:
        counts = cbor.Tagged(_UINT32, struct.pack(f"<{len(part.counts)}I", *part.counts))
        fields: tuple[cbor.Item, ...] = (part.gateway, part.epoch, part.first, counts)
        pieces += [cbor.array_head(5), *map(cbor.encode, fields)]
        pieces += [cbor.array_head(sum(part.counts)), part.columns]
    return b"".join(pieces)


def packed(columns: Iterable[bytes]) -> bytes:
    """Return columns end to end, as a ``PackedPart`` has them."""
    return b"".join(map(cbor.encode, columns))


def unpacked(columns: bytes) -> Iterator[bytes]:
    """Yield the columns that ``packed`` was given; MalformedError for anything else."""
    stop = 0
    while stop < len(columns):
        start, stop = cbor.byte_string_at(columns, stop)
        if not 0 < start <= stop <= len(columns):
            raise MalformedError("columns do not stand end to end")
        yield columns[start:stop]


def decode_series(data: bytes) -> Series:
    """Return the series that ``data`` is; MalformedError or LimitError if it is none.

    The columns stay undecoded; ``read_runs`` reads them.
    """
    match cbor.decode(data, items_max=ITEMS_MAX, booleans=False):
        case [str(signal), list(parts)]:
            return Series(signal=SignalName(signal), parts=tuple(map(_part, parts)))
    raise MalformedError("a series is not [signal, parts]")


def read_runs(series: Series) -> Iterator[Run]:
    """Yield the readings of each bundle of a series; MalformedError or LimitError for no column."""
    for part in series.parts:
        columns = iter(part.columns)
        for number, count in enumerate(part.counts, part.first):
            readings: list[Reading] = []
            for _ in range(count):
                column = decode_column(next(columns))
                if column.signal != series.signal:
                    raise MalformedError(
                        f"a reading of another signal stands in the series {series.signal}"
                    )
                readings.extend(column.readings())
            yield Run(part.gateway, part.epoch, number, tuple(readings))


ITEMS_MAX: Final = 4_000_000
"""Items of a series, about as many as its columns."""

_UINT32: Final = 70
"""Tag of a typed array of 32-bit unsigned integers, little-endian (RFC 8746 section 2.1)."""


def _part(item: cbor.Item) -> Part:
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
    if not all(type(column) is bytes for column in columns):
        raise MalformedError("a series' column is not a byte string")
    counts = struct.unpack(f"<{len(packed) // 4}I", packed)
    if sum(counts) != len(columns):
        raise MalformedError("a series' counts do not add up to its columns")
    return Part(
        gateway=check_gateway_id(gateway),
        epoch=Epoch(epoch),
        first=first,
        counts=counts,
        columns=tuple(columns),
    )
