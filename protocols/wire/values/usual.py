"""Columns as most are, read in one match: a few numbers, all of them there and GOOD.

A gateway sends thousands of them a second, and nearly all of the strict decoder's work is in their
heads. The pattern for so many readings admits nothing that decoder refuses; what it does not match
is for that decoder to judge.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final, NamedTuple, cast

from protocols.wire.cbor import Item, Tagged, encode_integer, encode_typed_array
from protocols.wire.pattern import INT, number_of
from protocols.wire.reading import Kind
from protocols.wire.values.arrays import INTEGER_TAGS, ITEM_BYTES, STEPS, numbers_of, times_of
from protocols.wire.values.forms import Values, decimals_of, read_values


class Usual(NamedTuple):
    """What a column says that is as most are."""

    signal: str  # whether it is a name is still to be seen
    kind: Kind
    gateway_times: array[int]
    source_times: array[int] | None
    values: Values


def usual_column(data: bytes) -> Usual | None:
    """Return what a column says if it is as most are, None for any other.

    Raises MalformedError for figures that no column may have.
    """
    begin = _BEGIN.match(data)
    if begin is None:
        return None
    start, head = begin.end(), data[begin.end() - 1]
    stop = start + (head if begin[1] else head - _TEXT)
    kind, count = _KINDS.get(data[stop : stop + 1]), data[stop + 1] if stop + 1 < len(data) else 0
    if kind is None or not 0 < count < _IN_HEAD:
        return None
    match = _behind_count(count).fullmatch(data, stop + 2)
    if match is None:
        return None
    try:
        signal = data[start:stop].decode()
    except UnicodeDecodeError:
        return None
    first, step, steps, first_source, step_source, source_steps, *values = match.groups()
    return Usual(
        signal,
        kind,
        _times(first, step, steps),
        None if first_source is None else _times(first_source, step_source, source_steps),
        _values(kind, count, values),
    )


def _times(first: bytes, step: bytes, steps: bytes) -> array[int]:
    return times_of(number_of(first), _STEPS[step], _integers(steps))


def _integers(item: bytes) -> array[int]:
    return cast("array[int]", numbers_of(*_typed(item)))


def _values(kind: Kind, count: int, groups: Sequence[bytes | None]) -> Values:
    plain, decimals, steps, first = groups
    item: Item = None
    if plain is not None:
        item = Tagged(*_typed(plain))
    elif steps is not None and first is not None:
        if decimals is None:
            item = [Tagged(*_typed(steps)), number_of(first)]
        elif kind in _FLOATS:
            return decimals_of(_FLOATS[kind], decimals[0], number_of(first), _integers(steps))
    return read_values(kind, item, count)


def _typed(item: bytes) -> tuple[int, bytes]:
    """Return tag and bytes of a typed array, whose tag begins ``item``."""
    return item[0], item[2:] if item[1] < _ONE_BYTE else item[3:]


@cache
def _behind_count(count: int) -> re.Pattern[bytes]:
    """Return the pattern of what stands behind the count in a column of so many readings."""
    steps = _array(count - 1, INTEGER_TAGS)
    times = b"\x83" + INT + b"(" + b"|".join(map(re.escape, _STEPS)) + b")" + steps
    values = _array(count, ITEM_BYTES), b"(?:\x82|\x83([\x00-\x09]))" + steps + INT
    return re.compile(b"%b(?:\xf6|%b)(?:%b|%b)\xf6\xf6\xf6" % (times, times, *values))


def _array(length: int, tags: Iterable[int]) -> bytes:
    """Return the pattern of a typed array of so many numbers, as a group from its tag on."""
    forms = []
    for tag in sorted(tags):
        size = length * ITEM_BYTES[tag]
        head = encode_typed_array(tag, bytes(size))[1 : -size or None]
        forms.append(re.escape(head) + b"[\x00-\xff]{%d}" % size)
    return b"\xd8(" + b"|".join(forms) + b")"


_BEGIN: Final = re.compile(rb"\x89(?:[\x60-\x77]|(\x78)[\x18-\xff])")  # up to the signal's name
_TEXT: Final = 0x60
_IN_HEAD: Final = 24  # arguments below it stand in the head itself
_ONE_BYTE: Final = 0x58  # head of a byte string whose length follows in one byte
_STEPS: Final = {encode_integer(step): step for step in STEPS}
_FLOATS: Final = {Kind.FLOAT32: "f", Kind.FLOAT64: "d"}
_NUMBERS: Final = (Kind.BOOL, Kind.INT, Kind.UINT, *_FLOATS)
_KINDS: Final = {bytes((kind,)): kind for kind in _NUMBERS}
