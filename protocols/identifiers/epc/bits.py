"""Bits of an EPC, read and written from the left; the end need not be a whole octet."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.identifiers.errors import EpcError

__all__ = ["BitReader", "BitWriter", "Bits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bits:
    """Left-aligned bits; those of the last octet beyond ``length`` are zero."""

    data: bytes
    length: int  # bits


class BitReader:
    """Takes numbers off the front; raises EpcError where bits run out."""

    def __init__(self, data: bytes, length: int) -> None:
        self._number = int.from_bytes(data, "big") >> (len(data) * 8 - length)
        self.left = length

    def take(self, width: int) -> int:
        """Return the next bits as a number."""
        if width > self.left:
            raise EpcError(
                f"the EPC ends {width - self.left} bits early",
                hint="the reader cut it, or the tag was programmed wrongly; read it again",
            )
        self.left -= width
        return self._number >> self.left & ((1 << width) - 1)

    def rest(self) -> Bits:
        """Return what is left, and leave nothing."""
        length = self.left
        return _aligned(self.take(length), length)


class BitWriter:
    """Appends numbers at the end."""

    def __init__(self) -> None:
        self._number = 0
        self._length = 0

    def put(self, value: int, width: int) -> None:
        """Append a number that has been checked to fit."""
        self._number = self._number << width | value
        self._length += width

    def append(self, bits: Bits) -> None:
        """Append bits as they are."""
        self.put(
            int.from_bytes(bits.data, "big") >> (len(bits.data) * 8 - bits.length), bits.length
        )

    def bits(self) -> Bits:
        """Return everything that was put."""
        return _aligned(self._number, self._length)


def _aligned(number: int, length: int) -> Bits:
    octets = (length + 7) // 8
    return Bits(data=(number << (octets * 8 - length)).to_bytes(octets, "big"), length=length)
