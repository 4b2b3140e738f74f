"""Reads what can still be read of a bundle whose proof failed, to name what was altered in it.

Nothing from here is ever believed: it is only compared with what the record says.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from protocols.wire.bundle import SEED_BYTES
from protocols.wire.column import Column, decode_column
from protocols.wire.dossier.holding import Disclosed, Held
from protocols.wire.errors import WireError
from protocols.wire.limits import BODY_INFLATED_BYTES_MAX, COLUMNS_PER_BUNDLE_MAX


class Salvage(NamedTuple):
    """The columns that could be read, by their place in the body, and whether all could."""

    columns: dict[int, Column]
    whole: bool


def salvage(held: Held) -> Salvage:
    """Return every column of a bundle that still decodes."""
    if isinstance(held.content, Disclosed):
        parts = [(each.column, each.data) for each in held.content.columns]
        claimed = len(parts)
    else:
        data = _inflate(held.content)
        claimed, at = _head(data, 2 + SEED_BYTES)  # past the array of two and the seed
        parts = list(enumerate(_byte_strings(data, at, min(claimed, COLUMNS_PER_BUNDLE_MAX))))
    columns = {}
    for place, part in parts:
        try:
            columns[place] = decode_column(part)
        except WireError:
            continue
    return Salvage(columns, whole=len(columns) == claimed)


def _inflate(body: bytes) -> bytes:
    """Inflate as far as the damage allows, without the check sum at the end."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    out = bytearray()
    try:
        for at in range(2, len(body)):  # past the zlib header
            out += inflater.decompress(body[at : at + 1], BODY_INFLATED_BYTES_MAX)
            if inflater.eof or len(out) > BODY_INFLATED_BYTES_MAX:
                break
    except zlib.error:
        pass  # what came out before the damage is kept
    return bytes(out)


def _byte_strings(data: bytes, at: int, count: int) -> Iterator[bytes]:
    """Yield up to ``count`` CBOR byte strings from ``at`` on, as long as they are there."""
    for _ in range(count):
        size, start = _head(data, at)
        at = start + size
        if at > len(data):
            return
        yield data[start:at]


def _head(data: bytes, at: int) -> tuple[int, int]:
    """Return the argument of the CBOR head at ``at`` and where its content starts."""
    info = data[at] & 31 if at < len(data) else 0
    width = 1 << (info - 24) if 24 <= info <= 27 else 0
    start = at + 1 + width
    return (int.from_bytes(data[at + 1 : start], "big") if width else info), start
