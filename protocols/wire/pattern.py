"""Strict CBOR forms as regular expressions: a message as most are is matched whole, in one step.

A pattern admits nothing that ``cbor.decode`` refuses, so what it matches needs no second look; what
it does not match is for the strict decoder to judge.
"""

from __future__ import annotations

from typing import Final

UINT: Final = (
    rb"([\x00-\x17]|\x18[\x18-\xff]|\x19(?!\x00)[\x00-\xff]{2}"
    rb"|\x1a(?!\x00\x00)[\x00-\xff]{4}|\x1b(?!\x00{4})[\x00-\x7f][\x00-\xff]{7})"
)
"""An integer from 0 to 2^63 - 1 with the shortest head (RFC 8949 section 4.2.1), as a group."""

INT: Final = (
    rb"([\x00-\x17\x20-\x37]|[\x18\x38][\x18-\xff]|[\x19\x39](?!\x00)[\x00-\xff]{2}"
    rb"|[\x1a\x3a](?!\x00\x00)[\x00-\xff]{4}|[\x1b\x3b](?!\x00{4})[\x00-\x7f][\x00-\xff]{7})"
)
"""An integer from -2^63 to 2^63 - 1 with the shortest head, as a group."""


def byte_string(length: int) -> bytes:
    """Return the pattern of a byte string of 24 to 255 bytes, or of under 24, as a group."""
    head = bytes((0x40 | length,)) if length < 24 else bytes((0x58, length))
    return b"%b([\\x00-\\xff]{%d})" % (b"".join(b"\\x%02x" % byte for byte in head), length)


def number_of(item: bytes) -> int:
    """Return the integer that ``UINT`` or ``INT`` has matched."""
    head = item[0]
    if head < 0x18:
        return head
    number = int.from_bytes(item[1:], "big") if len(item) > 1 else head - 0x20
    return number if head < 0x20 else -1 - number
