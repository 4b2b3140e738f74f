"""Checks of a component of a GS1 element, beyond its length and characters.

Each takes the component and returns what is wrong, or None. They are named in the third column of
`table`; the clauses are of the GS1 General Specifications. Not checked here: whether a GS1 company
prefix was ever issued (that needs GS1's register), UN/CEFACT's list of package types behind
AI (7041), and what is inside a North American coupon (8110, 8112).
"""

from __future__ import annotations

import re
import string
from calendar import monthrange
from collections.abc import Callable, Mapping
from typing import Final

from protocols.identifiers.check_characters import gs1_digit, gs1_pair
from protocols.identifiers.gs1.codes import COUNTRIES, COUNTRY_LETTERS, CURRENCIES

__all__ = ["CHECKS"]

Check = Callable[[str], str | None]


def _digit(value: str) -> str | None:
    right = gs1_digit(value[:-1])
    return None if value[-1] == right else f"check digit is {right}, not {value[-1]} (7.9.1)"


def _pair(value: str) -> str | None:
    if len(value) < 6:
        return "too short for a key and its check characters (7.9.5)"
    right = gs1_pair(value[:-2])
    return None if value[-2:] == right else f"check characters are {right}, not {value[-2:]}"


def _prefix(value: str, at: int = 0) -> str | None:
    if re.fullmatch(r"[0-9]{4}", value[at : at + 4]):
        return None
    return "does not begin with a GS1 company prefix of at least four digits (1.4.1)"


def _month_or_day(value: str) -> str | None:
    """Check YYMMDD, in which DD may be 00 for the whole month (3.4)."""
    return _day(f"{value[:4]}01" if value[4:] == "00" else value)


def _day(value: str) -> str | None:
    return _long_day(f"20{value}")


def _long_day(value: str) -> str | None:
    year, month, day = int(value[:4]), int(value[4:6]), int(value[6:])
    if not 1 <= month <= 12:
        return f"{month:02d} is no month"
    # A year of two digits is in a century that the string does not tell. Only 00 makes a
    # difference, and within the window of 7.12 it is 2000, a leap year.
    if year == 0 or not 1 <= day <= monthrange(year, month)[1]:
        return f"{value[-6:]} is no day"
    return None


def _hour(value: str) -> str | None:
    return None if int(value) <= 23 else f"{value} is no hour"


def _minute(value: str) -> str | None:
    return None if int(value) <= 59 else f"{value} is above 59"


def _piece(value: str) -> str | None:
    piece, total = int(value[:2]), int(value[2:])
    return None if 1 <= piece <= total else f"piece {piece} of {total} (3.9.6)"


def _sequence(value: str) -> str | None:
    found = re.fullmatch(r"([1-9])/([1-9])", value)
    return None if found and found[1] <= found[2] else f"{value!r} is no position in a sequence"


def _percent(value: str) -> str | None:
    found = re.fullmatch(r"(?:[^%]|%[0-9A-Fa-f]{2})*", value)
    return None if found else "% is not followed by two hexadecimal digits (3.6)"


def _iban(value: str) -> str | None:
    """Check an IBAN (ISO 13616): country, length, and ISO/IEC 7064 modulo 97-10."""
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[0-9A-Z]{7,30}", value):
        return "not an IBAN"
    if value[:2] not in COUNTRY_LETTERS:
        return f"{value[:2]} is no country of ISO 3166-1"
    numbers = "".join(str(int(character, 36)) for character in value[4:] + value[:4])
    return None if int(numbers) % 97 == 1 else "check digits of the IBAN are wrong"


def _media(value: str) -> str | None:
    number = int(value)
    return None if 1 <= number <= 10 or number >= 80 else f"{value} is no AIDC media type"


def _one_of(allowed: frozenset[str], what: str) -> Check:
    return lambda value: None if value in allowed else f"{value!r} is not {what}"


def _pattern(pattern: str, what: str) -> Check:
    compiled = re.compile(pattern)
    return lambda value: None if compiled.fullmatch(value) else f"{value!r} is not {what}"


CHECKS: Final[Mapping[str, Check]] = {
    "capitals": _pattern(r"[0-9A-Z]+", "a code of package type"),
    "country": _one_of(COUNTRIES, "a country of ISO 3166-1"),
    "country_letters": _one_of(COUNTRY_LETTERS, "a country of ISO 3166-1"),
    "country_or_999": _one_of(COUNTRIES | {"999"}, "a country of ISO 3166-1 or 999"),
    "currency": _one_of(CURRENCIES, "a currency of ISO 4217"),
    "day": _day,
    "digit": _digit,
    "digits": _pattern(r"[0-9]+", "numeric"),
    "hour": _hour,
    "hour_minute": lambda value: _hour(value[:2]) or _minute(value[2:]),
    "iban": _iban,
    "importer": _one_of(
        frozenset("-_" + string.digits + string.ascii_letters), "an importer index"
    ),
    "latitude": lambda value: None if int(value) <= 1_800_000_000 else "beyond the pole",
    "letter": lambda value: "has digits only" if value.isdigit() else None,
    "long_day": _long_day,
    "longitude": lambda value: None if int(value) <= 3_600_000_000 else "beyond 360 degrees",
    "media": _media,
    "minus": _pattern("-", "a minus sign"),
    "minute": _minute,
    "month_or_day": _month_or_day,
    "no_leading_zero": lambda value: "begins with 0" if value[0] == "0" else None,
    "nonzero": lambda value: "is zero" if int(value) == 0 else None,
    "pair": _pair,
    "percent": _percent,
    "piece": _piece,
    "prefix": _prefix,
    "prefix1": lambda value: _prefix(value, at=1),
    "sequence": _sequence,
    "sex": _pattern("[0129]", "a code of ISO/IEC 5218"),
    "winding": _pattern("[019]", "a winding direction"),
    "yes_no": _pattern("[01]", "0 or 1"),
    "zero": _pattern("0+", "zero"),
}
