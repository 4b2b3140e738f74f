"""The readings that a record rests on, in the form in which a dossier carries them.

A series repeats a parameter's readings bundle by bundle, exactly as the gateway sealed them
(docs/specs/dossier.md, "Series"): the record names it by its hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aggregator.model.series import SignalKey
from protocols.wire import cbor
from protocols.wire.bundle import inflate_body, split_bundle
from protocols.wire.column import decode_column
from protocols.wire.dossier.series import Interval, Part, Series, encode_series, select
from protocols.wire.header import Epoch, GatewayId
from protocols.wire.reading import Reading


class Numbered(NamedTuple):
    """A stored bundle and its number."""

    number: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The bundles ``first`` to ``last`` of one chain, in order, those that are stored."""

    gateway: GatewayId
    epoch: Epoch
    first: int
    last: int
    bundles: Sequence[Numbered]


def series_of(
    chains: Sequence[Chain], wanted: Mapping[SignalKey, Sequence[Interval]]
) -> dict[SignalKey, bytes]:
    """Return the series of each wanted signal over its intervals, encoded.

    Bundles are opened without checking their seals: whoever asks has had them verified. A bundle
    that is missing counts as one without readings.
    """
    parts: dict[SignalKey, list[Part]] = {key: [] for key in wanted}
    for chain in chains:
        own = {key: intervals for key, intervals in wanted.items() if key.gateway == chain.gateway}
        if not own:
            continue
        runs = {key: _Run() for key in own}
        heads = {key: _head(key) for key in own}
        for number, data in chain.bundles:
            columns = tuple(_columns(data))
            for key, intervals in own.items():
                runs[key].add(number, select(_readings(columns, heads[key]), intervals))
        for key, run in runs.items():
            if run.readings:
                parts[key].append(
                    Part(
                        gateway=chain.gateway,
                        epoch=chain.epoch,
                        first=run.first,
                        readings=tuple(run.readings),
                    )
                )
    return {
        key: encode_series(Series(signal=key.signal, parts=tuple(found)))
        for key, found in parts.items()
    }


class _Run:
    """Readings of consecutive bundles, from the first that has one to the last that has one."""

    def __init__(self) -> None:
        self.first = 0
        self.readings: list[tuple[Reading, ...]] = []

    def add(self, number: int, readings: tuple[Reading, ...]) -> None:
        if not readings:
            return
        if not self.readings:
            self.first = number
        empty = number - self.first - len(self.readings)
        self.readings.extend([()] * empty)
        self.readings.append(readings)


def _columns(data: bytes) -> Iterator[bytes]:
    """Yield the columns of a stored bundle's body, undecoded.

    The body was decoded strictly when the bundle was taken in, and its hash says that it is the
    same; here its byte strings are walked over alone, so that many other signals cost little.
    """
    inflated = inflate_body(split_bundle(data).body)
    seed, start = _length(inflated, 1)  # behind the head of [seed, columns]
    count, at = _length(inflated, start + seed)
    for _ in range(count):
        length, start = _length(inflated, at)
        at = start + length
        yield inflated[start:at]


class _Length(NamedTuple):
    """The argument of an item's head, and where what follows the head begins."""

    argument: int
    start: int


def _length(data: bytes, at: int) -> _Length:
    """Read the head of a byte string or an array (RFC 8949 section 3)."""
    short = data[at] & 0x1F
    if short < 24:
        return _Length(short, at + 1)
    stop = at + 1 + (1 << (short - 24))
    return _Length(int.from_bytes(data[at + 1 : stop], "big"), stop)


def _readings(columns: Iterable[bytes], head: bytes) -> tuple[Reading, ...]:
    return tuple(
        reading
        for column in columns
        if column.startswith(head)
        for reading in decode_column(column).readings()
    )


def _head(key: SignalKey) -> bytes:
    """Return how each column of the signal begins: others need not be decoded to be left out."""
    return b"\x89" + cbor.encode(key.signal)
