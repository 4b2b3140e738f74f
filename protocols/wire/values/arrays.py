"""Typed arrays (RFC 8746, little-endian), and the times that a column builds of them.

Neighbours in a column are near each other, so what is written is how far each is from the one
before it, in the narrowest array that holds that. A gateway writes thousands of short arrays a
second: what is written here is encoded at once, not made of items that are encoded later.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate
from math import gcd
from operator import sub
from struct import Struct
from typing import Final, TypeAlias, cast

from protocols.wire.cbor import Tagged, array_head, encode_integer, encode_typed_array
from protocols.wire.errors import LimitError, MalformedError

Numbers: TypeAlias = "array[int] | array[float]"


def typed(numbers: Numbers) -> bytes:
    """Return the encoded array of ``numbers``, as wide as they stand in memory."""
    if _SWAPPED:
        numbers = numbers[:]
        numbers.byteswap()
    return encode_typed_array(_TAGS[numbers.typecode], numbers.tobytes())


def integers(numbers: Sequence[int]) -> bytes:
    """Return the encoded array of ``numbers``, the narrowest; errors as ``narrow``."""
    return narrow(numbers)[0]


def narrow(numbers: Sequence[int]) -> tuple[bytes, int]:
    """Return ``numbers`` as the narrowest array that holds them, and the bytes that they take.

    The array is encoded, its head is not among those bytes; its numbers are unsigned where they
    can be. Raises LimitError where 64 bits are too few.
    """
    if not numbers:
        return _EMPTY, 0
    alone = len(numbers) == 1  # as is the one step between two readings: most are
    low = numbers[0] if alone else min(numbers)
    high = low if alone else max(numbers)
    try:
        code = _UNSIGNED[high.bit_length()] if low >= 0 else _SIGNED[max(high, ~low).bit_length()]
    except IndexError:
        raise LimitError("an integer is wider than 64 bits") from None
    if alone:
        head, pack, size = _ALONE[code]
        return head + pack(low), size
    found = array(code, numbers)
    return typed(found), len(found) * found.itemsize


def deltas(numbers: Sequence[int]) -> list[int]:
    """Return how far each number is from the one before it: one fewer than there are numbers."""
    return list(map(sub, numbers[1:], numbers))


def times(moments: Sequence[int]) -> bytes:
    """Return the encoded ``[first, step, deltas]`` of at least one time, in nanoseconds."""
    first = _THREE + encode_integer(moments[0])
    if len(moments) == 1:
        return first + _NO_STEPS
    differences = deltas(moments)
    common = gcd(*differences)
    for step in STEPS:
        if common % step == 0:
            break
    units = [difference // step for difference in differences]
    return first + _ENCODED_STEPS[step] + integers(units)


def read_floats(item: object, code: str) -> array[float]:
    """Return the typed array of floats of type ``code``; MalformedError if ``item`` is none."""
    return cast("array[float]", _read(item, frozenset({_TAGS[code]})))


def read_integers(item: object, count: int | None = None) -> array[int]:
    """Return the typed array of so many integers; MalformedError if ``item`` is none."""
    numbers = cast("array[int]", _read(item, INTEGER_TAGS))
    if count is not None and len(numbers) != count:
        raise MalformedError(f"a typed array has {len(numbers)} numbers where {count} belong")
    return numbers


def read_times(item: object, count: int) -> array[int]:
    """Return the times that ``[first, step, deltas]`` gives; MalformedError if it gives none."""
    match item:
        case [int(first), int(step), differences] if step in STEPS:
            pass
        case _:
            raise MalformedError("a column's times are not [first, step, deltas]")
    return times_of(first, step, read_integers(differences, count - 1))


def times_of(first: int, step: int, steps: array[int]) -> array[int]:
    """Return the times that are so many steps from one another; MalformedError past 64 bits."""
    try:
        return array("q", accumulate([delta * step for delta in steps], initial=first))
    except OverflowError:
        raise MalformedError("a time is outside 64 bits") from None


def numbers_of(tag: int, content: bytes) -> Numbers:
    """Return the numbers that a typed array's bytes are; MalformedError if they are not whole."""
    numbers: Numbers = array(_CODES[tag])
    try:
        numbers.frombytes(content)
    except ValueError:
        raise MalformedError("a typed array's bytes are not whole numbers") from None
    if _SWAPPED:
        numbers.byteswap()
    return numbers


def _read(item: object, tags: frozenset[int]) -> Numbers:
    if type(item) is not Tagged or item.tag not in tags:
        raise MalformedError("a typed array of the right type is missing in a column")
    # The decoder gives a typed array no other content.
    return numbers_of(item.tag, cast(bytes, item.content))


_SWAPPED: Final = sys.byteorder == "big"
_CODES: Final = {  # tag of RFC 8746 -> type of array
    64: "B", 69: "H", 70: "I", 71: "Q", 72: "b", 77: "h", 78: "i", 79: "q", 85: "f", 86: "d",
}  # fmt: skip
_TAGS: Final = {code: tag for tag, code in _CODES.items()}
ITEM_BYTES: Final = {tag: array(code).itemsize for tag, code in _CODES.items()}
"""Bytes of a number, by the tag of the typed array that it is in."""
INTEGER_TAGS: Final = frozenset(tag for tag, code in _CODES.items() if code not in "fd")
# The narrowest type of array, by the bits that the number furthest from zero takes.
_UNSIGNED: Final = "B" * 9 + "H" * 8 + "I" * 16 + "Q" * 32
_SIGNED: Final = "b" * 8 + "h" * 8 + "i" * 16 + "q" * 32
STEPS: Final = (1_000_000_000, 1_000_000, 1_000, 100, 1)
_ENCODED_STEPS: Final = {step: encode_integer(step) for step in STEPS}
_EMPTY: Final = typed(array("B"))
_ALONE: Final = {  # type of array -> how one of a single number begins, what writes it, its bytes
    code: (typed(array(code, [0]))[: -form.size], form.pack, form.size)
    for code, form in ((code, Struct(f"<{code}")) for code in "BHIQbhiq")
}
_NO_STEPS: Final = _ENCODED_STEPS[STEPS[0]] + integers([])
_THREE: Final = array_head(3)
