"""The columns of a few signals in stored bodies, found without decoding those of the others.

A body was decoded strictly when its bundle was taken in and when it was indexed, and its hash says
that it is the same; here its byte strings are walked over alone. The bundles of one line have the
same signals in the same order, so a column is known by how the one in its place began before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from protocols.wire import cbor
from protocols.wire.errors import MalformedError
from protocols.wire.reading import SignalName


class Own(NamedTuple):
    """A column of one of the signals."""

    signal: int  # place among the finder's signals
    readings: int
    data: bytes  # as it was sealed


class ColumnFinder:
    """Finds the columns of ``signals`` in one inflated body after another."""

    def __init__(self, signals: Sequence[SignalName]) -> None:
        self._wanted = {
            _COLUMN + cbor.encode(signal): place for place, signal in enumerate(signals)
        }
        self._begins: list[bytes] = []  # of the columns of the last body
        self._places: list[int | None] = []  # of their signals

    def find(self, body: bytes) -> list[Own]:
        """Return the signals' columns, in order, of a body that was decoded strictly before.

        Raises MalformedError where the lengths in ``body`` do not fill it.
        """
        try:
            found, end = self._walk(body)
        except IndexError:
            end = -1
        if end != len(body):
            raise MalformedError("the columns of a body do not fill it")
        return found

    def _walk(self, body: bytes) -> tuple[list[Own], int]:
        """Return the columns, and where the last of them all ends."""
        seed, start = _head(body, 1)  # behind the head of [seed, columns]
        count, at = _head(body, start + seed)
        begins, places = self._begins, self._places
        found = []
        for column in range(count):
            if body[at] == _ONE_BYTE:  # inlined: most columns are somebody else's
                start = at + 2
                stop = start + body[at + 1]
            else:
                length, start = _head(body, at)
                stop = start + length
            if column == len(begins):
                begins.append(_NOTHING)
                places.append(None)
            if not body.startswith(begins[column], start):
                size, named = _head(body, start + 1)
                begins[column] = body[start : named + size]
                places[column] = self._wanted.get(begins[column])
            place = places[column]
            if place is not None:
                kind = _head(body, start + len(begins[column]))
                found.append(Own(place, _head(body, kind.start).argument, body[start:stop]))
            at = stop
        return found, at


_COLUMN: Final = b"\x89"  # head of an array of nine, behind which the signal's name stands
_NOTHING: Final = b"\xff"  # as no column begins
_ONE_BYTE: Final = 0x58  # head of a byte string whose length follows in one byte


class _Head(NamedTuple):
    """The argument of an item's head, and where what follows the head begins."""

    argument: int
    start: int


def _head(data: bytes, at: int) -> _Head:
    """Read the head of an item (RFC 8949 section 3)."""
    short = data[at] & 0x1F
    if short < 24:
        return _Head(short, at + 1)
    stop = at + 1 + (1 << (short - 24))
    return _Head(int.from_bytes(data[at + 1 : stop], "big"), stop)
