"""A stream of bytes cut into LLRP messages (LLRP 1.1 section 17.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocols.field.driver import DriverError

HEADER_BYTES: Final = 10
"""Type with version, total length, message id."""

_EVIDENCE_BYTES: Final = 1024


class FormatError(DriverError):
    """Bytes that cannot be a message: where the next one begins is not known any more."""

    def __init__(self, message: str, *, hint: str, raw: bytes) -> None:
        super().__init__(message, hint=hint)
        self.raw = raw  # what stood where a message should begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One whole message as it came."""

    kind: int  # message type, section 17.1
    message_id: int
    raw: bytes  # with its header


class Frames:
    """Cuts a stream of bytes into messages (type, total length, message id)."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._bytes += data

    def take(self) -> Frame | None:
        """Return the next whole message, or None; raise FormatError where none can begin."""
        if len(self._bytes) < HEADER_BYTES:
            return None
        first = int.from_bytes(self._bytes[:2], "big")
        length = int.from_bytes(self._bytes[2:6], "big")
        version = first >> 10 & 0x7
        if first >> 13 or version not in (1, 2, 3) or not HEADER_BYTES <= length <= self._bytes_max:
            raise FormatError(
                f"no LLRP message begins with {self._bytes[:HEADER_BYTES].hex()}"
                f" (version {version}, {length} bytes)",
                hint="check that host and port are an LLRP reader's; see message_bytes_max",
                raw=bytes(self._bytes[:_EVIDENCE_BYTES]),
            )
        if len(self._bytes) < length:
            return None
        raw = bytes(self._bytes[:length])
        del self._bytes[:length]
        return Frame(kind=first & 0x3FF, message_id=int.from_bytes(raw[6:10], "big"), raw=raw)
