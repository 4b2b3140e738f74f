"""Values of GS1 elements as bits, as the + schemes have them (TDS 2.3, section 14.5, table F).

Where the standard leaves several codings of one text, the shortest is written, and each is read.
Against the letter of table F, a GIAI and a CPI are written with letters behind their delimiter:
the table says numeric, section 14.5.5 and the examples of annex E.3 have them alphanumeric.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from typing import Final

from protocols.identifiers.check_characters import CSET_39, CSET_82
from protocols.identifiers.epc.bits import BitReader, BitWriter
from protocols.identifiers.epc.fields import REPROGRAM
from protocols.identifiers.errors import EpcError

__all__ = ["DATE_AIS", "read_date", "read_value", "write_date", "write_value"]

DATE_AIS: Final = ("11", "13", "15", "16", "17", "7006", "7007")
"""AIs of the date in a DSGTIN+, by its date type (table 14-4; higher types are reserved)."""


def read_value(ai: str, reader: BitReader) -> str:
    """Return the value of an AI; raises EpcError."""
    if ai in _DELIMITED:
        return _read_delimited(reader)
    digits = "".join(_nibble(reader) for _ in range(_NIBBLES.get(ai, 0)))
    match _VARIABLE.get(ai):
        case "text":
            return digits + _read_text(reader)
        case "number":
            return digits + _read_integer(reader, _length(reader.take(4)))
        case _:
            return digits


def write_value(ai: str, value: str, writer: BitWriter) -> None:
    """Append the value of an AI, which has been checked as a GS1 element; raises EpcError."""
    if ai in _DELIMITED:
        _write_delimited(value, writer)
        return
    fixed = _NIBBLES.get(ai, 0)
    for digit in value[:fixed]:
        writer.put(int(digit), 4)
    rest = value[fixed:]
    if ai not in _VARIABLE:
        return
    if not rest:
        raise EpcError(f"({ai}){value} has no serial component", hint="an EPC names one thing")
    if _VARIABLE[ai] == "text":
        _write_text(rest, writer)
    else:
        writer.put(len(rest), 4)
        writer.put(int(rest), _integer_width(len(rest)))


def read_date(reader: BitReader) -> str:
    """Return YYMMDD (14.5.8); that it is a day is checked with the element."""
    year, month, day = reader.take(7), reader.take(4), reader.take(5)
    if year > 99:
        raise EpcError(f"year {year} has more than two digits", hint=REPROGRAM)
    return f"{year:02d}{month:02d}{day:02d}"


def write_date(date: str, writer: BitWriter) -> None:
    """Append YYMMDD (14.5.8)."""
    writer.put(int(date[:2]), 7)
    writer.put(int(date[2:4]), 4)
    writer.put(int(date[4:]), 5)


_NIBBLES: Final = {
    "00": 18,
    "01": 14,
    "253": 13,
    "255": 13,
    "414": 13,
    "8003": 14,
    "8006": 18,
    "8017": 18,
    "8018": 18,
}
"""Digits at the front, four bits each (14.5.4)."""

_VARIABLE: Final = {
    "21": "text",
    "253": "text",
    "254": "text",
    "8003": "text",
    "255": "number",
    "8011": "number",
}
"""What follows them: text (14.5.6), or a number behind its length (14.5.13)."""

_DELIMITED: Final = ("8004", "8010")

_HEX: Final = string.digits + "ABCDEF"
_BASE64: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
_CODE40: Final = "\0" + string.ascii_uppercase + "-.:" + string.digits
_ASCII: Final = "".join(sorted(set(CSET_82) | set(CSET_39)))


def _integer_width(digits: int) -> int:
    """Return the bits for a number of so many digits (table B)."""
    return int((10**digits - 1).bit_length())


# Characters and bits of each coding, by its encoding indicator (table E); 6 and 7 are reserved.
_CODINGS: Final[tuple[tuple[str, Callable[[int], int]], ...]] = (
    (string.digits, _integer_width),
    (_HEX, lambda length: 4 * length),
    (_HEX.lower(), lambda length: 4 * length),
    (_BASE64, lambda length: 6 * length),
    (_ASCII, lambda length: 7 * length),
    (_CODE40[1:], lambda length: 16 * -(-length // 3)),
)


def _length(length: int) -> int:
    if length == 0:
        raise EpcError("a value of no characters", hint=REPROGRAM)
    return length


def _nibble(reader: BitReader) -> str:
    digit = reader.take(4)
    if digit > 9:
        raise EpcError(f"{digit:X} is no digit", hint=REPROGRAM)
    return str(digit)


def _read_integer(reader: BitReader, length: int) -> str:
    number = reader.take(_integer_width(length))
    if number >= 10**length:
        raise EpcError(f"{number} has more than {length} digits", hint=REPROGRAM)
    return f"{number:0{length}d}"


def _read_text(reader: BitReader) -> str:
    indicator = reader.take(3)
    length = _length(reader.take(5))
    match indicator:
        case 0:
            return _read_integer(reader, length)
        case 1:
            return "".join(_HEX[reader.take(4)] for _ in range(length))
        case 2:
            return "".join(_HEX[reader.take(4)].lower() for _ in range(length))
        case 3:
            return "".join(_BASE64[reader.take(6)] for _ in range(length))
        case 4:
            return "".join(chr(reader.take(7)) for _ in range(length))
        case 5:
            return _read_code40(reader, length)
    raise EpcError(f"encoding indicator {indicator} is reserved", hint=REPROGRAM)


def _read_code40(reader: BitReader, length: int) -> str:
    text = ""
    for _ in range(-(-length // 3)):
        number = reader.take(16) - 1
        if not 0 <= number < 40**3:
            raise EpcError(f"{number + 1} is no URN Code 40", hint=REPROGRAM)
        text += _CODE40[number // 1600] + _CODE40[number // 40 % 40] + _CODE40[number % 40]
    if text[length:].strip("\0") or "\0" in text[:length]:
        raise EpcError("URN Code 40 is filled up wrongly", hint=REPROGRAM)
    return text[:length]


def _write_text(text: str, writer: BitWriter) -> None:
    fitting = [
        (width(len(text)), indicator)
        for indicator, (characters, width) in enumerate(_CODINGS)
        if not set(text) - set(characters)
    ]
    if not fitting or len(text) > 31:
        raise EpcError(f"{text!r} cannot be coded", hint="see TDS section 14.5.6")
    _, indicator = min(fitting)
    writer.put(indicator, 3)
    writer.put(len(text), 5)
    match indicator:
        case 0:
            writer.put(int(text), _integer_width(len(text)))
        case 1 | 2:
            writer.put(int(text, 16), 4 * len(text))
        case 3:
            for character in text:
                writer.put(_BASE64.index(character), 6)
        case 4:
            for character in text:
                writer.put(ord(character), 7)
        case _:
            for start in range(0, len(text), 3):
                one, two, three = (_CODE40.index(c) for c in text[start : start + 3].ljust(3, "\0"))
                writer.put(1600 * one + 40 * two + three + 1, 16)


def _read_delimited(reader: BitReader) -> str:
    """Return digits up to nibble F, or up to E and then text (14.5.5)."""
    digits = ""
    while (nibble := reader.take(4)) < 10:
        digits += str(nibble)
        if len(digits) > 30:
            raise EpcError("more than 30 digits without an end", hint=REPROGRAM)
    if nibble == 0xE:
        return digits + _read_text(reader)
    if nibble != 0xF:
        raise EpcError(f"{nibble:X} is no digit", hint=REPROGRAM)
    return digits


def _write_delimited(value: str, writer: BitWriter) -> None:
    digits = re.match("[0-9]*", value)
    leading = digits[0] if digits else ""
    for digit in leading:
        writer.put(int(digit), 4)
    if leading == value:
        writer.put(0xF, 4)
    else:
        writer.put(0xE, 4)
        _write_text(value[len(leading) :], writer)
