"""How a dossier holds bundles: whole or in part, each with its place in the log.

The bundles of a chain are one CBOR array, in order. A whole bundle is a byte string of exactly the
bytes that the gateway sealed; one that keeps other lots' signals to itself is ``[sealed header,
columns, [[index, salt, column, path], ...]]``. The inclusion paths of all bundles are one CBOR
array ``[hashes, [[index, places], ...]]``: neighbours share most of their paths, so every hash is
written once and a path is the places where its hashes stand.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from protocols.wire import cbor
from protocols.wire.bundle import Body, Bundle, column_leaves, salt, split_bundle
from protocols.wire.errors import MalformedError
from protocols.wire.limits import COLUMNS_PER_BUNDLE_MAX
from protocols.wire.tlog import HASH_BYTES, inclusion_path


class DisclosedColumn(NamedTuple):
    """One column of a bundle, with what proves that the sealed header vouches for it."""

    column: int  # its place in the body
    salt: bytes  # 16 bytes
    data: bytes
    path: tuple[bytes, ...]  # from its salted leaf hash to the header's columns_root


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosed:
    """The part of a body that is shown: some columns of ``total``, or none."""

    total: int  # columns of the body
    columns: tuple[DisclosedColumn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A bundle as a dossier holds it: its body whole, or some of its columns."""

    sealed_header: bytes
    content: bytes | Disclosed

    @classmethod
    def whole(cls, data: bytes) -> Held:
        """Hold a bundle as it was stored."""
        bundle = split_bundle(data)
        return cls(sealed_header=bundle.sealed_header, content=bundle.body)

    @classmethod
    def header_alone(cls, data: bytes) -> Held:
        """Hold a bundle for what its header says; not even how many columns it has is told."""
        return cls(
            sealed_header=split_bundle(data).sealed_header, content=Disclosed(total=0, columns=())
        )


class Place(NamedTuple):
    """Where a bundle's leaf stands in the log, and the inclusion path to the checkpoint's root."""

    leaf: int  # index of the leaf
    path: tuple[bytes, ...]


def disclose(body: Body, indices: Iterable[int]) -> Disclosed:
    """Return the columns at ``indices`` of an opened body, and nothing of the others."""
    leaves = column_leaves(body)
    columns = tuple(
        DisclosedColumn(at, salt(body.seed, at), body.columns[at], inclusion_path(leaves, at))
        for at in sorted(set(indices))
    )
    return Disclosed(total=len(leaves), columns=columns)


def encode_chain(held: Sequence[Held]) -> bytes:
    """Return the member that holds the bundles of one chain."""
    return cbor.encode([_item(each) for each in held])


def decode_chain(data: bytes) -> tuple[Held, ...]:
    """Return the bundles of one chain; MalformedError or LimitError if ``data`` is none."""
    items = cbor.decode(data, items_max=ITEMS_MAX, booleans=False)
    if not isinstance(items, list):
        raise MalformedError("a chain's member is not an array")
    return tuple(_held(item) for item in items)


def encode_paths(places: Sequence[Place]) -> bytes:
    """Return the member that holds the inclusion paths of all bundles."""
    rows: dict[bytes, int] = {}
    items: list[cbor.Item] = []
    for place in places:
        at = [rows.setdefault(each, len(rows)) for each in place.path]
        items.append([place.leaf, cbor.Tagged(_UINT32, struct.pack(f"<{len(at)}I", *at))])
    return cbor.encode([b"".join(rows), items])


def decode_paths(data: bytes) -> tuple[Place, ...]:
    """Return the inclusion paths of all bundles; MalformedError or LimitError if it is none."""
    match cbor.decode(data, items_max=ITEMS_MAX, booleans=False):
        case [bytes(packed), list(items)] if len(packed) % HASH_BYTES == 0:
            starts = range(0, len(packed), HASH_BYTES)
            hashes = [packed[start : start + HASH_BYTES] for start in starts]
            return tuple(_place(item, hashes) for item in items)
    raise MalformedError("the inclusion paths are not [hashes, paths]")


ITEMS_MAX: Final = 4_000_000
"""Data items in one member of a dossier: some hundred thousand bundles."""

_UINT32: Final = 70  # a typed array of 32-bit unsigned integers, little-endian (RFC 8746)


def _item(held: Held) -> cbor.Item:
    if isinstance(held.content, bytes):
        return Bundle(held.sealed_header, held.content).encode()
    columns: list[cbor.Item] = [
        [column.column, column.salt, column.data, list(column.path)]
        for column in held.content.columns
    ]
    return [held.sealed_header, held.content.total, columns]


def _held(item: cbor.Item) -> Held:
    match item:
        case bytes(data):
            return Held.whole(data)
        case [bytes(sealed_header), int(total), list(columns)] if (
            0 <= total <= COLUMNS_PER_BUNDLE_MAX
        ):
            shown = tuple(_column(column) for column in columns)
            if any(later.column <= earlier.column for earlier, later in pairwise(shown)):
                raise MalformedError("disclosed columns repeat or are out of order")
            return Held(sealed_header=sealed_header, content=Disclosed(total=total, columns=shown))
    raise MalformedError("a held bundle is neither whole nor [sealed header, columns, disclosed]")


def _column(item: cbor.Item) -> DisclosedColumn:
    match item:
        case [int(index), bytes(salt_), bytes(data), list(path)] if len(salt_) == 16:
            if all(isinstance(each, bytes) and len(each) == HASH_BYTES for each in path):
                return DisclosedColumn(index, salt_, data, tuple(path))
    raise MalformedError("a disclosed column is not [index, salt, column, path]")


def _place(item: cbor.Item, hashes: Sequence[bytes]) -> Place:
    match item:
        case [int(index), cbor.Tagged(70, bytes(packed))] if len(packed) % 4 == 0:
            rows = struct.unpack(f"<{len(packed) // 4}I", packed)
            if all(row < len(hashes) for row in rows):
                return Place(index, tuple(hashes[row] for row in rows))
    raise MalformedError("an inclusion path is not [index, places of its hashes]")
