"""The EPC coding schemes: header, filter and fields (TDS 2.3, table 14-1 and section 14)."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from protocols.identifiers.epc.fields import (
    Cage,
    Company,
    Digits,
    Field,
    Integer,
    NumericString,
    Reserved,
    SixBit,
    Text,
)

__all__ = ["LAYOUTS", "PLUS", "Layout", "Scheme"]


class Scheme(IntEnum):
    """Coding scheme; the number is the first octet of the EPC."""

    GDTI_96 = 0x2C
    GSRN_96 = 0x2D
    GSRNP_96 = 0x2E
    USDOD_96 = 0x2F
    SGTIN_96 = 0x30
    SSCC_96 = 0x31
    SGLN_96 = 0x32
    GRAI_96 = 0x33
    GIAI_96 = 0x34
    GID_96 = 0x35
    SGTIN_198 = 0x36
    GRAI_170 = 0x37
    GIAI_202 = 0x38
    SGLN_195 = 0x39
    ADI_VAR = 0x3B
    CPI_96 = 0x3C
    CPI_VAR = 0x3D
    GDTI_174 = 0x3E
    SGCN_96 = 0x3F
    ITIP_110 = 0x40
    ITIP_212 = 0x41
    CPI_PLUS = 0xF0
    GRAI_PLUS = 0xF1
    SGLN_PLUS = 0xF2
    ITIP_PLUS = 0xF3
    GSRN_PLUS = 0xF4
    GSRNP_PLUS = 0xF5
    GDTI_PLUS = 0xF6
    SGTIN_PLUS = 0xF7
    SGCN_PLUS = 0xF8
    SSCC_PLUS = 0xF9
    GIAI_PLUS = 0xFA
    DSGTIN_PLUS = 0xFB

    @property
    def label(self) -> str:
        """Name as in a tag URI, for example ``sgtin-96``; a + scheme is ``sgtin+``."""
        return self.name.lower().replace("_plus", "+").replace("_", "-")

    @property
    def kind(self) -> str:
        """Name as in a pure identity URI, for example ``sgtin``."""
        return self.name.lower().partition("_")[0]


@dataclass(frozen=True, slots=True)
class Layout:
    """Fields after the header."""

    filter_width: int  # bits; 0 where the scheme has no filter
    fields: tuple[Field, ...]

    @property
    def parts(self) -> int:
        """How many parts the pure identity URI has."""
        return sum(field.parts for field in self.fields)


_ADI: Final = string.digits + string.ascii_uppercase + "-/"

_ITIP: Final = (Company("digits", 44, 13), Digits(7, 2), Digits(7, 2))

LAYOUTS: Final[Mapping[Scheme, Layout]] = {
    Scheme.SGTIN_96: Layout(3, (Company("digits", 44, 13), Integer(38))),
    Scheme.SGTIN_198: Layout(3, (Company("digits", 44, 13), Text(140, 20))),
    Scheme.SSCC_96: Layout(3, (Company("digits", 58, 17), Reserved(24))),
    Scheme.SGLN_96: Layout(3, (Company("digits", 41, 12), Integer(41))),
    Scheme.SGLN_195: Layout(3, (Company("digits", 41, 12), Text(140, 20))),
    Scheme.GRAI_96: Layout(3, (Company("digits", 44, 12), Integer(38))),
    Scheme.GRAI_170: Layout(3, (Company("digits", 44, 12), Text(112, 16))),
    Scheme.GIAI_96: Layout(3, (Company("integer", 82, 25),)),
    Scheme.GIAI_202: Layout(3, (Company("text", 188, 30),)),
    Scheme.GSRN_96: Layout(3, (Company("digits", 58, 17), Reserved(24))),
    Scheme.GSRNP_96: Layout(3, (Company("digits", 58, 17), Reserved(24))),
    Scheme.GDTI_96: Layout(3, (Company("digits", 41, 12), Integer(41))),
    Scheme.GDTI_174: Layout(3, (Company("digits", 41, 12), Text(119, 17))),
    Scheme.CPI_96: Layout(3, (Company("integer", 51, 15), Integer(31))),
    Scheme.CPI_VAR: Layout(3, (Company("six", 0, 30), Integer(40))),
    Scheme.SGCN_96: Layout(3, (Company("digits", 41, 12), NumericString(41, 12))),
    Scheme.ITIP_110: Layout(3, (*_ITIP, Integer(38))),
    Scheme.ITIP_212: Layout(3, (*_ITIP, Text(140, 20))),
    Scheme.GID_96: Layout(0, (Integer(28), Integer(24), Integer(36))),
    Scheme.USDOD_96: Layout(4, (Cage(8), Integer(36))),
    Scheme.ADI_VAR: Layout(6, (Cage(6), SixBit(0, 32, _ADI), SixBit(1, 30, _ADI + "#"))),
}
"""Schemes whose bits name the company prefix."""

PLUS: Final[Mapping[Scheme, tuple[str, ...]]] = {
    Scheme.CPI_PLUS: ("8010", "8011"),
    Scheme.GRAI_PLUS: ("8003",),
    Scheme.SGLN_PLUS: ("414", "254"),
    Scheme.ITIP_PLUS: ("8006", "21"),
    Scheme.GSRN_PLUS: ("8018",),
    Scheme.GSRNP_PLUS: ("8017",),
    Scheme.GDTI_PLUS: ("253",),
    Scheme.SGTIN_PLUS: ("01", "21"),
    Scheme.SGCN_PLUS: ("255",),
    Scheme.SSCC_PLUS: ("00",),
    Scheme.GIAI_PLUS: ("8004",),
    Scheme.DSGTIN_PLUS: ("01", "21"),
}
"""Schemes whose bits are GS1 elements (section 14.5), with their application identifiers."""
