"""Typed arrays (RFC 8746, little-endian), and the times that a column builds of them.

Neighbours in a column are near each other, so what is written is how far each is from the one
before it, in the narrowest array that holds that.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import gcd
from typing import Final, TypeAlias, cast

from protocols.wire.cbor import Item, Tagged
from protocols.wire.errors import LimitError, MalformedError

Numbers: TypeAlias = "array[int] | array[float]"


def typed(numbers: Numbers) -> Tagged:
    """Return the typed array of ``numbers``, as wide as they stand in memory."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return Tagged(_TAGS[numbers.typecode], numbers.tobytes())


def integers(numbers: Sequence[int]) -> Tagged:
    """Return the narrowest typed array that holds ``numbers``, unsigned where it can be.

    Raises LimitError where 64 bits are too few.
    """
    if not numbers:
        return _EMPTY
    low, high = min(numbers), max(numbers)
    for _, code, lowest, highest in _WIDTHS:
        if lowest <= low and high <= highest:
            return typed(array(code, numbers))
    raise LimitError("an integer is wider than 64 bits")


def deltas(numbers: Sequence[int]) -> list[int]:
    """Return how far each number is from the one before it: one fewer than there are numbers."""
    return [later - earlier for earlier, later in pairwise(numbers)]


def times(moments: Sequence[int]) -> list[Item]:
    """Return ``[first, step, deltas]`` of at least one time, in nanoseconds."""
    differences = deltas(moments)
    common = gcd(*differences)
    step = next(step for step in _STEPS if common % step == 0)
    return [moments[0], step, integers([difference // step for difference in differences])]


def read_floats(item: object, code: str) -> array[float]:
    """Return the typed array of floats of type ``code``; MalformedError if ``item`` is none."""
    return cast("array[float]", _read(item, frozenset({_TAGS[code]})))


def read_integers(item: object, count: int | None = None) -> array[int]:
    """Return the typed array of so many integers; MalformedError if ``item`` is none."""
    numbers = cast("array[int]", _read(item, _INTEGER_TAGS))
    if count is not None and len(numbers) != count:
        raise MalformedError(f"a typed array has {len(numbers)} numbers where {count} belong")
    return numbers


def read_times(item: object, count: int) -> array[int]:
    """Return the times that ``[first, step, deltas]`` gives; MalformedError if it gives none."""
    match item:
        case [int(first), int(step), differences] if step in _STEPS:
            pass
        case _:
            raise MalformedError("a column's times are not [first, step, deltas]")
    steps = read_integers(differences, count - 1)
    try:
        if step == 1:
            return array("q", accumulate(steps, initial=first))
        return array("q", accumulate((delta * step for delta in steps), initial=first))
    except OverflowError:
        raise MalformedError("a time is outside 64 bits") from None


def _read(item: object, tags: frozenset[int]) -> Numbers:
    if type(item) is not Tagged or item.tag not in tags:
        raise MalformedError("a typed array of the right type is missing in a column")
    numbers: Numbers = array(_CODES[item.tag])
    data = cast(bytes, item.content)  # the decoder gives a typed array no other content
    if len(data) % numbers.itemsize:
        raise MalformedError("a typed array's bytes are not whole numbers")
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


_WIDTHS: Final = (  # (tag of RFC 8746, type of array, lowest, highest), narrowest first
    (64, "B", 0, 2**8 - 1),
    (72, "b", -(2**7), 2**7 - 1),
    (69, "H", 0, 2**16 - 1),
    (77, "h", -(2**15), 2**15 - 1),
    (70, "I", 0, 2**32 - 1),
    (78, "i", -(2**31), 2**31 - 1),
    (71, "Q", 0, 2**64 - 1),
    (79, "q", -(2**63), 2**63 - 1),
)
_CODES: Final = {tag: code for tag, code, _, _ in _WIDTHS} | {85: "f", 86: "d"}
_TAGS: Final = {code: tag for tag, code in _CODES.items()}
_EMPTY: Final = Tagged(64, b"")
_INTEGER_TAGS: Final = frozenset(tag for tag, _, _, _ in _WIDTHS)
_STEPS: Final = (1_000_000_000, 1_000_000, 1_000, 100, 1)
