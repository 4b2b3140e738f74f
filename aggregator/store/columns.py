"""The columns of a few signals in stored bodies, found without decoding those of the others.

A body was decoded strictly when its bundle was taken in and when it was indexed, and its hash says
that it is the same; here its byte strings are walked over alone. The bundles of one line are laid
out alike: where every head of a body stands as in one before, the walk need not be made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from protocols.wire import cbor
from protocols.wire.reading import SignalName


class Own(NamedTuple):
    """The columns of one signal in one body."""

    columns: tuple[bytes, ...]  # as sealed, in their order
    readings: int  # in all of them


class ColumnFinder:
    """Finds the columns of ``signals`` in one inflated body after another."""

    def __init__(self, signals: Sequence[SignalName]) -> None:
        self._names = {cbor.encode(signal): at for at, signal in enumerate(signals)}
        self._count = len(signals)
        self._layouts: dict[int, _Layout] = {}  # by the length of the body

    def find(self, inflated: bytes) -> list[Own]:
        """Return what each of the signals has in a body that was decoded strictly before."""
        layout = self._layouts.get(len(inflated))
        if layout is None or not layout.fits(inflated):
            layout = self._walk(inflated)
            if len(self._layouts) >= _LAYOUTS_MAX:
                self._layouts.clear()
            self._layouts[len(inflated)] = layout
        return [
            Own(tuple([inflated[start:stop] for start, stop in places]), readings)
            for places, readings in layout.own
        ]

    def _walk(self, data: bytes) -> _Layout:
        own: list[tuple[list[tuple[int, int]], int]] = [([], 0) for _ in range(self._count)]
        seed, start = _head(data, 1)  # behind the head of [seed, columns]
        heads = [(start + seed, _head(data, start + seed).start)]
        count, at = _head(data, start + seed)
        for _ in range(count):
            length, start = _head(data, at)
            size, named = _head(data, start + 1)  # behind the head of a column's array of nine
            readings, behind = _head(data, _head(data, named + size).start)  # behind its kind
            wanted = self._names.get(data[start + 1 : named + size])
            if wanted is not None:
                places, before = own[wanted]
                own[wanted] = ([*places, (start, start + length)], before + readings)
            heads.append((at, behind))
            at = start + length
        index = np.concatenate([np.arange(first, stop, dtype=np.intp) for first, stop in heads])
        return _Layout(own=own, index=index, heads=_bytes(data)[index])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Where columns stand in bodies whose heads, names and counts of readings are these."""

    own: Sequence[tuple[Sequence[tuple[int, int]], int]]  # a signal: (start, stop)s, readings
    index: npt.NDArray[np.intp]  # of the bytes that the layout follows from
    heads: npt.NDArray[np.uint8]  # those bytes

    def fits(self, data: bytes) -> bool:
        """Tell whether ``data``, which is as long, is laid out so: each head tells the next."""
        return bool((_bytes(data)[self.index] == self.heads).all())


_LAYOUTS_MAX: Final = 64


def _bytes(data: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


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
