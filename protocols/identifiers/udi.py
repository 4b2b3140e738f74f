"""Unique device identification from any issuing agency, as one shape.

UDI-DI (the device's model and package) and UDI-PI (lot, serial number, dates), from a string of
GS1, HIBCC, ICCBBA or MA (ZIIOT), as 21 CFR 830.20, Regulation (EU) 2017/745 annex VI part C and
China's rules for the UDI system (NMPA 2019 no. 66) accept them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from protocols.identifiers import hibcc, iccbba, ma
from protocols.identifiers.errors import UdiError
from protocols.identifiers.gs1 import GS, ElementString
from protocols.identifiers.gs1 import parse as parse_gs1
from protocols.identifiers.label_date import LabelDate, full_year

__all__ = ["Agency", "Udi", "detect", "parse"]


class Agency(Enum):
    """Issuing agency, by the name that registers of devices use."""

    GS1 = "GS1"
    HIBCC = "HIBCC"
    ICCBBA = "ICCBBA"
    ZIIOT = "ZIIOT"  # MA codes (IDcode), China


@dataclass(frozen=True, slots=True, kw_only=True)
class Udi:
    """Identification of a device (DI) and, as far as the string has it, of its production (PI)."""

    agency: Agency
    device: str  # UDI-DI as registered: GTIN, HIBC primary, processor product code, MA DI
    lot: str | None = None
    serial: str | None = None
    expiry: LabelDate | None = None  # last day of use; of an MA code without one, its end
    manufactured: LabelDate | None = None
    donation: str | None = None  # donation identification number of ISBT 128
    text: str  # the whole string in its agency's canonical form

    @property
    def has_production(self) -> bool:
        """Whether anything identifies the production, and not the model alone."""
        production = (self.lot, self.serial, self.expiry, self.manufactured, self.donation)
        return any(part is not None for part in production)


def detect(text: str) -> Agency:
    """Return the agency that a string's beginning tells; raises UdiError."""
    if text.startswith("MF"):
        raise UdiError(
            f"{text[:60]!r} looks like a code of Ali Health (AHM), which is not read",
            hint="register the device under GS1 or MA, or enter its lot by hand",
        )
    for agency, beginnings in _BEGINNINGS.items():
        if text.lower().startswith(beginnings):
            return agency
    raise UdiError(
        f"{text[:60]!r} is of no issuing agency",
        hint="a UDI begins with (01) or 01 (GS1), + (HIBCC), = (ICCBBA) or MA. (ZIIOT)",
    )


def parse(text: str, *, this_year: int) -> Udi:
    """Return the identification in a string; ``this_year`` gives two-digit years a century.

    Raises UdiError where no agency's beginning is there or the device itself is missing, and the
    agency's own error (all of them IdentifierError) for a string against its rules.
    """
    match detect(text):
        case Agency.GS1:
            return _of_gs1(parse_gs1(text), this_year)
        case Agency.HIBCC:
            return _of_hibcc(hibcc.parse(text, this_year=this_year))
        case Agency.ICCBBA:
            return _of_iccbba(iccbba.parse(text))
        case Agency.ZIIOT:
            return _of_ma(ma.parse(text, this_year=this_year))


_BEGINNINGS: Final = {
    Agency.GS1: ("(", "]", GS, *"0123456789", "http://", "https://"),
    Agency.HIBCC: ("+", "*+"),
    Agency.ICCBBA: ("=", "&"),
    Agency.ZIIOT: ("ma.",),
}


def _of_gs1(elements: ElementString, this_year: int) -> Udi:
    gtin = elements.get("01")
    if gtin is None:
        raise UdiError(f"{elements.bracketed()} has no (01)", hint="a UDI-DI of GS1 is a GTIN")
    return Udi(
        agency=Agency.GS1,
        device=gtin,
        lot=elements.get("10"),
        serial=elements.get("21"),
        expiry=_gs1_date(elements.get("17"), this_year),
        manufactured=_gs1_date(elements.get("11"), this_year),
        text=elements.bracketed(),
    )


def _gs1_date(value: str | None, this_year: int) -> LabelDate | None:
    if value is None:
        return None
    year = full_year(int(value[:2]), this_year)
    try:
        return LabelDate(year, int(value[2:4]), int(value[4:]) or None)
    except ValueError:  # 29 February where the century has none
        raise UdiError(f"{value} is no day of {year}", hint="scan the label again") from None


def _of_hibcc(found: hibcc.Hibc) -> Udi:
    if found.primary is None:
        raise UdiError(
            "the symbol has secondary data alone",
            hint="scan the primary symbol too; hibcc.matches_primary tells whether they belong",
        )
    return Udi(
        agency=Agency.HIBCC,
        device=found.primary,
        lot=found.lot,
        serial=found.serial,
        expiry=found.expiry,
        manufactured=found.manufactured,
        text=found.written(),
    )


def _of_iccbba(found: iccbba.Isbt128) -> Udi:
    device = found.device or found.container
    if device is None:
        raise UdiError(
            f"{found.written()!r} has no device identifier", hint="scan the symbol with =/ too"
        )
    return Udi(
        agency=Agency.ICCBBA,
        device=device,
        lot=found.lot or found.container_lot,
        serial=found.serial,
        expiry=found.expiry,
        manufactured=found.manufactured,
        donation=found.donation,
        text=found.written(),
    )


def _of_ma(found: ma.MaCode) -> Udi:
    return Udi(
        agency=Agency.ZIIOT,
        device=found.device,
        lot=found.lot,
        serial=found.serial,
        expiry=found.last_valid or found.expiry,
        manufactured=found.manufactured,
        text=found.written(),
    )
