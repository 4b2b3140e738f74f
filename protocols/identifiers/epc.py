"""EPCs as a tag carries them, read as the thing that they name (GS1 EPC Tag Data Standard 2.1).

Three schemes of 96 bits: SGTIN (a trade item), SSCC (a logistic unit) and GRAI (a returnable
asset, such as the carrier of a lot). A tag that breaks its scheme's rules names nothing: it is an
error here, never the nearest identifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from protocols.identifiers.errors import EpcError

__all__ = ["Epc", "Scheme", "decode"]


class Scheme(IntEnum):
    """Coding scheme; the number is the first octet of the EPC."""

    SGTIN_96 = 0x30
    SSCC_96 = 0x31
    GRAI_96 = 0x33


@dataclass(frozen=True, slots=True, kw_only=True)
class Epc:
    """What an EPC names."""

    scheme: Scheme
    filter: int  # 0 to 7: what kind of thing carries the tag
    uri: str  # pure identity, for example ``urn:epc:id:grai:0614141.12345.400``


def decode(epc: bytes, bits: int) -> Epc:
    """Return what an EPC names; ``epc`` is left-aligned, ``bits`` its length.

    Raises EpcError for another length or scheme, a reserved partition, a number with more digits
    than its partition allows, and reserved bits that are not zero.
    """
    if bits != _BITS or len(epc) * 8 != _BITS:
        raise EpcError(f"an EPC of {bits} bits is not decoded", hint="only 96-bit schemes are")
    try:
        scheme = Scheme(epc[0])
    except ValueError:
        raise EpcError(
            f"EPC header 0x{epc[0]:02x} is not decoded",
            hint="program carriers with SGTIN-96, SSCC-96 or GRAI-96, or name the tag by its bits",
        ) from None
    number = int.from_bytes(epc, "big")
    partition = number >> 82 & 0x7
    if partition == 7:
        raise EpcError(f"{epc.hex()}: partition 7 is reserved", hint=_REPROGRAM)
    company_bits, company_digits = _COMPANY[partition]
    reference_bits, reference_digits, rest_bits = _rest(scheme, company_bits, company_digits)
    company = number >> (82 - company_bits) & _ones(company_bits)
    reference = number >> rest_bits & _ones(reference_bits)
    rest = number & _ones(rest_bits)
    parts = [_digits(epc, company, company_digits), _digits(epc, reference, reference_digits)]
    if scheme is not Scheme.SSCC_96:
        parts.append(str(rest))
    elif rest:
        raise EpcError(f"{epc.hex()}: reserved bits are not zero", hint=_REPROGRAM)
    name = scheme.name.removesuffix("_96").lower()
    uri = f"urn:epc:id:{name}:{'.'.join(parts)}"
    return Epc(scheme=scheme, filter=number >> 85 & 0x7, uri=uri)


_BITS: Final = 96

_REPROGRAM: Final = "the tag was programmed wrongly; read it again, then program it anew"

_COMPANY: Final = ((40, 12), (37, 11), (34, 10), (30, 9), (27, 8), (24, 7), (20, 6))
"""Bits and digits of the GS1 company prefix, by partition; every scheme has the same."""

_SPLIT: Final = {Scheme.SGTIN_96: (44, 13), Scheme.SSCC_96: (58, 17), Scheme.GRAI_96: (44, 12)}
"""Bits and digits that company prefix and reference share."""


def _rest(scheme: Scheme, company_bits: int, company_digits: int) -> tuple[int, int, int]:
    """Return bits and digits of the reference, and the bits after it."""
    bits, digits = _SPLIT[scheme]
    return bits - company_bits, digits - company_digits, 82 - bits


def _digits(epc: bytes, value: int, digits: int) -> str:
    """Return a number with its leading zeros; of no digits only 0 can be, and is empty."""
    if value >= 10**digits:
        raise EpcError(f"{epc.hex()}: {value} has more than {digits} digits", hint=_REPROGRAM)
    return f"{value:0{digits}d}" if digits else ""


def _ones(bits: int) -> int:
    return (1 << bits) - 1
