"""A bundle: a sealed run of consecutive readings of one gateway.

On the wire, on the gateway's disk and in the aggregator for ever it is the same bytes: the CBOR
array ``[sealed header, body]``. The sealed header is a COSE_Sign1 that is read without inflating
anything; it carries the hash of the body, the root of the columns and the leaf hash of the bundle
before. The body is zlib (RFC 1950) of ``[seed, [column, ...]]`` (docs/specs/bundle.md).
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from protocols.wire import cbor
from protocols.wire.column import Column, decode_column
from protocols.wire.errors import HashError, LimitError, MalformedError
from protocols.wire.header import Header, decode_header, encode_header
from protocols.wire.limits import (
    BODY_INFLATED_BYTES_MAX,
    COLUMNS_PER_BUNDLE_MAX,
    HEADER_BYTES_MAX,
    MESSAGE_BYTES_MAX,
)
from protocols.wire.reading import Reading
from protocols.wire.seal import PublicKey, Purpose, Sealed, SealKey, open_sealed, peek, seal
from protocols.wire.tlog import leaf_hash, root

PURPOSE: Final = Purpose("application/lotproof-bundle+cbor", b"lotproof-bundle-v1")
SEED_BYTES: Final = 16
# Where a bundle is many short columns level 8 gives up to 7 % less than 6 for 0.3 us a reading; but
# over a whole window of them it searches for 1 to 5 us a reading, and finds little more.
_ZLIB_WINDOW: Final = 32_768
_PAIR: Final = b"\x82"  # head of an array of two
_SEED: Final = bytes((0x82, 0x40 | SEED_BYTES))  # head of an array of two, and that of the seed
_ITEMS_OUTER_MAX: Final = COLUMNS_PER_BUNDLE_MAX + 4


class Bundle(NamedTuple):
    """The two halves of a bundle, as bytes."""

    sealed_header: bytes
    body: bytes

    def encode(self) -> bytes:
        """Return the bundle as it travels and is stored."""
        return cbor.encode([self.sealed_header, self.body])


class Body(NamedTuple):
    """A body's content: the seed of the salts and the columns' bytes."""

    seed: bytes
    columns: list[bytes]

    def root(self) -> bytes:
        """Return the RFC 9162 root over the salted columns."""
        return root(column_leaves(self))

    def readings(self) -> Iterator[Reading]:
        """Yield every reading, column by column: the n-th has the number first_reading + n."""
        for data in self.columns:
            yield from decode_column(data).readings()


def pack_body(body: Body) -> bytes:
    """Return the body as stored: zlib of its deterministic CBOR."""
    plain = cbor.encode([body.seed, body.columns])
    return zlib.compress(plain, 8 if len(plain) <= _ZLIB_WINDOW else 6)


def seal_bundle(header: Header, body: bytes, key: SealKey) -> Bundle:
    """Seal ``header`` over the packed ``body``, whose hash the header must already carry.

    Raises HashError if it does not, LimitError if the bundle would be refused by any party.
    """
    if hashlib.sha256(body).digest() != header.body_hash:
        raise HashError("the header does not carry the hash of this body")
    sealed_header = seal(encode_header(header), key, PURPOSE)
    if len(sealed_header) > HEADER_BYTES_MAX or len(sealed_header) + len(body) > MESSAGE_BYTES_MAX:
        raise LimitError("the bundle is too large to travel", hint="cut bundles earlier")
    return Bundle(sealed_header, body)


def split_bundle(data: bytes) -> Bundle:
    """Take a bundle apart without believing it."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise LimitError(f"a bundle of {len(data)} bytes is over {MESSAGE_BYTES_MAX}")
    start, stop = cbor.byte_string_at(data, 1)
    first, last = cbor.byte_string_at(data, stop)
    if data[:1] != _PAIR or not 0 < start <= stop < first <= last == len(data):
        raise MalformedError("a bundle is not [sealed header, body]")
    sealed_header, body = data[start:stop], data[first:last]
    if len(sealed_header) > HEADER_BYTES_MAX:
        raise LimitError(f"a sealed header is over {HEADER_BYTES_MAX} bytes")
    return Bundle(sealed_header, body)


def peek_header(sealed_header: bytes) -> tuple[Sealed, Header]:
    """Read a header without believing it, to find out whose key should open it."""
    sealed = peek(sealed_header)
    return sealed, decode_header(sealed.payload)


def open_header(sealed_header: bytes, key: PublicKey) -> Header:
    """Return the header if ``key`` sealed it; SealError if not, MalformedError if it is none."""
    return decode_header(open_sealed(peek(sealed_header), key, PURPOSE))


def open_body(header: Header, body: bytes) -> Body:
    """Return the body's content if it is the one that ``header`` vouches for.

    The hash is checked before a byte is inflated, the size while inflating. The columns stay
    undecoded; ``check_columns`` reads them. Raises HashError, LimitError or MalformedError.
    """
    check_body_hash(header, body)
    return read_body(header, inflate_body(body))


def check_body_hash(header: Header, body: bytes) -> None:
    """Raise HashError unless the packed ``body`` is the one that ``header`` was sealed with."""
    if hashlib.sha256(body).digest() != header.body_hash:
        raise HashError("the body is not the one that the header was sealed with")


def inflate_body(body: bytes) -> bytes:
    """Return the CBOR of a packed body, its size bounded while it is inflated.

    Raises LimitError over ``BODY_INFLATED_BYTES_MAX``, MalformedError for anything but one whole
    zlib stream.
    """
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(body, BODY_INFLATED_BYTES_MAX)
    except zlib.error:
        raise MalformedError("the body is not zlib") from None
    if inflater.unconsumed_tail:
        raise LimitError(f"the body inflates to over {BODY_INFLATED_BYTES_MAX} bytes")
    if not inflater.eof or inflater.unused_data:
        raise MalformedError("the body ends early or something follows it")
    return inflated


def read_body(header: Header, inflated: bytes) -> Body:
    """Take an inflated body apart into its columns, undecoded; MalformedError if it is none."""
    seed, columns = _usual(inflated) or _any(inflated)
    if bool(columns) is not bool(header.count) or len(columns) > header.count:
        raise MalformedError("a body has columns where the header counts no reading for them")
    if not all(type(column) is bytes for column in columns):
        raise MalformedError("a column is not a byte string")
    return Body(seed, columns)


def _usual(inflated: bytes) -> tuple[bytes, list[bytes]] | None:
    """Return what ``_any`` does of a body with fewer than 256 columns; None for any other."""
    at = SEED_BYTES + 3
    if len(inflated) <= at or inflated[:2] != _SEED:
        return None
    count = inflated[at - 1] - 0x80  # where the array's head has the count in itself
    if count == 24 and inflated[at] >= 24:  # where it follows in one byte
        count, at = inflated[at], at + 1
    elif not 0 <= count < 24:
        return None
    columns = []
    for _ in range(count):
        start, stop = cbor.byte_string_at(inflated, at)
        if not start:
            return None
        columns.append(inflated[start:stop])
        at = stop
    return (inflated[2 : 2 + SEED_BYTES], columns) if at == len(inflated) else None


def _any(inflated: bytes) -> tuple[bytes, list[Any]]:
    """Return a body's seed and whatever stands for its columns; MalformedError if it is none."""
    match cbor.decode(inflated, items_max=_ITEMS_OUTER_MAX):
        case [bytes(seed), list(columns)] if len(seed) == SEED_BYTES:
            return seed, columns
    raise MalformedError("a body is not [seed, columns]")


def check_columns(header: Header, body: Body) -> list[Column]:
    """Return the decoded columns if root, count and times are the header's, else raise.

    Raises HashError for the root, MalformedError for a column that is none or figures that differ.
    """
    if body.root() != header.columns_root:
        raise HashError("the root of the columns is not the header's")
    columns = [decode_column(data) for data in body.columns]
    if sum(map(len, columns)) != header.count:
        raise MalformedError("the columns hold another number of readings than the header counts")
    if columns and not (
        header.first_time == min(min(column.gateway_times) for column in columns)
        and header.last_time == max(max(column.gateway_times) for column in columns)
    ):
        raise MalformedError("the columns' times are not within those of the header")
    return columns


def salt(seed: bytes, index: int) -> bytes:
    """Return the salt of column ``index``: it hides a column that is not disclosed."""
    return hashlib.sha256(seed + index.to_bytes(4, "big")).digest()[:16]


def column_leaves(body: Body) -> list[bytes]:
    """Return the leaf hash of each salted column, in order."""
    return [leaf_hash(salt(body.seed, at) + data) for at, data in enumerate(body.columns)]
