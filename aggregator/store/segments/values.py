"""The values of a column: numbers as integers, whatever repeats once.

Floats are scaled by the fewest decimal digits that lose nothing, else an integer holds their bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from aggregator.errors import EvidenceError
from aggregator.model.series import Integers
from aggregator.store.segments.arrays import REBUILD, Packed, pack, unpack
from protocols.wire.cbor import Item
from protocols.wire.reading import Kind, TagRead

Values = npt.NDArray[np.generic]
FLOATS: Final = frozenset({Kind.FLOAT32, Kind.FLOAT64})
NUMERIC: Final = frozenset({Kind.BOOL, Kind.INT, Kind.UINT}) | FLOATS
RAW: Final = -1
"""In the place of the digits: nothing was scaled."""


def encode_values(kind: Kind, values: Values) -> Item:
    """Return values as they stand in a column; ``decode_values`` or ``decode_floats`` read them."""
    if kind in FLOATS:
        return _encode_floats(kind, values.astype(np.float64))
    if kind is Kind.TEXT or kind is Kind.BYTES:
        return _encode_unique(list(values))
    if kind is Kind.TAG_READ:
        reads: list[TagRead] = list(values)
        fields = [_packed([getattr(read, name) for read in reads]) for name in _TAG_READ_NUMBERS]
        return [_encode_unique([read.epc for read in reads]), *fields]
    return _packed(values.view(np.int64))


def decode_values(kind: Kind, item: Item, count: int) -> Values:
    """Return ``count`` values that are no numbers; EvidenceError if ``item`` is none."""
    match item:
        case [list(unique), list(index)] if kind in (Kind.TEXT, Kind.BYTES):
            return _decode_unique(unique, index, count)
        case [[list(unique), list(index)], *fields] if kind is Kind.TAG_READ:
            return _decode_tag_reads(_decode_unique(unique, index, count), fields, count)
    raise EvidenceError("a segment's column has no values", hint=REBUILD)


_TAG_READ_NUMBERS: Final = ("epc_bits", "antenna", "rssi", "first_seen", "last_seen", "count")
_DIGITS: Final = range(10)


def _encode_floats(kind: Kind, values: npt.NDArray[np.float64]) -> Item:
    """Scale to integers by the fewest decimal digits that lose nothing, else keep the bits."""
    for digits in _DIGITS:
        if len(values) and not _lossless(kind, values[:_TRIED], digits):
            continue
        if _lossless(kind, values, digits):
            return [digits, *_packed(np.rint(values * 10.0**digits).astype(np.int64))]
    return [RAW, *_packed(values.view(np.int64))]


_TRIED: Final = 64  # values that are tried before all are


def _lossless(kind: Kind, values: npt.NDArray[np.float64], digits: int) -> bool:
    with np.errstate(over="ignore"):  # what overflows is not lossless, and is told so below
        scaled = np.rint(values * 10.0**digits)
    if len(scaled) and not np.abs(scaled).max() < 2**53:
        return False
    again = decode_floats(kind, digits, scaled.astype(np.int64)).view(np.int64)
    return bool(np.array_equal(again, values.view(np.int64)))  # bits: -0.0 is not 0.0


def decode_floats(kind: Kind, digits: int, numbers: Integers) -> npt.NDArray[np.float64]:
    """Return the floats of scaled integers, in the memory of these."""
    if digits == RAW:
        return numbers.view(np.float64)
    values = np.divide(numbers, 10.0**digits, out=numbers.view(np.float64))
    if kind is Kind.FLOAT32:
        values[:] = values.astype(np.float32)
    return values


def _encode_unique(values: Sequence[Item]) -> Item:
    index: dict[Item, int] = {}
    at = [index.setdefault(value, len(index)) for value in values]
    return [list(index), _packed(at)]


def _decode_unique(unique: list[Item], index: list[Item], count: int) -> Values:
    at = checked(_unpacked(index), count)
    if count and not 0 <= int(at.min()) <= int(at.max()) < len(unique):
        raise EvidenceError("a value of a segment is not in its table", hint=REBUILD)
    table = np.empty(len(unique), object)
    table[:] = unique
    return cast("Values", table[at])


def _decode_tag_reads(epcs: Values, fields: list[Item], count: int) -> Values:
    numbers = [checked(_unpacked(field), count).tolist() for field in fields]
    if len(numbers) != len(_TAG_READ_NUMBERS):
        raise EvidenceError("the tag reads of a segment lack a field", hint=REBUILD)
    reads = np.empty(count, object)
    for at, (epc, *figures) in enumerate(zip(epcs, *numbers, strict=True)):
        reads[at] = TagRead(epc=epc, **dict(zip(_TAG_READ_NUMBERS, figures, strict=True)))
    return reads


def _packed(numbers: Integers | Sequence[int]) -> list[Item]:
    first, packed = pack(np.asarray(numbers, np.int64))
    return [first, packed.item()]


def _unpacked(item: Item) -> Integers:
    match item:
        case [int(first), packed]:
            return unpack(Packed.from_item(packed), first)
    raise EvidenceError("a segment holds no array where one belongs", hint=REBUILD)


def checked(numbers: Integers, count: int) -> Integers:
    """Return an array if it has ``count`` numbers, else raise EvidenceError."""
    if len(numbers) != count:
        raise EvidenceError("an array has another length than its column", hint=REBUILD)
    return numbers
