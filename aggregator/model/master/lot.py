"""Lots: a GTIN and a lot id together are the key, and case matters.

The same lot id under another GTIN is another lot; ``L-1`` and ``l-1`` are two lots (GS1 General
Specifications section 3.4.1: AI (10) is case-sensitive text of up to 20 characters of set 82).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple, NewType

from aggregator.errors import InvalidError
from protocols.identifiers.errors import Gs1Error
from protocols.identifiers.gs1.elements import check_value
from protocols.wire.reading import Nanoseconds

Gtin = NewType("Gtin", str)
"""14 digits with a right check digit; shorter GTINs are filled with zeros on the left."""

LotId = NewType("LotId", str)
"""1 to 20 characters of GS1's set 82, as printed behind AI (10)."""

UnitId = NewType("UnitId", str)
"""An SGTIN as ``(01)…(21)…``, an SSCC as ``(00)…`` or a GRAI as ``(8003)…``."""


RETENTION_YEARS_MIN: Final = 2
"""Years from its release that a record is kept at least, however short the device's life is."""


class LotKey(NamedTuple):
    """What a lot is known by, everywhere."""

    gtin: Gtin
    lot: LotId

    def __str__(self) -> str:
        return f"(01){self.gtin}(10){self.lot}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What is made: a material definition (ISA-95)."""

    gtin: Gtin
    name: str
    tolerance: Decimal | None = None  # of the mass balance, part of what went in; None: not judged
    life_years: int | None = None  # how long a device lasts; None: nobody has said
    retention_years: int | None = None  # its records are kept so long from the release; None: ever

    def __post_init__(self) -> None:
        """Refuse to keep records for less time than the device lasts (ISO 13485 4.2.5)."""
        least = max(self.life_years or 0, RETENTION_YEARS_MIN)
        if self.retention_years is not None and self.retention_years < least:
            raise InvalidError(
                f"records kept for {self.retention_years} years go too early",
                hint=f"keep them for {least} years or more: as long as the device lasts, and "
                f"{RETENTION_YEARS_MIN} years from its release at least",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """A lot of a material."""

    key: LotKey
    material: str  # the material's name when the lot was made
    quantity: str = ""  # as ordered, with its unit; text, since nothing is computed with it
    manufactured: Nanoseconds | None = None
    expires: Nanoseconds | None = None  # the first instant at which it must not be used any more


class SubLotKey(NamedTuple):
    """A part of a lot; the run of a rework is a part of its own."""

    lot: LotKey
    part: LotId  # of set 82, as a lot id is

    def __str__(self) -> str:
        return f"{self.lot}#{self.part}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubLot:
    """A part of a lot that goes its own way: a split, a rework, a load of an oven."""

    key: SubLotKey
    quantity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One piece, or one container, and the lot that it is of; None for a container of many."""

    id: UnitId
    lot: LotKey | None = None


def check_gtin(text: str) -> Gtin:
    """Return ``text`` as a GTIN-14; InvalidError for a wrong length or check digit."""
    if not re.fullmatch(r"[0-9]{8}|[0-9]{12,14}", text):
        raise InvalidError(f"{text[:40]!r} is not a GTIN", hint="give 8, 12, 13 or 14 digits")
    gtin = text.zfill(14)
    if check_digit(gtin[:-1]) != gtin[-1]:
        raise InvalidError(
            f"the check digit of GTIN {text} is wrong",
            hint=f"with these digits it would be {check_digit(gtin[:-1])}",
        )
    return Gtin(gtin)


def check_lot_id(text: str) -> LotId:
    """Return ``text`` as a lot id; InvalidError for a length or character outside GS1's rule."""
    if not _LOT_ID.fullmatch(text):
        raise InvalidError(
            f"{text[:40]!r} is not a lot id",
            hint="1 to 20 letters, digits or signs of GS1's set 82; no space",
        )
    return LotId(text)


def check_lot_key(gtin: str, lot: str) -> LotKey:
    """Return the key of a lot; InvalidError where one half is none."""
    return LotKey(check_gtin(gtin), check_lot_id(lot))


def check_unit_id(text: str) -> UnitId:
    """Return ``text`` as the id of a unit; InvalidError for a wrong form or check digit."""
    found = _UNIT_ID.fullmatch(text)
    try:
        if found is None:
            raise InvalidError(
                f"{text[:60]!r} is no id of a unit",
                hint="write (01)<GTIN>(21)<serial number>, (00)<SSCC> or (8003)<GRAI>",
            )
        if found["gtin"]:
            return UnitId(f"(01){check_gtin(found['gtin'])}(21){check_lot_id(found['serial'])}")
        check_value(found["ai"], found["value"])
    except Gs1Error as error:
        raise InvalidError(f"{text[:60]!r}: {error}", hint=error.hint) from None
    return UnitId(text)


def parse_element_string(text: str) -> LotKey | None:
    """Return the key in ``(01)…(10)…``, or None where ``text`` is not of that form."""
    found = re.fullmatch(r"\(01\)([0-9]{14})\(10\)(.+)", text)
    if found is None:
        return None
    try:
        return check_lot_key(found[1], found[2])
    except InvalidError:
        return None


def check_digit(digits: str) -> str:
    """Return GS1's check digit for the digits before it (General Specifications section 7.9)."""
    total = sum(int(digit) * (3 - 2 * (at % 2)) for at, digit in enumerate(reversed(digits)))
    return str(-total % 10)


_LOT_ID: Final = re.compile(r"""[!"%&'()*+,\-./0-9:;<=>?A-Z_a-z]{1,20}""")
_UNIT_ID: Final = re.compile(
    r"\(01\)(?P<gtin>[0-9]{14})\(21\)(?P<serial>.+)|\((?P<ai>00|8003)\)(?P<value>.+)"
)
