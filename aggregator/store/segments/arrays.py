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
            return cls._make(item).checked()
        raise EvidenceError("a segment holds no array where one belongs", hint=REBUILD)

    def checked(self) -> Packed:
        """Return the array; EvidenceError where its fields or its bytes are none's."""
        order, _, width, length, data = self
        if order not in (0, 1, 2) or width not in _WIDTHS or length < 0:
            raise EvidenceError("a segment holds no array where one belongs", hint=REBUILD)
        if len(data) != (width * max(length - order, 0) or 8 * (not width)):
            raise EvidenceError("an array of a segment is cut short", hint=REBUILD)
        return self


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


def unpack(packed: Packed, first: int = 0) -> Integers:
    """Return the array that begins with ``first``."""
    order, start, width, whole, data = packed
    array = np.empty(max(whole, order), np.int64)
    array[:order] = (first, start)[:order]
    if width == 0:
        array[order:] = int.from_bytes(data, "little", signed=True)
    elif width == 1:
        array[order:] = np.frombuffer(data, np.int8)
    else:
        array[order:] = _wide(data, width)
    if order == 0:
        array += np.int64(first)
    else:
        if order == 2:
            np.cumsum(array[1:], out=array[1:])
        np.cumsum(array, out=array)
    return array


def _wide(data: bytes, width: int) -> Integers:
    """Return numbers whose bytes of one weight stand together."""
    planes = np.frombuffer(data, np.uint8).reshape(width, -1)
    numbers = np.empty((planes.shape[1], width), np.uint8)
    for weight, plane in enumerate(planes):
        numbers[:, weight] = plane
    return numbers.view(f"<i{width}").ravel()


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
