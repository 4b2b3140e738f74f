"""EPCs as a tag carries them, read as the thing that they name (GS1 EPC Tag Data Standard 2.3).

All coding schemes with a company prefix (SGTIN-96 to ADI-var) and those made of GS1 elements
(SGTIN+ to DSGTIN+), bits to URI to elements and back. A tag that breaks its scheme's rules names
nothing: it is an error here, never the nearest identifier. Not read: GDTI-113 (withdrawn), and the
``++`` schemes of TDS 2.3, whose headers are refused by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from protocols.identifiers.epc.bits import BitReader, Bits, BitWriter
from protocols.identifiers.epc.fields import REPROGRAM
from protocols.identifiers.epc.naming import elements_of, parts_of
from protocols.identifiers.epc.plus import (
    DATE_AIS,
    read_date,
    read_value,
    write_date,
    write_value,
)
from protocols.identifiers.epc.scheme import LAYOUTS, PLUS, Scheme
from protocols.identifiers.errors import EpcError, Gs1Error
from protocols.identifiers.gs1 import ElementString, parse, to_digital_link

__all__ = [
    "Bits",
    "Epc",
    "Scheme",
    "decode",
    "encode",
    "from_elements",
    "from_tag_uri",
    "from_uri",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Epc:
    """What an EPC names, checked."""

    scheme: Scheme
    filter: int  # what kind of thing carries the tag; 0 where the scheme has no filter
    parts: tuple[str, ...]
    """Parts of the pure identity URI, unescaped; of a + scheme the values of its AIs, and of a
    DSGTIN+ then the AI of its date and the date."""
    aidc: Bits | None = None  # of a + scheme: what follows the EPC, where its toggle bit says so

    @property
    def uri(self) -> str:
        """Pure identity, ``urn:epc:id:grai:0614141.12345.400``.

        The + schemes have none by the standard; for them this is the canonical Digital Link.
        """
        if self.scheme in PLUS:
            elements = elements_of(self.scheme, self.parts)
            return to_digital_link(elements) if elements else ""
        return f"urn:epc:id:{self.scheme.kind}:{self._joined()}"

    @property
    def tag_uri(self) -> str | None:
        """Identity with scheme and filter, ``urn:epc:tag:grai-96:3.0614141.12345.400``."""
        if self.scheme in PLUS:
            return None
        filtered = f"{self.filter}." if LAYOUTS[self.scheme].filter_width else ""
        return f"urn:epc:tag:{self.scheme.label}:{filtered}{self._joined()}"

    @property
    def elements(self) -> ElementString | None:
        """The GS1 elements; None for the schemes that GS1 has no elements for."""
        return elements_of(self.scheme, self.parts)

    def _joined(self) -> str:
        return ".".join(re.sub(_ESCAPABLE, _escape, part) for part in self.parts)


def decode(epc: bytes, bits: int) -> Epc:
    """Return what an EPC names; ``epc`` is left-aligned, ``bits`` its length.

    Zeros up to the next word of 16 bits may follow, as a tag's memory has them. Raises EpcError for
    an unknown header, a length that is not the scheme's, a reserved partition or coding, a number
    with more digits than its field, reserved bits that are not zero, and a GS1 element of a
    + scheme that breaks its rules.
    """
    if not 8 <= bits <= BITS_MAX or not bits <= len(epc) * 8 < bits + 16:
        raise EpcError(
            f"an EPC of {bits} bits in {len(epc)} octets is not decoded",
            hint=f"an EPC has 8 to {BITS_MAX} bits, in octets that end with them",
        )
    reader = BitReader(epc, bits)
    scheme = _scheme(reader.take(8))
    try:
        found = _read_plus(scheme, reader) if scheme in PLUS else _read_legacy(scheme, reader)
        _check(found)
    except EpcError as error:
        raise EpcError(f"{epc.hex()}: {error}", hint=error.hint) from error
    return found


def encode(epc: Epc) -> Bits:
    """Return the bits of an EPC, without filling; raises EpcError for parts that do not fit."""
    _check(epc)
    writer = BitWriter()
    writer.put(epc.scheme, 8)
    if epc.scheme in PLUS:
        writer.put(epc.aidc is not None, 1)
        writer.put(epc.filter, 3)
        _write_plus(epc, writer)
    else:
        layout = LAYOUTS[epc.scheme]
        writer.put(epc.filter, layout.filter_width)
        parts = list(epc.parts)
        for field in layout.fields:
            field.write(writer, *parts[: field.parts])
            del parts[: field.parts]
    return writer.bits()


def from_uri(uri: str, *, scheme: Scheme, filter_value: int = 0) -> Epc:
    """Return the EPC of a pure identity URI (of a + scheme: a Digital Link).

    Raises EpcError for a URI of another scheme, or that the scheme's bits cannot hold, and
    Gs1Error for a Digital Link against its rules.
    """
    if scheme in PLUS:
        return from_elements(parse(uri), scheme=scheme, filter_value=filter_value)
    prefix = f"urn:epc:id:{scheme.kind}:"
    if not uri.startswith(prefix) or len(uri) > _URI_MAX:
        raise EpcError(f"{uri[:60]!r} is not {prefix}…", hint="give the URI as it was printed")
    parts = _split(uri.removeprefix(prefix), LAYOUTS[scheme].parts)
    return _made(Epc(scheme=scheme, filter=filter_value, parts=parts))


def from_tag_uri(uri: str) -> Epc:
    """Return the EPC of a tag URI, which names scheme and filter; raises EpcError."""
    found = re.fullmatch(r"urn:epc:tag:([a-z0-9-]+):(.+)", uri) if len(uri) <= _URI_MAX else None
    scheme = next((s for s in LAYOUTS if found and s.label == found[1]), None)
    if found is None or scheme is None:
        raise EpcError(f"{uri[:60]!r} is no tag URI", hint="a tag URI is urn:epc:tag:sgtin-96:3.…")
    layout = LAYOUTS[scheme]
    has_filter = layout.filter_width > 0
    parts = _split(found[2], layout.parts + has_filter)
    if has_filter and not re.fullmatch("0|[1-9][0-9]?", parts[0]):
        raise EpcError(f"{parts[0][:60]!r} is no filter", hint="the filter is a small number")
    return _made(
        Epc(
            scheme=scheme,
            filter=int(parts[0]) if has_filter else 0,
            parts=parts[1:] if has_filter else parts,
        )
    )


def from_elements(
    elements: ElementString | str,
    *,
    scheme: Scheme,
    filter_value: int = 0,
    company_digits: int | None = None,
) -> Epc:
    """Return the EPC of GS1 elements, for example ``(01)…(21)…`` as an SGTIN.

    ``company_digits`` is the length of the GS1 company prefix; a + scheme needs none. Raises
    Gs1Error for a string against its rules, EpcError where the scheme carries other elements.
    """
    read = parse(elements) if isinstance(elements, str) else elements
    parts = parts_of(scheme, read, company_digits)
    return _made(Epc(scheme=scheme, filter=filter_value, parts=parts))


BITS_MAX: Final = 496
"""A tag's length field counts at most 31 words (Gen2, protocol control)."""

_URI_MAX: Final = 300

_ESCAPABLE: Final = re.compile('["#%&/<>?]')

_ESCAPES: Final = re.compile("%(22|23|25|26|2F|3C|3E|3F)|%")


def _escape(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"


def _split(text: str, parts: int) -> tuple[str, ...]:
    """Return unescaped parts; the last one may have dots of its own (6.3)."""
    found = text.split(".", parts - 1)
    if len(found) != parts or _ESCAPABLE.search(_ESCAPES.sub("", text)):
        raise EpcError(f"{text[:60]!r} does not have {parts} escaped parts", hint=_SPELLING)
    unescaped = []
    for part in found:
        if any(match[1] is None for match in _ESCAPES.finditer(part)):
            raise EpcError(f"{part[:60]!r} has a % that escapes nothing", hint=_SPELLING)
        unescaped.append(_ESCAPES.sub(lambda match: chr(int(match[1], 16)), part))
    return tuple(unescaped)


_SPELLING: Final = 'parts are separated by dots, and " # % & / < > ? are written as %22 and so on'


def _scheme(header: int) -> Scheme:
    try:
        return Scheme(header)
    except ValueError:
        what = "of a ++ scheme, which " if 0xE6 <= header <= 0xFD else ""
        raise EpcError(
            f"EPC header 0x{header:02x} {what}is not decoded",
            hint="program carriers with a GS1 EPC scheme, or name the tag by its bits",
        ) from None


def _read_legacy(scheme: Scheme, reader: BitReader) -> Epc:
    layout = LAYOUTS[scheme]
    filter_value = reader.take(layout.filter_width)
    parts = [part for field in layout.fields for part in field.read(reader)]
    _end(reader)
    return Epc(scheme=scheme, filter=filter_value, parts=tuple(parts))


def _read_plus(scheme: Scheme, reader: BitReader) -> Epc:
    toggle, filter_value = reader.take(1), reader.take(3)
    date: tuple[str, ...] = ()
    if scheme is Scheme.DSGTIN_PLUS:
        kind = reader.take(4)
        if kind >= len(DATE_AIS):
            raise EpcError(f"date type {kind} is reserved", hint=REPROGRAM)
        date = (DATE_AIS[kind], read_date(reader))
    parts = tuple(read_value(ai, reader) for ai in PLUS[scheme])
    aidc = reader.rest() if toggle else None
    _end(reader)
    return Epc(scheme=scheme, filter=filter_value, parts=parts + date, aidc=aidc)


def _write_plus(epc: Epc, writer: BitWriter) -> None:
    ais = PLUS[epc.scheme]
    if epc.scheme is Scheme.DSGTIN_PLUS:
        ai, date = epc.parts[2:]
        writer.put(DATE_AIS.index(ai), 4)
        write_date(date, writer)
    for ai, value in zip(ais, epc.parts, strict=False):
        write_value(ai, value, writer)
    if epc.aidc is not None:
        writer.append(epc.aidc)


def _end(reader: BitReader) -> None:
    """Refuse more than the zeros that fill a word of the tag's memory."""
    left = reader.left
    if left >= 16 or reader.take(left):
        raise EpcError(f"{left} bits follow its end", hint=REPROGRAM)


def _made(epc: Epc) -> Epc:
    """Return an EPC whose bits can be written."""
    encode(epc)
    return epc


def _check(epc: Epc) -> None:
    """Refuse a filter, or GS1 elements, that the scheme does not have."""
    plus = epc.scheme in PLUS
    width = 3 if plus else LAYOUTS[epc.scheme].filter_width
    if not 0 <= epc.filter < 1 << width:
        raise EpcError(f"{epc.scheme.label} has no filter {epc.filter}", hint="see TDS section 10")
    expected = _plus_count(epc.scheme) if plus else LAYOUTS[epc.scheme].parts
    if len(epc.parts) != expected or (epc.aidc is not None and not plus):
        raise EpcError(f"{epc.scheme.label} has {expected} parts", hint=_SPELLING)
    if plus or epc.scheme.kind == "itip":
        try:
            elements_of(epc.scheme, epc.parts)
        except Gs1Error as error:
            raise EpcError(str(error), hint=error.hint) from error


def _plus_count(scheme: Scheme) -> int:
    return len(PLUS[scheme]) + (2 if scheme is Scheme.DSGTIN_PLUS else 0)
