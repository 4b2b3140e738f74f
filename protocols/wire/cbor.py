"""Deterministic CBOR, the small part of RFC 8949 that Lotproof uses, and nothing else.

One value has one encoding (RFC 8949 section 4.2.1): shortest heads, definite lengths, map keys in
the bytewise order of their encodings. The decoder refuses every other form, every tag outside its
list, every float and simple value but false, true and null, and whatever follows the item. Numbers
with a fraction travel in typed arrays (RFC 8746), whose bytes this module does not interpret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import Any, Final

from protocols.wire.errors import LimitError, MalformedError
from protocols.wire.limits import CBOR_DEPTH_MAX, CBOR_ITEMS_MAX


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag of RFC 8949 section 3.4 and its content.

    No tuple on purpose: a pattern that wants an array of two must not take one for it.
    """

    tag: int
    content: Item


Item = (
    None
    | bool
    | int
    | str
    | bytes
    | Tagged
    | Sequence["Item"]
    | Mapping[int, "Item"]
    | Mapping[str, "Item"]
)

COSE_SIGN1: Final = 18
TYPED_ARRAYS: Final = frozenset({64, 69, 70, 71, 72, 77, 78, 79, 85, 86})
"""RFC 8746: unsigned and signed integers of 8 to 64 bits and floats of 32 and 64, little-endian."""

_TAGS: Final = TYPED_ARRAYS | {COSE_SIGN1}


def encode(item: Item) -> bytes:
    """Return the one encoding of ``item``; MalformedError for what the format cannot hold."""
    out = bytearray()
    _encode(item, out)
    return bytes(out)


def encode_integer(number: int) -> bytes:
    """Return the encoding of ``number``; MalformedError where 64 bits are too few."""
    return _head(0, number) if number >= 0 else _head(1, -1 - number)


def encode_typed_array(tag: int, content: bytes) -> bytes:
    """Return the encoding of a typed array with one of the tags of ``TYPED_ARRAYS``."""
    return _typed_head(tag, len(content)) + content


def encode_array(elements: Sequence[bytes]) -> bytes:
    """Return the encoding of an array whose elements are encoded already."""
    return array_head(len(elements)) + b"".join(elements)


def decode(data: bytes, *, items_max: int = CBOR_ITEMS_MAX, booleans: bool = True) -> Item:
    """Return the item that ``data`` is, arrays as lists, tagged content as Tagged.

    Where ``booleans`` is false, true and false are refused too: to Python they would pass for
    integers. Raises MalformedError for anything but the one allowed form, LimitError past
    ``items_max`` items or the depth of ``limits.CBOR_DEPTH_MAX``.
    """
    decoder = _Decoder(data, items_max, _SIMPLE if booleans else _NULL)
    item = decoder.item(CBOR_DEPTH_MAX)
    if decoder.at != len(data):
        raise MalformedError(f"{len(data) - decoder.at} bytes follow the CBOR item")
    return item


def array_head(count: int) -> bytes:
    """Return the head of an array of ``count`` items, for who writes these one by one."""
    return _head(4, count)


def byte_string_at(data: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the byte string at ``at`` begins and ends.

    The end may lie past that of ``data``. Where no byte string with the shortest head begins at
    ``at``, both are 0, where no content can begin.
    """
    left = len(data) - at
    head = data[at] if left > 0 else 0
    if head == 0x58:  # by far the most frequent
        if left > 1 and data[at + 1] >= 24:
            return at + 2, at + 2 + data[at + 1]
    elif head == 0x59:
        if left > 2 and data[at + 1]:
            return at + 3, at + 3 + (data[at + 1] << 8 | data[at + 2])
    elif 0x40 <= head < 0x58:
        return at + 1, at + 1 + head - 0x40
    elif head == 0x5A and left > 4 and data[at + 1] | data[at + 2]:
        return at + 5, at + 5 + int.from_bytes(data[at + 1 : at + 5], "big")
    return 0, 0


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return _SHORT_HEADS[major << 5 | argument]
    if argument < 0x100:
        return bytes((major << 5 | 24, argument))
    if argument < 0x1_0000:
        return _HEAD_16.pack(major << 5 | 25, argument)
    if argument < 0x1_0000_0000:
        return _HEAD_32.pack(major << 5 | 26, argument)
    if argument < 0x1_0000_0000_0000_0000:
        return _HEAD_64.pack(major << 5 | 27, argument)
    raise MalformedError("an integer is wider than 64 bits")


def _encode(item: Any, out: bytearray) -> None:
    """Write ``item``; the types that a bundle is full of are found first and by identity."""
    kind = type(item)
    if kind is int:
        if 0 <= item < 24:
            out.append(item)
        else:
            out += encode_integer(item)
    elif kind is bytes:
        out += _head(2, len(item))
        out += item
    elif kind is Tagged:
        out += _head(6, item.tag)
        _encode(item.content, out)
    elif kind is list or kind is tuple:
        out += _head(4, len(item))
        for element in item:
            _encode(element, out)
    elif item is None:
        out.append(0xF6)
    elif kind is str:
        text = _utf8(item)
        out += _head(3, len(text))
        out += text
    else:
        _encode_other(item, out)


def _encode_other(item: object, out: bytearray) -> None:
    """Write what is rare, and what is of a subtype: an enum's member, a text of its own class."""
    match item:
        case bool():
            out.append(0xF5 if item else 0xF4)
        case int():
            out += encode_integer(int(item))
        case bytes():
            _encode(bytes(item), out)
        case str():
            _encode(str(item), out)
        case dict():
            _encode_map(item, out)
        case list() | tuple():
            _encode(list(item), out)
        case _:
            raise MalformedError(f"the format has no place for a {type(item).__name__}")


@lru_cache(maxsize=1024)  # the arrays of a bundle are of few lengths
def _typed_head(tag: int, size: int) -> bytes:
    return _head(6, tag) + _head(2, size)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise MalformedError("a text holds half a character, which UTF-8 cannot") from None


def _encode_map(item: Mapping[object, object], out: bytearray) -> None:
    pairs = []
    for key, value in item.items():
        if isinstance(key, bool) or not isinstance(key, int | str):
            raise MalformedError("a map key is neither an integer nor text")
        pair = bytearray()
        _encode(key, pair)
        pairs.append((bytes(pair), value))
    pairs.sort(key=lambda pair: pair[0])
    out += _head(5, len(pairs))
    for encoded, value in pairs:
        out += encoded
        _encode(value, out)


class _Decoder:
    """A cursor over untrusted bytes; every read is bounded before it is made."""

    __slots__ = ("at", "data", "left", "simple")

    def __init__(self, data: bytes, items_max: int, simple: Mapping[int, bool | None]) -> None:
        self.data = data
        self.at = 0
        self.left = items_max
        self.simple = simple

    def item(self, depth: int) -> Item:
        """Return the next item; ``depth`` more levels may be nested in it."""
        self.left -= 1
        if self.left < 0:
            raise LimitError("the CBOR message has too many items")
        data, at = self.data, self.at
        if at >= len(data):
            raise MalformedError("the CBOR message ends early")
        initial = data[at]
        self.at = at + 1
        major, argument = initial >> 5, initial & 31
        if major == 7:
            if argument not in self.simple:
                raise MalformedError("a float or a simple value that has no place here")
            return self.simple[argument]
        if argument > 23:
            argument = self._long_head(argument)
        if major == 0:
            return argument
        if major == 2:
            return self._take(argument)
        if major == 1:
            return -1 - argument
        if major == 3:
            return self._text(argument)
        if depth == 0:
            raise LimitError(f"the CBOR message is nested deeper than {CBOR_DEPTH_MAX}")
        if major == 4:
            self._room(argument)
            return [self.item(depth - 1) for _ in range(argument)]
        if major == 5:
            return self._map(argument, depth - 1)
        return self._tagged(argument, depth - 1)

    def _long_head(self, info: int) -> int:
        """Return the argument that follows its head in 1, 2, 4 or 8 bytes."""
        if info == 24 and self.at < len(self.data):  # by far the most frequent
            argument = self.data[self.at]
            self.at += 1
            if argument < 24:
                raise MalformedError(_LONG)
            return argument
        if info > 27:
            raise MalformedError("an indefinite length or a reserved head stands in the message")
        width = 1 << (info - 24)
        argument = int.from_bytes(self._take(width), "big")
        if argument < 1 << (width * 4):
            raise MalformedError(_LONG)
        return argument

    def _take(self, count: int) -> bytes:
        at = self.at
        end = at + count
        if end > len(self.data):
            raise MalformedError("the CBOR message ends early")
        self.at = end
        return self.data[at:end]

    def _tagged(self, tag: int, depth: int) -> Item:
        if tag not in _TAGS:
            raise MalformedError(f"CBOR tag {tag} is not of this format")
        content = self.item(depth)
        if tag in TYPED_ARRAYS and type(content) is not bytes:
            raise MalformedError("a typed array is not a byte string")
        return Tagged(tag, content)

    def _text(self, count: int) -> str:
        try:
            return self._take(count).decode()
        except UnicodeDecodeError:
            raise MalformedError("a text is not UTF-8") from None

    def _room(self, count: int) -> None:
        """Refuse a count that the bytes left cannot hold, before anything is allocated for it."""
        if count > len(self.data) - self.at:
            raise MalformedError("the CBOR message ends early")

    def _map(self, count: int, depth: int) -> Item:
        self._room(2 * count)
        pairs: dict[int | str, Item] = {}
        last = b""
        for _ in range(count):
            start = self.at
            key = self.item(0)
            if isinstance(key, bool) or not isinstance(key, int | str):
                raise MalformedError("a map key is neither an integer nor text")
            encoded = self.data[start : self.at]
            if pairs and encoded <= last:
                raise MalformedError("map keys repeat or are out of order")
            last = encoded
            pairs[key] = self.item(depth)
        return pairs  # type: ignore[return-value]  # keys are checked above to be one of the two


_LONG: Final = "a CBOR head is longer than it needs to be"
_NULL: Final[Mapping[int, bool | None]] = {22: None}
_SIMPLE: Final[Mapping[int, bool | None]] = {20: False, 21: True, 22: None}

_SHORT_HEADS: Final = tuple(bytes((initial,)) for initial in range(0x100))
_HEAD_16: Final = Struct(">BH")
_HEAD_32: Final = Struct(">BI")
_HEAD_64: Final = Struct(">BQ")
NULL: Final = encode(None)
