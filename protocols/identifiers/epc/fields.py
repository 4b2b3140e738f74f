"""Fields of the EPC schemes with a company prefix, as bits and as text (TDS 2.3, section 14.4).

A field reads text off the bits and writes it back, and refuses what its coding forbids in either
direction, so that no two bit strings stand for one text.
"""

from __future__ import annotations

import string
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final

from protocols.identifiers.check_characters import CSET_82
from protocols.identifiers.epc.bits import BitReader, BitWriter
from protocols.identifiers.errors import EpcError

__all__ = [
    "REPROGRAM",
    "Cage",
    "Company",
    "Digits",
    "Field",
    "Integer",
    "NumericString",
    "Reserved",
    "SixBit",
    "Text",
]

REPROGRAM: Final = "the tag was programmed wrongly; read it again, then program it anew"

_ANOTHER: Final = "this coding cannot hold it; choose a longer scheme, or correct the identifier"


class Field(ABC):
    """A field; ``parts`` is how many parts of the URI it stands for."""

    __slots__ = ()
    parts: ClassVar[int] = 1

    def read(self, reader: BitReader) -> tuple[str, ...]:
        """Return the parts; raises EpcError."""
        return self._read(reader)

    def write(self, writer: BitWriter, *parts: str) -> None:
        """Append the parts; raises EpcError."""
        self._write(writer, *parts)

    @abstractmethod
    def _read(self, reader: BitReader) -> tuple[str, ...]: ...

    @abstractmethod
    def _write(self, writer: BitWriter, *parts: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Integer(Field):
    """A number without leading zeros (14.3.1)."""

    width: int

    def _read(self, reader: BitReader) -> tuple[str, ...]:
        return (str(reader.take(self.width)),)

    def _write(self, writer: BitWriter, *parts: str) -> None:
        (text,) = parts
        writer.put(_number(text, self.width), self.width)


@dataclass(frozen=True, slots=True)
class Digits(Field):
    """A number of fixed digits (14.3.10)."""

    width: int
    digits: int

    def _read(self, reader: BitReader) -> tuple[str, ...]:
        return (_padded(reader.take(self.width), self.digits),)

    def _write(self, writer: BitWriter, *parts: str) -> None:
        (text,) = parts
        _fixed(text, self.digits)
        writer.put(int(text or "0"), self.width)


@dataclass(frozen=True, slots=True)
class NumericString(Field):
    """Digits whose leading zeros count, behind a 1 that keeps them (14.3.6)."""

    width: int
    longest: int

    def _read(self, reader: BitReader) -> tuple[str, ...]:
        text = str(reader.take(self.width))
        if text[0] != "1" or not 2 <= len(text) <= self.longest + 1:
            raise EpcError(f"{text} is no numeric string", hint=REPROGRAM)
        return (text[1:],)

    def _write(self, writer: BitWriter, *parts: str) -> None:
        (text,) = parts
        if not _decimal(text) or not 1 <= len(text) <= self.longest:
            raise EpcError(f"{text!r} is not 1 to {self.longest} digits", hint=_ANOTHER)
        writer.put(int(f"1{text}"), self.width)


@dataclass(frozen=True, slots=True)
class Text(Field):
    """Characters of set 82 in seven bits each, filled up with zeros (14.3.2)."""

    width: int
    longest: int

    def _read(self, reader: BitReader) -> tuple[str, ...]:
        bits = reader.take(self.width)
        codes = [bits >> shift & 0x7F for shift in range(self.width - 7, self.width % 7 - 1, -7)]
        text = "".join(map(chr, codes)).rstrip("\0")
        # What seven does not divide, and everything behind the end, must be zero.
        if bits & ((1 << self.width % 7) - 1):
            raise EpcError("bits after the text are not zero", hint=REPROGRAM)
        _text(text, self.longest)
        return (text,)

    def _write(self, writer: BitWriter, *parts: str) -> None:
        (text,) = parts
        _text(text, self.longest)
        for character in text:
            writer.put(ord(character), 7)
        writer.put(0, self.width - 7 * len(text))


@dataclass(frozen=True, slots=True)
class SixBit(Field):
    """Characters in six bits each, up to six zeros (14.3.9, appendix G)."""

    shortest: int
    longest: int
    allowed: str

    def _read(self, reader: BitReader) -> tuple[str, ...]:
        text = ""
        while code := reader.take(6):
            # The six bits are the last of ASCII: 1 to 31 are letters, 32 to 63 themselves.
            text += chr(code if code & 0x20 else code | 0x40)
        self._check(text)
        return (text,)

    def _write(self, writer: BitWriter, *parts: str) -> None:
        (text,) = parts
        self._check(text)
        for character in text:
            writer.put(ord(character) & 0x3F, 6)
        writer.put(0, 6)

    def _check(self, text: str) -> None:
        if not self.shortest <= len(text) <= self.longest or set(text) - set(self.allowed):
            raise EpcError(
                f"{text!r} is not {self.shortest} to {self.longest} characters of this field",
                hint=f"allowed are {self.allowed}",
            )


@dataclass(frozen=True, slots=True)
class Cage(Field):
    """A CAGE code or DoDAAC, five characters behind a blank or six (14.3.7, 14.3.8)."""

    width: int  # bits of a character: 8, or 6

    def _read(self, reader: BitReader) -> tuple[str, ...]:
        codes = [reader.take(self.width) for _ in range(6)]
        if self.width == 6:
            codes = [code if code & 0x20 else code | 0x40 for code in codes]
        text = "".join(map(chr, codes)).removeprefix(" ")
        _cage(text)
        return (text,)

    def _write(self, writer: BitWriter, *parts: str) -> None:
        (text,) = parts
        _cage(text)
        for character in text.rjust(6):
            writer.put(ord(character) & ((1 << self.width) - 1), self.width)


@dataclass(frozen=True, slots=True)
class Reserved(Field):
    """Bits that must be zero."""

    width: int
    parts: ClassVar[int] = 0

    def _read(self, reader: BitReader) -> tuple[str, ...]:
        if reader.take(self.width):
            raise EpcError("reserved bits are not zero", hint=REPROGRAM)
        return ()

    def _write(self, writer: BitWriter, *parts: str) -> None:  # noqa: ARG002 - there are none
        writer.put(0, self.width)


@dataclass(frozen=True, slots=True)
class Company(Field):
    """Partition, GS1 company prefix and what the company appends to it (14.3.3 to 14.3.5, 14.3.9).

    ``kind`` is how the company's reference is written: ``digits`` fixed, ``integer``, ``text`` or
    ``six`` bits. It has what the prefix leaves of ``width`` bits and ``longest`` characters.
    """

    kind: str
    width: int
    longest: int
    parts: ClassVar[int] = 2

    def _read(self, reader: BitReader) -> tuple[str, ...]:
        partition = reader.take(3)
        if partition == 7:
            raise EpcError("partition 7 is reserved", hint=REPROGRAM)
        width, digits = _PARTITIONS[partition]
        company = _padded(reader.take(width), digits)
        (reference,) = self._reference(width, digits).read(reader)
        self._check_length(company, reference)
        return company, reference

    def _write(self, writer: BitWriter, *parts: str) -> None:
        company, reference = parts
        if not _decimal(company) or not 6 <= len(company) <= 12:
            raise EpcError(
                f"{company!r} is not a company prefix of 6 to 12 digits",
                hint="a shorter prefix stands with the digits behind it, see TDS section 6.3",
            )
        self._check_length(company, reference)
        partition = 12 - len(company)
        width, digits = _PARTITIONS[partition]
        writer.put(partition, 3)
        writer.put(int(company), width)
        self._reference(width, digits).write(writer, reference)

    def _reference(self, width: int, digits: int) -> Field:
        rest, longest = self.width - width, self.longest - digits
        match self.kind:
            case "digits":
                return Digits(rest, longest)
            case "integer":
                return Integer(rest)
            case "text":
                return Text(rest, longest)
            case _:
                return SixBit(1, longest, _CPI)

    def _check_length(self, company: str, reference: str) -> None:
        if len(company) + len(reference) > self.longest:
            raise EpcError(f"{reference!r} is too long behind {company}", hint=_ANOTHER)


_PARTITIONS: Final = ((40, 12), (37, 11), (34, 10), (30, 9), (27, 8), (24, 7), (20, 6))
"""Bits and digits of the GS1 company prefix, by partition; every scheme has the same."""

_CPI: Final = "#-/" + string.digits + string.ascii_uppercase

_CAGE: Final = frozenset(string.digits + string.ascii_uppercase) - {"I", "O"}


def _decimal(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _number(text: str, width: int) -> int:
    if not _decimal(text) or (len(text) > 1 and text[0] == "0") or len(text) > 60:
        raise EpcError(f"{text[:60]!r} is not a number without leading zeros", hint=_ANOTHER)
    if int(text) >> width:
        raise EpcError(f"{text} does not fit in {width} bits", hint=_ANOTHER)
    return int(text)


def _padded(value: int, digits: int) -> str:
    """Return a number with its leading zeros; of no digits only 0 can be, and is empty."""
    if value >= 10**digits:
        raise EpcError(f"{value} has more than {digits} digits", hint=REPROGRAM)
    return f"{value:0{digits}d}" if digits else ""


def _fixed(text: str, digits: int) -> None:
    if len(text) != digits or (text and not _decimal(text)):
        raise EpcError(f"{text!r} is not {digits} digits", hint=_ANOTHER)


def _text(text: str, longest: int) -> None:
    if not 1 <= len(text) <= longest or set(text) - set(CSET_82):
        raise EpcError(f"{text!r} is not 1 to {longest} characters of set 82", hint=_ANOTHER)


def _cage(text: str) -> None:
    if len(text) not in (5, 6) or set(text) - _CAGE:
        raise EpcError(f"{text!r} is no CAGE code or DoDAAC", hint="5 or 6 of 0-9, A-Z but I, O")
