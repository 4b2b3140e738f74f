"""From the parts of an EPC to GS1 elements and back (TDS 2.3, section 7).

An EPC with a company prefix says where that prefix ends, which no GS1 element does; the way back
therefore takes its length.
"""

from __future__ import annotations

from typing import Final

from protocols.identifiers.check_characters import gs1_digit
from protocols.identifiers.epc.plus import DATE_AIS
from protocols.identifiers.epc.scheme import PLUS, Scheme
from protocols.identifiers.errors import EpcError
from protocols.identifiers.gs1 import ElementString, element_string

__all__ = ["elements_of", "parts_of"]

NO_EXTENSION: Final = "0"
"""An SGLN without extension has this as its third part (6.3.3)."""


def elements_of(scheme: Scheme, parts: tuple[str, ...]) -> ElementString | None:
    """Return the elements that the parts stand for, or None where GS1 has none.

    Raises Gs1Error where they break a rule, for example piece 3 of 2.
    """
    pairs = _plus_pairs(scheme, parts) if scheme in PLUS else _legacy_pairs(scheme, *parts)
    return element_string(pairs) if pairs else None


def parts_of(
    scheme: Scheme, elements: ElementString, company_digits: int | None
) -> tuple[str, ...]:
    """Return the parts for a scheme; raises EpcError where elements are missing or too many."""
    values = {element.ai: element.value for element in elements}
    if scheme in PLUS:
        return _plus_parts(scheme, values)
    key_ai, serial_ai = _KEYS.get(scheme.kind, ("", ""))
    wanted = {ai for ai in (key_ai, serial_ai) if ai}
    if scheme.kind == "sgln" and "254" not in values:
        values["254"] = NO_EXTENSION
    if not wanted or set(values) != wanted:
        raise EpcError(
            f"{elements.bracketed()} is not what {scheme.label} carries",
            hint=f"it carries {', '.join(f'({ai})' for ai in sorted(wanted)) or 'no GS1 element'}",
        )
    if company_digits is None or not 6 <= company_digits <= 12:
        raise EpcError(
            f"{scheme.label} needs the length of the company prefix, 6 to 12 digits",
            hint="give it from your GS1 contract; a + scheme needs none",
        )
    key, serial = values[key_ai], values.get(serial_ai, "")
    return _legacy_parts(scheme, key, serial, company_digits)


_SERVICE: Final = {"gsrn": "8018", "gsrnp": "8017"}

_KEYS: Final = {
    "sgtin": ("01", "21"),
    "itip": ("8006", "21"),
    "sscc": ("00", ""),
    "gsrn": ("8018", ""),
    "gsrnp": ("8017", ""),
    "sgln": ("414", "254"),
    "grai": ("8003", ""),
    "gdti": ("253", ""),
    "sgcn": ("255", ""),
    "giai": ("8004", ""),
    "cpi": ("8010", "8011"),
}


def _checked(digits: str) -> str:
    return digits + gs1_digit(digits)


def _gtin(company: str, reference: str) -> str:
    """Return GTIN or SSCC: the first digit of the reference stands before the company prefix."""
    return _checked(reference[:1] + company + reference[1:])


def _plus_pairs(scheme: Scheme, parts: tuple[str, ...]) -> list[tuple[str, str]]:
    pairs = list(zip(PLUS[scheme], parts, strict=False))
    if scheme is Scheme.DSGTIN_PLUS:
        pairs.append((parts[2], parts[3]))
    if scheme is Scheme.SGLN_PLUS and parts[1] == NO_EXTENSION:
        pairs.pop()
    return pairs


def _legacy_pairs(scheme: Scheme, company: str, *rest: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    match scheme.kind:
        case "sgtin":
            pairs = [("01", _gtin(company, rest[0])), ("21", rest[1])]
        case "itip":
            pairs = [("8006", _gtin(company, rest[0]) + rest[1] + rest[2]), ("21", rest[3])]
        case "sscc":
            pairs = [("00", _gtin(company, rest[0]))]
        case "gsrn" | "gsrnp" as kind:
            pairs = [(_SERVICE[kind], _checked(company + rest[0]))]
        case "sgln":
            pairs = [("414", _checked(company + rest[0])), ("254", rest[1])]
            pairs = pairs[:1] if rest[1] == NO_EXTENSION else pairs
        case "grai":
            pairs = [("8003", "0" + _checked(company + rest[0]) + rest[1])]
        case "gdti":
            pairs = [("253", _checked(company + rest[0]) + rest[1])]
        case "sgcn":
            pairs = [("255", _checked(company + rest[0]) + rest[1])]
        case "giai":
            pairs = [("8004", company + rest[0])]
        case "cpi":
            pairs = [("8010", company + rest[0]), ("8011", rest[1])]
        case _:
            pass  # GID, USDoD and ADI are not of GS1
    return pairs


def _legacy_parts(scheme: Scheme, key: str, serial: str, split: int) -> tuple[str, ...]:
    match scheme.kind:
        case "sgtin" | "sscc" | "itip" as kind:
            end = 17 if kind == "sscc" else 13
            parts = key[1 : split + 1], key[0] + key[split + 1 : end]
            pieces = (key[14:16], key[16:18]) if kind == "itip" else ()
            return (*parts, *pieces, serial) if serial else parts
        case "gsrn" | "gsrnp":
            return key[:split], key[split:17]
        case "sgln":
            return key[:split], key[split:12], serial
        case "grai":
            return key[1 : split + 1], key[split + 1 : 13], key[14:]
        case "gdti" | "sgcn":
            return key[:split], key[split:12], key[13:]
        case "cpi":
            return key[:split], key[split:], serial
    return key[:split], key[split:]


def _plus_parts(scheme: Scheme, values: dict[str, str]) -> tuple[str, ...]:
    wanted = PLUS[scheme]
    if scheme is Scheme.SGLN_PLUS:
        values.setdefault("254", NO_EXTENSION)
    dates = [ai for ai in values if ai in DATE_AIS] if scheme is Scheme.DSGTIN_PLUS else []
    if set(values) != {*wanted, *dates} or len(dates) != (scheme is Scheme.DSGTIN_PLUS):
        listed = ", ".join(f"({ai})" for ai in wanted)
        raise EpcError(
            f"{', '.join(f'({ai})' for ai in sorted(values))} is not what {scheme.label} carries",
            hint=f"it carries {listed}{' and one date' if scheme is Scheme.DSGTIN_PLUS else ''}",
        )
    parts = tuple(values[ai] for ai in wanted)
    return parts + tuple(part for ai in dates for part in (ai, values[ai]))
