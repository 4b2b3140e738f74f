"""Items: whatever a genealogy can be traced from, each with a kind and a key that is unique in it.

A lot is never known by its lot id alone: its key carries the GTIN (record.md section 1).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

from aggregator.errors import InvalidError
from aggregator.model.master.carrier import called, check_carrier
from aggregator.model.master.lot import LotKey, check_gtin, check_lot_id, check_lot_key
from protocols.identifiers import gs1
from protocols.identifiers.errors import IdentifierError


class ItemKind(StrEnum):
    """What an item is."""

    LOT = "lot"  # (01)GTIN(10)lot
    SUBLOT = "sublot"  # a lot's key, "#" and the part's name; rework is a new one
    UNIT = "unit"  # (01)GTIN(21)serial, an SGTIN
    CARRIER = "carrier"  # an EPC in hexadecimal, (00)SSCC or (8003)GRAI; used again and again
    EQUIPMENT = "equipment"  # ISA-95 path
    SIGNAL = "signal"  # gateway/signal: the sensor as it is configured
    CALIBRATION = "calibration"  # id of the certificate
    GATEWAY_KEY = "gateway_key"  # gateway/kid: the key that sealed
    SETTINGS = "settings"  # SHA-256 of a gateway's settings
    RECIPE = "recipe"  # GTIN/revision
    LIMIT = "limit"  # GTIN/parameter@version of a specification
    OPERATOR = "operator"  # a person's name in the system


MATERIAL: Final = frozenset({ItemKind.LOT, ItemKind.SUBLOT, ItemKind.UNIT})
"""Kinds that consist of material: what a recall has to locate."""

CONTEXT: Final = frozenset(ItemKind) - MATERIAL - {ItemKind.CARRIER}
"""Kinds that a lot's making rested on; nothing flows into them."""


class Item(NamedTuple):
    """What takes part in the genealogy."""

    kind: ItemKind
    key: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.key}"


def check_item(kind: str, key: str) -> Item:
    """Return the item with its key in the one form it has; InvalidError for a malformed one."""
    try:
        known = ItemKind(kind)
    except ValueError:
        raise InvalidError(
            f"{kind[:40]!r} is no kind of item", hint=f"one of {', '.join(ItemKind)}"
        ) from None
    match known:
        case ItemKind.LOT | ItemKind.SUBLOT | ItemKind.UNIT:
            return _material(known, key)
        case ItemKind.CARRIER:
            return Item(known, check_carrier(key))
        case _:
            if not key.isprintable() or not 1 <= len(key) <= KEY_MAX or key != key.strip():
                raise InvalidError(
                    f"{key[:40]!r} is no key of a {known.value}",
                    hint=f"1 to {KEY_MAX} printable characters",
                )
            return Item(known, key)


def parse_item(text: str) -> Item:
    """Return the item that ``kind:key`` names; InvalidError where it names none."""
    kind, _, key = text.partition(":")
    return check_item(kind, key)


def identity(item: Item) -> str:
    """Return the one key of an item that may have several: of a carrier its label, if it has one.

    A carrier is the same by its EPC, in whatever scheme, and by the SSCC or GRAI on it.
    """
    if item.kind is not ItemKind.CARRIER:
        return item.key
    name = called(item.key)
    return name if name.startswith(("(00)", "(8003)")) else item.key


def lot_item(key: LotKey) -> Item:
    """Return a lot as an item."""
    return Item(ItemKind.LOT, str(key))


def lot_of(item: Item) -> LotKey | None:
    """Return the lot that an item is or is a part of; None for what belongs to none by its key."""
    found = _LOT.fullmatch(item.key) if item.kind in (ItemKind.LOT, ItemKind.SUBLOT) else None
    return None if found is None else check_lot_key(found[1], found[2])


def scanned_item(text: str) -> Item:
    """Return the item that a code on a label names: an element string or a GS1 Digital Link.

    A serial number names the unit, else a lot id the lot. Raises InvalidError for any other text.
    """
    try:
        found = gs1.parse(text)
    except IdentifierError as error:
        raise InvalidError(str(error), hint=error.hint) from None
    if sscc := found.get("00"):
        return check_item(ItemKind.CARRIER, f"(00){sscc}")
    if grai := found.get("8003"):
        return check_item(ItemKind.CARRIER, f"(8003){grai}")
    gtin = found.get("01")
    if gtin and (serial := found.get("21")):
        return check_item(ItemKind.UNIT, f"(01){gtin}(21){serial}")
    if gtin and (lot := found.get("10")):
        return check_item(ItemKind.LOT, f"(01){gtin}(10){lot}")
    raise InvalidError(
        f"{text[:80]!r} names no lot, unit or carrier",
        hint="give (01)GTIN with (10)lot or (21)serial, (00)SSCC, (8003)GRAI, or a Digital Link",
    )


KEY_MAX: Final = 300
_LOT: Final = re.compile(r"\(01\)([0-9]{14})\(10\)([^#]+)(?:#(.+))?")
_UNIT: Final = re.compile(r"\(01\)([0-9]{14})\(21\)(.+)")


def _material(kind: ItemKind, key: str) -> Item:
    if kind is ItemKind.UNIT:
        found = _UNIT.fullmatch(key)
        if found is not None:
            serial = check_lot_id(found[2])  # AI (21) takes what AI (10) takes
            return Item(kind, f"(01){check_gtin(found[1])}(21){serial}")
    else:
        found = _LOT.fullmatch(key)
        if found is not None and (found[3] is not None) == (kind is ItemKind.SUBLOT):
            lot = str(check_lot_key(found[1], found[2]))
            return Item(kind, lot if found[3] is None else f"{lot}#{check_lot_id(found[3])}")
    raise InvalidError(f"{key[:60]!r} is no key of a {kind.value}", hint=FORMS[kind])


FORMS: Final = {
    ItemKind.LOT: "write (01)<GTIN of 14 digits>(10)<lot id>",
    ItemKind.SUBLOT: "write (01)<GTIN of 14 digits>(10)<lot id>#<name of the part>",
    ItemKind.UNIT: "write (01)<GTIN of 14 digits>(21)<serial number>",
}
"""How the key of an item is written."""
