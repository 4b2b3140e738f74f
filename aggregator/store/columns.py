"""The columns of a few signals in stored bodies, found without decoding those of the others.

A body was decoded strictly when its bundle was taken in and when it was indexed, and its hash says
that it is the same; here its byte strings are walked over alone. The bundles of one line have the
same signals in the same order, so that many bodies are walked over at once, column by column; one
that is different is walked over by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from aggregator.model.series import Integers
from protocols.wire import cbor
from protocols.wire.errors import MalformedError
from protocols.wire.reading import SignalName


class Taken(NamedTuple):
    """The columns of one signal in a run of bodies, as they were sealed."""

    counts: Integers  # of columns, one entry a body; 0 for one that is wrong
    readings: Integers  # in those columns, one entry a body
    sizes: Integers  # of those columns, in bytes of ``data``, one entry a body
    data: bytes  # the columns of all bodies in order, each a CBOR byte string with its head

    @classmethod
    def joined(cls, several: Sequence[Taken]) -> Taken:
        """Return the columns of runs that follow one another."""
        counts, readings, sizes = (
            np.concatenate([np.empty(0, np.int64), *arrays])
            for arrays in zip(*(each[:3] for each in several), strict=True)
        )
        return cls(counts, readings, sizes, b"".join(each.data for each in several))


class Finding(NamedTuple):
    """What came of looking through a run of bodies."""

    taken: list[Taken]  # one for each signal
    wrong: dict[int, MalformedError]  # by the body's place: its lengths do not fill it


NO_BODY: Final = cbor.encode([b"", []])
"""Stands in the place of a body that has no columns to be found."""


class ColumnFinder:
    """Finds the columns of ``signals`` in runs of inflated bodies that were decoded before."""

    def __init__(self, signals: Sequence[SignalName]) -> None:
        self._wanted = {
            _COLUMN + cbor.encode(signal): place for place, signal in enumerate(signals)
        }

    def find(self, bodies: Sequence[bytes]) -> Finding:
        """Return the signals' columns in ``bodies``, and which of these are malformed."""
        counts, readings = np.zeros((2, len(self._wanted), len(bodies)), np.int64)
        data = [[b""] * len(bodies) for _ in self._wanted]
        left, wrong = np.arange(len(bodies) if self._wanted else 0), {}
        for _ in range(_LAYOUTS_MAX):
            if len(left) < _TOGETHER_MIN:
                break
            places, found = _walk_together([bodies[place] for place in left.tolist()], self._wanted)
            for own in found:
                counts[own.signal, left[places]] += 1
                readings[own.signal, left[places]] += own.readings
                _add(data[own.signal], left[places], own.pieces)
            left = np.delete(left, places)
        for place in left.tolist():
            try:
                for own in _walk(bodies[place], self._wanted):
                    counts[own.signal, place] += 1
                    readings[own.signal, place] += own.readings[0]
                    data[own.signal][place] += own.pieces[0]
            except (IndexError, MalformedError):
                wrong[place] = MalformedError("the columns of a body do not fill it")
        sizes = [np.array([*map(len, own)], np.int64) for own in data]
        taken = zip(counts, readings, sizes, map(b"".join, data), strict=True)
        return Finding([Taken(*own) for own in taken], wrong)


def _add(data: list[bytes], places: Integers, pieces: list[bytes]) -> None:
    """Add a piece at each place."""
    if len(places) == len(data) and not any(data):
        data[:] = pieces
        return
    for place, piece in zip(places.tolist(), pieces, strict=True):
        data[place] += piece


class _Own(NamedTuple):
    """A column of a signal in one body, or in each of many."""

    signal: int
    readings: Integers
    pieces: list[bytes]


class _Stretches(NamedTuple):
    """Where the columns of a signal stand in bodies end to end."""

    signal: int
    readings: Integers
    starts: Integers
    stops: Integers


def _walk(body: bytes, wanted: Mapping[bytes, int]) -> list[_Own]:
    """Return the wanted columns of a body; IndexError or MalformedError where a length lies."""
    found = []
    count, at = _columns(body)
    for _ in range(count):
        start, stop = cbor.byte_string_at(body, at)
        if not start:
            raise MalformedError("a column is not a byte string")
        begin = _begin(body, start)
        if begin in wanted:
            kind = _head(body, start + len(begin))
            readings = _head(body, kind.start).argument
            found.append(_Own(wanted[begin], np.array([readings]), [body[at:stop]]))
        at = stop
    if at != len(body):
        raise IndexError(at)
    return found


def _walk_together(
    bodies: Sequence[bytes], wanted: Mapping[bytes, int]
) -> tuple[Integers, list[_Own]]:
    """Return the places of bodies that have the columns of the first one, and the wanted ones.

    A body of another form, or with a length that lies, is not among the places.
    """
    model = bodies[0]
    try:
        count, place = _columns(model)
        together = _Together(bodies, [_columns(body) == (count, place) for body in bodies], place)
        for _ in range(count):
            start, stop = cbor.byte_string_at(model, place)
            begin = _begin(model, start)
            together.step(begin, wanted.get(begin))
            place = stop
    except IndexError:
        return np.empty(0, np.int64), []
    return together.end()


class _Together:
    """A cursor in each of many bodies; those that turn out to be different are left out."""

    def __init__(self, bodies: Sequence[bytes], like: Sequence[bool], at: int) -> None:
        """Begin at byte ``at`` of the bodies that are alike up to there."""
        self._whole = b"".join((*bodies, bytes(_PAD)))
        self._octets = np.frombuffer(self._whole, np.uint8)
        self._ends = np.cumsum([*map(len, bodies)], dtype=np.int64)
        self._at = np.concatenate(([0], self._ends[:-1])) + at
        self._places = np.arange(len(bodies))
        self._found: list[_Stretches] = []
        self._keep(np.array(like))

    def step(self, begin: bytes, signal: int | None) -> None:
        """Go past a column that begins with ``begin``, and keep it if it is that of a signal."""
        at = self._at
        rows = self._windows(at, 2 + len(begin))
        start: Integers = at + 2
        stop: Integers = start + rows[:, 1]
        rows[:, 1] = 0
        if rows.tobytes() != (_SHORT + begin) * len(at):  # else all begin alike, as they should
            start, stop = self._stretches(begin)
        if signal is not None:
            stop = self._take(signal, start + len(begin), stop)
        self._at = stop

    def _stretches(self, begin: bytes) -> tuple[Integers, Integers]:
        """Leave out the bodies with another column here, and return where that of the others is."""
        octets, at = self._octets, self._at
        head, length = octets[at], octets[at + 1].astype(np.int64)
        wide = head == _TWO_BYTES
        start: Integers = at + 2 + wide
        length = np.where(wide, length << 8 | octets[at + 2], length)
        like = (self._windows(start, len(begin)) == np.frombuffer(begin, np.uint8)).all(axis=1)
        like &= wide | (head == _ONE_BYTE)
        self._keep(like)
        return start[like], (start + length)[like]

    def _take(self, signal: int, kind: Integers, stop: Integers) -> Integers:
        """Keep the columns here as those of ``signal``; return where those end that are kept."""
        octets = self._octets
        count = octets[kind + 1]
        one, two = octets[kind + 2].astype(np.int64), octets[kind + 3]
        wide, wider = count == _ONE_MORE, count == _ONE_MORE + 1
        readings = np.where(wide, one, np.where(wider, one << 8 | two, count))
        self._found.append(_Stretches(signal, readings, self._at, stop))
        # A longer head, or one that is longer than it needs to be, is looked at alone.
        like = (octets[kind] < _ONE_MORE) & ((count < _ONE_MORE) | wide | wider)
        like &= stop - self._at >= np.where(octets[self._at] == _TWO_BYTES, 256 + 3, 24 + 2)
        self._keep(like)
        kept: Integers = stop[like]
        return kept

    def _windows(self, at: Integers, size: int) -> npt.NDArray[np.uint8]:
        """Return ``size`` bytes from each of the places, a row each."""
        if size > _PAD:
            raise IndexError(size)
        count = len(self._whole) - size
        windows = np.ndarray((count,), f"V{size}", self._whole, strides=(1,))
        return windows[at].view(np.uint8).reshape(len(at), size)

    def end(self) -> tuple[Integers, list[_Own]]:
        """Return the places of the bodies that end here, and what was kept of them."""
        self._keep(self._at == self._ends)
        whole = self._whole
        return self._places, [
            _Own(
                each.signal,
                each.readings,
                [
                    whole[a:b]
                    for a, b in zip(each.starts.tolist(), each.stops.tolist(), strict=True)
                ],
            )
            for each in self._found
        ]

    def _keep(self, like: npt.NDArray[np.bool_]) -> None:
        if not like.all():
            self._places, self._at, self._ends = (
                each[like] for each in (self._places, self._at, self._ends)
            )
            self._found = [
                _Stretches(each.signal, each.readings[like], each.starts[like], each.stops[like])
                for each in self._found
            ]


_COLUMN: Final = b"\x89"  # head of an array of nine, behind which the signal's name stands
_ONE_BYTE: Final = 0x58  # head of a byte string whose length follows in one byte
_TWO_BYTES: Final = 0x59
_SHORT: Final = bytes((_ONE_BYTE, 0))
_ONE_MORE: Final = 24  # head of an integer that follows in one byte; one more: in two
_PAD: Final = 4096  # bytes behind the last body, so that a length that lies leads nowhere
_LAYOUTS_MAX: Final = 8
_TOGETHER_MIN: Final = 8
"""Bodies that are worth walking over at once, and so many layouts of them are tried."""


class _Head(NamedTuple):
    """The argument of an item's head, and where what follows the head begins."""

    argument: int
    start: int


def _columns(body: bytes) -> tuple[int, int]:
    """Return how many columns a body says it has, and where the first begins; -1 for no body."""
    try:
        seed, start = _head(body, 1)  # behind the head of [seed, columns]
        return _head(body, start + seed)
    except IndexError:
        return -1, -1


def _begin(body: bytes, start: int) -> bytes:
    """Return a column's bytes from its start to the end of its signal's name."""
    size, named = _head(body, start + 1)
    return body[start : named + size]


def _head(data: bytes, at: int) -> _Head:
    """Read the head of an item (RFC 8949 section 3)."""
    short = data[at] & 0x1F
    if short < 24:
        return _Head(short, at + 1)
    stop = at + 1 + (1 << (short - 24))
    return _Head(int.from_bytes(data[at + 1 : stop], "big"), stop)
