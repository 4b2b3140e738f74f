"""The form of a segment: the columns of an hour or so, and the arrays that they share.

Signals that are read together have the same times and stand in the same bundles, so most arrays of
a segment are one array: it is stored once, in ``shared``, and a column names it by its number.
A column is zstd over CBOR ``[kind, count, times, gateway times, numbers, positions, statuses,
codes, present, values]``; an array is ``[first number, number in shared]`` or ``[first number,
packed array]``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import numpy.typing as npt
import zstandard

from aggregator.errors import EvidenceError
from aggregator.model.series import Integers
from aggregator.store.segments.arrays import REBUILD, Packed, pack, unpack
from aggregator.store.segments.room import Room
from protocols.wire import cbor
from protocols.wire.cbor import Item
from protocols.wire.errors import WireError
from protocols.wire.pattern import INT, number_of
from protocols.wire.reading import Kind, TagRead

Values = npt.NDArray[np.generic]
_LEVEL: Final = 3
_BYTES_MAX: Final = 1 << 30
_ITEMS_MAX: Final = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Readings of one signal from one epoch; all arrays have one entry a reading.

    ``values`` holds only the values that are there, one for each true entry of ``present``.
    """

    kind: Kind
    times: Integers
    gateway_times: Integers
    numbers: Integers  # bundle numbers
    positions: Integers  # reading numbers in the epoch
    statuses: Integers
    codes: Integers
    present: Integers  # 0 or 1
    values: Values

    def __len__(self) -> int:
        return len(self.times)


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
        fields.append(_encode_values(part.kind, part.values))
        columns.append(compress(cbor.encode(fields)))
    return Encoded(
        shared=compress(cbor.encode([array.item() for array in shared])), columns=columns
    )


class Shared:
    """The shared arrays of one segment, each unpacked once; for one thread at a time.

    What is unpacked takes its memory from ``room``, which the segments of a window have in common.
    """

    def __init__(self, data: bytes, room: Room | None = None) -> None:
        self.room = room or Room()
        self._zstd = zstandard.ZstdDecompressor()  # making one takes as long as using it
        items = self.read(data)
        if not isinstance(items, list):
            raise EvidenceError("a segment has no shared arrays", hint=REBUILD)
        self._packed = [Packed.from_item(item) for item in items]
        self._arrays: dict[tuple[int, int], Integers] = {}

    def read(self, data: bytes) -> Item:
        """Return what a column of the segment says, not interpreted; EvidenceError if nothing."""
        try:
            plain = self._zstd.decompress(data, max_output_size=_BYTES_MAX)
            return _usual(plain) or cbor.decode(plain, items_max=_ITEMS_MAX)
        except (zstandard.ZstdError, WireError) as error:
            raise EvidenceError(f"a segment cannot be read: {error}", hint=REBUILD) from None

    def array(self, at: int, first: int = 0, name: str = "") -> Integers:
        """Return array ``at`` with ``first`` as its first number: one array for all that ask.

        ``name`` is that of the arrays in a room with which it stands end to end.
        """
        found = self._arrays.get((at, first))
        if found is None:
            if not 0 <= at < len(self._packed):
                raise EvidenceError("a column names an array that is not there", hint=REBUILD)
            if first:
                plain = self.array(at)
                found = self.room.take(name, len(plain))
                np.add(plain, np.int64(first), out=found)
            else:
                found = unpack(self._packed[at])
            found.flags.writeable = False
            self._arrays[at, first] = found
        return found


def _usual(plain: bytes) -> Item:
    """Return a column as most are: its arrays all shared, its values one array; else None."""
    match = _USUAL.match(plain)
    if match is None:
        return None
    kind, count, *shared = map(number_of, match.groups()[:_VALUES])
    arrays: list[Item] = [[first, at] for first, at in zip(shared[::2], shared[1::2], strict=True)]
    digits, begin, order, start, width, length = match.groups()[_VALUES:]
    first, last = cbor.byte_string_at(plain, match.end())
    if not 0 < first <= last == len(plain):
        return None
    packed: Item = [*map(number_of, (order, start, width, length)), plain[first:]]
    values: list[Item] = [number_of(begin), packed]
    return [kind, count, *arrays, values if digits is None else [number_of(digits), *values]]


def decode_column(data: bytes, shared: Shared) -> Part:
    """Return the column that ``data`` is; EvidenceError if it is none."""
    match shared.read(data):
        case [int(kind), int(count), *arrays, values] if (
            len(arrays) == len(ARRAYS) and kind in _KINDS
        ):
            pass
        case _:
            raise EvidenceError("a segment's column has another form", hint=REBUILD)
    found = {
        name: _array(name, item, shared, count) for name, item in zip(ARRAYS, arrays, strict=True)
    }
    present = int(np.count_nonzero(found["present"]))
    read = _decode_values(Kind(kind), values, present, shared.room)
    return Part(kind=Kind(kind), values=read, **found)


_VALUES: Final = 2 + 2 * len(ARRAYS)  # the group of the values' digits
_USUAL: Final = re.compile(
    rb"\x8a%(int)b%(int)b%(arrays)b(?:\x82|\x83%(int)b)%(int)b\x85%(int)b%(int)b%(int)b%(int)b"
    % {b"int": INT, b"arrays": (b"\x82" + INT + INT) * len(ARRAYS)}
)
_KINDS: Final = frozenset(int(kind) for kind in Kind)


def _array(name: str, item: Item, shared: Shared, count: int) -> Integers:
    if type(item) is not list or len(item) != 2 or type(item[0]) is not int:
        raise EvidenceError("a segment's column has no array", hint=REBUILD)
    first, packed = item
    array = (
        shared.array(packed, first, name)
        if type(packed) is int
        else unpack(Packed.from_item(packed), first)
    )
    if len(array) != count:
        raise EvidenceError("an array has another length than its column", hint=REBUILD)
    return array


def _encode_values(kind: Kind, values: Values) -> Item:
    if kind in (Kind.FLOAT32, Kind.FLOAT64):
        return _encode_floats(kind, values.astype(np.float64))
    if kind is Kind.TEXT or kind is Kind.BYTES:
        return _encode_unique(list(values), lambda value: value)
    if kind is Kind.TAG_READ:
        reads: list[TagRead] = list(values)
        fields = [_packed([getattr(read, name) for read in reads]) for name in _TAG_READ_NUMBERS]
        return [_encode_unique([read.epc for read in reads], lambda epc: epc), *fields]
    return _packed(values.view(np.int64))


def _decode_values(kind: Kind, item: Item, count: int, room: Room) -> Values:
    match item:
        case [int(digits), first, packed] if kind in (Kind.FLOAT32, Kind.FLOAT64):
            numbers = _checked(_unpacked([first, packed], room.take(kind.name, count)), count)
            return _decode_floats(kind, digits, numbers)
        case [list(unique), list(index)] if kind in (Kind.TEXT, Kind.BYTES):
            return _decode_unique(unique, index, count)
        case [[list(unique), list(index)], *fields] if kind is Kind.TAG_READ:
            return _decode_tag_reads(_decode_unique(unique, index, count), fields, count)
        case [int(), list()] if kind in (Kind.BOOL, Kind.INT, Kind.UINT):
            integers = _checked(_unpacked(item, room.take(kind.name, count)), count)
            return integers.view(np.uint64) if kind is Kind.UINT else integers
    raise EvidenceError("a segment's column has no values", hint=REBUILD)


_TAG_READ_NUMBERS: Final = ("epc_bits", "antenna", "rssi", "first_seen", "last_seen", "count")
_DIGITS: Final = range(10)
_RAW: Final = -1


def _encode_floats(kind: Kind, values: npt.NDArray[np.float64]) -> Item:
    """Scale to integers by the fewest decimal digits that lose nothing, else keep the bits."""
    for digits in _DIGITS:
        if len(values) and not _lossless(kind, values[:_TRIED], digits):
            continue
        if _lossless(kind, values, digits):
            return [digits, *_packed(np.rint(values * 10.0**digits).astype(np.int64))]
    return [_RAW, *_packed(values.view(np.int64))]


_TRIED: Final = 64  # values that are tried before all are


def _lossless(kind: Kind, values: npt.NDArray[np.float64], digits: int) -> bool:
    with np.errstate(over="ignore"):  # what overflows is not lossless, and is told so below
        scaled = np.rint(values * 10.0**digits)
    if len(scaled) and not np.abs(scaled).max() < 2**53:
        return False
    again = _decode_floats(kind, digits, scaled.astype(np.int64)).view(np.int64)
    return bool(np.array_equal(again, values.view(np.int64)))  # bits: -0.0 is not 0.0


def _decode_floats(kind: Kind, digits: int, numbers: Integers) -> npt.NDArray[np.float64]:
    if digits == _RAW:
        return numbers.view(np.float64)
    values = np.divide(numbers, 10.0**digits, out=numbers.view(np.float64))
    if kind is Kind.FLOAT32:
        values[:] = values.astype(np.float32)
    return values


def _encode_unique(values: Sequence[Item], name: Callable[[Item], Item]) -> Item:
    index: dict[Item, int] = {}
    at = [index.setdefault(name(value), len(index)) for value in values]
    return [list(index), _packed(at)]


def _decode_unique(unique: list[Item], index: list[Item], count: int) -> Values:
    at = _checked(_unpacked(index), count)
    if count and not 0 <= int(at.min()) <= int(at.max()) < len(unique):
        raise EvidenceError("a value of a segment is not in its table", hint=REBUILD)
    table = np.empty(len(unique), object)
    table[:] = unique
    return cast("Values", table[at])


def _decode_tag_reads(epcs: Values, fields: list[Item], count: int) -> Values:
    numbers = [_checked(_unpacked(field), count).tolist() for field in fields]
    if len(numbers) != len(_TAG_READ_NUMBERS):
        raise EvidenceError("the tag reads of a segment lack a field", hint=REBUILD)
    reads = np.empty(count, object)
    for at, (epc, *figures) in enumerate(zip(epcs, *numbers, strict=True)):
        reads[at] = TagRead(epc=epc, **dict(zip(_TAG_READ_NUMBERS, figures, strict=True)))
    return reads


def _packed(numbers: Integers | Sequence[int]) -> list[Item]:
    first, packed = pack(np.asarray(numbers, np.int64))
    return [first, packed.item()]


def _unpacked(item: Item, into: Integers | None = None) -> Integers:
    """Return an array; into the memory ``into`` if that is as long."""
    match item:
        case [int(first), packed]:
            array = Packed.from_item(packed)
            fits = into is not None and len(into) == array.length
            return unpack(array, first, into if fits else None)
    raise EvidenceError("a segment holds no array where one belongs", hint=REBUILD)


def _checked(numbers: Integers, count: int) -> Integers:
    if len(numbers) != count:
        raise EvidenceError("a segment's column has not all its values", hint=REBUILD)
    return numbers
