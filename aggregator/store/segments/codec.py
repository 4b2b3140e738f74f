"""The form of a segment: the columns of an hour or so, and the arrays that they share.

Signals that are read together have the same times and stand in the same bundles, so most arrays of
a segment are one array: it is stored once, in ``shared``, and a column names it by its number.
A column is zstd over CBOR ``[kind, count, times, gateway times, numbers, positions, statuses,
codes, present, values]``; an array is ``[first number, number in shared]`` or ``[first number,
packed array]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import zstandard

from aggregator.errors import EvidenceError
from aggregator.model.series import Content, Given, Integers
from aggregator.store.segments.arrays import REBUILD, Packed, pack, unpack
from aggregator.store.segments.values import (
    FLOATS,
    NUMERIC,
    RAW,
    Values,
    checked,
    decode_floats,
    decode_values,
    encode_values,
)
from protocols.wire import cbor
from protocols.wire.cbor import Item
from protocols.wire.errors import WireError
from protocols.wire.pattern import INT, number_of
from protocols.wire.reading import Kind

_LEVEL: Final = 3
_BYTES_MAX: Final = 1 << 30
_ITEMS_MAX: Final = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Readings of one signal from one epoch; all arrays have one entry a reading.

    The values are those alone that are there, one for each true entry of ``present``.
    """

    kind: Kind
    times: Integers
    gateway_times: Integers
    numbers: Integers  # bundle numbers
    statuses: Integers
    codes: Integers
    present: Integers  # 0 or 1
    content: Content

    @property
    def values(self) -> Values:
        """The values that are there."""
        return self.content.values

    @property
    def positions(self) -> Integers:
        """Reading numbers in the epoch."""
        return self.content.positions

    def __len__(self) -> int:
        return len(self.times)

    @classmethod
    def given(cls, kind: Kind, values: Values, arrays: Mapping[str, Integers]) -> Part:
        """Return the part of ``values`` and of an array for each name of ``ARRAYS``."""
        held = {name: array for name, array in arrays.items() if name != "positions"}
        return cls(kind=kind, content=Given(values, arrays["positions"]), **held)


ARRAYS: Final = (
    "times",
    "gateway_times",
    "numbers",
    "positions",
    "statuses",
    "codes",
    "present",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A segment as stored."""

    shared: bytes
    columns: list[bytes]


def encode_segment(parts: Sequence[Part]) -> Encoded:
    """Return the stored form of ``parts``, one column each."""
    packed = [[pack(getattr(part, name)) for name in ARRAYS] for part in parts]
    users: dict[Packed, int] = {}
    for arrays in packed:
        for _, array in arrays:
            users[array] = users.get(array, 0) + 1
    shared = [array for array, count in users.items() if count > 1]
    index = {array: at for at, array in enumerate(shared)}
    compress = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress
    columns = []
    for part, arrays in zip(parts, packed, strict=True):
        fields: list[Item] = [int(part.kind), len(part)]
        for first, array in arrays:
            at = index.get(array)
            fields.append([first, array.item() if at is None else at])
        fields.append(encode_values(part.kind, part.values))
        columns.append(compress(cbor.encode(fields)))
    return Encoded(
        shared=compress(cbor.encode([array.item() for array in shared])), columns=columns
    )


class Shared:
    """The shared arrays of one segment, each unpacked once; for one thread at a time."""

    def __init__(self, data: bytes) -> None:
        self._zstd = zstandard.ZstdDecompressor()  # making one takes as long as using it
        try:
            items = cbor.decode(self.inflate(data), items_max=_ITEMS_MAX)
        except WireError as error:
            raise EvidenceError(f"a segment cannot be read: {error}", hint=REBUILD) from None
        if not isinstance(items, list):
            raise EvidenceError("a segment has no shared arrays", hint=REBUILD)
        self._packed = [Packed.from_item(item) for item in items]
        self._arrays: dict[tuple[_Array, int], Integers] = {}
        self._frames: dict[tuple[tuple[_Array, ...], int], _Frame] = {}

    def inflate(self, data: bytes) -> bytes:
        """Return the CBOR of a column of the segment; EvidenceError if it is none."""
        try:
            return self._zstd.decompress(data, max_output_size=_BYTES_MAX)
        except zstandard.ZstdError as error:
            raise EvidenceError(f"a segment cannot be read: {error}", hint=REBUILD) from None

    def frame(self, arrays: tuple[_Array, ...], count: int) -> _Frame:
        """Return a column's arrays of ``count`` readings, but for its content."""
        found = self._frames.get((arrays, count))
        if found is None:
            kept = (self._kept(each, count) for each in arrays)
            named = dict(zip(_FRAME, kept, strict=True))
            found = _Frame(named, int(np.count_nonzero(named["present"])))
            self._frames[arrays, count] = found
        return found

    def array(self, array: _Array, count: int) -> Integers:
        """Return an array of ``count`` numbers, unpacked anew."""
        first, packed = array
        if not isinstance(packed, Packed):
            if not 0 <= packed < len(self._packed):
                raise EvidenceError("a column names an array that is not there", hint=REBUILD)
            packed = self._packed[packed]
        return checked(unpack(packed, first), count)

    def _kept(self, array: _Array, count: int) -> Integers:
        """Return an array of ``count`` numbers: one array for all that name it."""
        found = self._arrays.get((array, count))
        if found is None:
            found = self._arrays[array, count] = self.array(array, count)
            found.flags.writeable = False
        return found


_FRAME: Final = tuple(name for name in ARRAYS if name != "positions")
_PLACE: Final = ARRAYS.index("positions")
_Array: TypeAlias = tuple[int, int | Packed]  # its first number; its number in shared, or itself


class _Frame(NamedTuple):
    """What signals that are read together have in common."""

    arrays: Mapping[str, Integers]
    present: int  # so many readings have a value


class _Column(NamedTuple):
    """A column taken apart, its arrays as they are stored."""

    kind: Kind
    readings: int
    arrays: tuple[_Array, ...]  # in the order of ``ARRAYS``
    values: _Scaled | Item


class _Scaled(NamedTuple):
    """Numbers as integers."""

    digits: int  # after the decimal point; RAW: an integer holds the bits of its number
    first: int
    packed: Packed


def decode_column(data: bytes, shared: Shared) -> Part:
    """Return the column that ``data`` is; EvidenceError if it is none."""
    plain = shared.inflate(data)
    kind, count, arrays, values = _usual(plain) or _any(plain)
    place = arrays[_PLACE]
    frame = shared.frame((*arrays[:_PLACE], *arrays[_PLACE + 1 :]), count)
    content: Content
    if isinstance(values, _Scaled):
        content = _Unread(kind, values, frame.present, place, count, shared)
    else:
        content = Given(decode_values(kind, values, frame.present), shared.array(place, count))
    return Part(kind=kind, content=content, **frame.arrays)


@dataclass(frozen=True, slots=True, eq=False)
class _Unread:
    """The content of a column of numbers, as it is stored."""

    kind: Kind
    numbers: _Scaled
    present: int
    place: _Array
    count: int
    shared: Shared

    @property
    def values(self) -> Values:
        digits, first, packed = self.numbers
        numbers = checked(unpack(packed, first), self.present)
        if self.kind in FLOATS:
            return decode_floats(self.kind, digits, numbers)
        return numbers.view(np.uint64) if self.kind is Kind.UINT else numbers

    @property
    def positions(self) -> Integers:
        return self.shared.array(self.place, self.count)


def _usual(plain: bytes) -> _Column | None:
    """Return a column as most are: its arrays all shared, its values one array; else None."""
    match = _USUAL.match(plain)
    if match is None:
        return None
    kind, count, arrays, first, place, more, digits, begin, *numbers = match.groups()
    start, stop = cbor.byte_string_at(plain, match.end())
    if not 0 < start <= stop == len(plain) or kind[0] not in NUMERIC:
        return None
    if (digits is None) is (kind[0] in FLOATS):
        return None
    order, begins, width, length = map(number_of, numbers)
    packed = Packed(order, begins, width, length, plain[start:]).checked()
    scaled = _Scaled(RAW if digits is None else number_of(digits), number_of(begin), packed)
    places = (*_pairs(arrays), (number_of(first), number_of(place)), *_pairs(more))
    return _Column(Kind(kind[0]), number_of(count), places, scaled)


def _any(plain: bytes) -> _Column:
    """Return any column; EvidenceError if it is none."""
    try:
        item = cbor.decode(plain, items_max=_ITEMS_MAX)
    except WireError as error:
        raise EvidenceError(f"a segment cannot be read: {error}", hint=REBUILD) from None
    match item:
        case [int(kind), int(count), *arrays, values] if (
            len(arrays) == len(ARRAYS) and kind in _KINDS
        ):
            return _Column(
                Kind(kind), count, tuple(map(_array, arrays)), _scaled(Kind(kind), values)
            )
    raise EvidenceError("a segment's column has another form", hint=REBUILD)


@lru_cache(maxsize=4096)  # columns of a segment have most of their arrays in common
def _pairs(items: bytes) -> tuple[tuple[int, int], ...]:
    """Return the arrays that ``_SHARED`` has matched, one behind the other."""
    numbers = [number_of(each) for pair in _SHARED.findall(items) for each in pair]
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


_PAIR: Final = b"\x82" + INT + INT
_SHARED: Final = re.compile(_PAIR)
_USUAL: Final = re.compile(
    rb"\x8a%(int)b%(int)b((?:%(some)b){%(before)d})%(pair)b((?:%(some)b){%(behind)d})"
    rb"(?:\x82|\x83%(int)b)%(int)b\x85%(int)b%(int)b%(int)b%(int)b"
    % {
        b"int": INT,
        b"pair": _PAIR,
        b"some": _PAIR.replace(b"([", b"(?:["),
        b"before": _PLACE,
        b"behind": len(_FRAME) - _PLACE,
    }
)
_KINDS: Final = frozenset(int(kind) for kind in Kind)


def _array(item: Item) -> _Array:
    """Read ``[first number, number in shared]`` or ``[first number, packed array]``."""
    match item:
        case [int(first), int(at)]:
            return first, at
        case [int(first), packed]:
            return first, Packed.from_item(packed)
    raise EvidenceError("a segment's column has no array", hint=REBUILD)


def _scaled(kind: Kind, item: Item) -> _Scaled | Item:
    """Return the numbers of a column that has numbers, else what it has as it is."""
    match item:
        case [int(digits), int(first), packed] if kind in FLOATS:
            return _Scaled(digits, first, Packed.from_item(packed))
        case [int(first), packed] if kind in NUMERIC - FLOATS:
            return _Scaled(RAW, first, Packed.from_item(packed))
    return item
