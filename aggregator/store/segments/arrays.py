"""Integer arrays made small: deltas, the narrowest width, bytes of one weight together.

A packed array is ``[order, start, width, length, bytes]``. ``order`` says how often neighbours were
subtracted (0, 1 or 2), ``start`` what the subtraction lost besides the first number, ``width`` how
many bytes each remaining number takes; 0: they are all the same one, which then is ``bytes``.
The first number stands apart, so that arrays that only begin elsewhere are one and the same.
All arithmetic wraps at 64 bits, so every array comes back as it went in.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from aggregator.errors import EvidenceError
from aggregator.model.series import Integers
from protocols.wire.cbor import Item


class Packed(NamedTuple):
    """An array without its first number."""

    order: int
    start: int
    width: int
    length: int  # of the array
    data: bytes

    def item(self) -> Item:
        """Return what CBOR can hold; ``from_item`` reads it."""
        return list(self)

    @classmethod
    def from_item(cls, item: Item) -> Packed:
        """Read what ``item`` wrote; EvidenceError for anything else."""
        if type(item) is list and [*map(type, item)] == _FIELDS:
            packed = cls._make(item)
            if packed.order in (0, 1, 2) and packed.width in _WIDTHS and packed.length >= 0:
                return packed
        raise EvidenceError("a segment holds no array where one belongs", hint=REBUILD)


_FIELDS: Final = [int, int, int, int, bytes]
_WIDTHS: Final = frozenset({0, 1, 2, 4, 8})
REBUILD: Final = "make the index again: lotproof-aggregator fsck --rebuild"


def pack(numbers: Integers) -> tuple[int, Packed]:
    """Return the first number, and the packed array of what follows from it."""
    if not len(numbers):
        return 0, Packed(0, 0, 0, 0, bytes(8))
    first = int(numbers[0])
    with np.errstate(over="ignore"):
        plain = numbers - numbers[0]
        once = np.diff(numbers)
        twice = np.diff(once)
    costs = (_cost(plain), _cost(once), _cost(twice))
    order = costs.index(min(costs))
    start = int(once[0]) if order == 2 else 0
    left = (plain, once, twice)[order]
    width, data = _narrow(left)
    return first, Packed(order, start, width, len(numbers), data)


def unpack(packed: Packed, first: int = 0, array: Integers | None = None) -> Integers:
    """Return the array that begins with ``first``; EvidenceError for bytes that do not fit.

    ``array``, if there is one, is filled and returned; it has the packed array's length.
    """
    order, start, width, whole, data = packed
    length = max(whole - order, 0)
    if len(data) != (width * length or 8 * (not width)):
        raise EvidenceError("an array of a segment is cut short", hint=REBUILD)
    if array is None or len(array) < order:
        array = np.empty(max(whole, order), np.int64)
    array[:order] = (first, start)[:order]
    if width == 0:
        array[order:] = int.from_bytes(data, "little", signed=True)
    elif width == 1:
        array[order:] = np.frombuffer(data, np.int8)
    else:
        planes = np.frombuffer(data, np.uint8).reshape(width, length)
        array[order:] = np.ascontiguousarray(planes.T).view(f"<i{width}").ravel()
    if order == 0:
        array += np.int64(first)
    elif order == 1:
        np.cumsum(array, out=array)
    else:
        np.cumsum(array[1:], out=array[1:])
        np.cumsum(array, out=array)
    return array


def _cost(numbers: Integers) -> float:
    """Return about how many bits a number takes."""
    if not len(numbers):
        return 0.0
    low, high = int(numbers.min()), int(numbers.max())
    if low == high:
        return 0.0
    return float(np.log2(1.0 + np.abs(numbers.astype(np.float64))).mean()) + 0.5


def _narrow(numbers: Integers) -> tuple[int, bytes]:
    low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
    if low == high:
        return 0, low.to_bytes(8, "little", signed=True)
    for width in (1, 2, 4):
        if -(1 << (8 * width - 1)) <= low and high < 1 << (8 * width - 1):
            break
    else:
        width = 8
    if width == 1:
        return 1, numbers.astype(np.int8).tobytes()
    planes = numbers.astype(f"<i{width}").view(np.uint8).reshape(-1, width)
    return width, np.ascontiguousarray(planes.T).tobytes()
