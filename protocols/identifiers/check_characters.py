"""Check digits and characters of the identifiers, each as its standard computes it.

Every function takes the string without its check and returns the check. A character outside the
standard's set raises KeyError or ValueError: the caller has checked its characters before.
"""

from __future__ import annotations

import string
from typing import Final

__all__ = ["CSET_39", "CSET_82", "gs1_digit", "gs1_pair", "isbt128", "ma_digit", "mod43"]

CSET_82: Final = ("!\"%&'()*+,-./" + string.digits + ":;<=>?" + string.ascii_uppercase) + (
    "_" + string.ascii_lowercase
)
"""GS1 General Specifications, figure 7.11-1, in the order that gives each its value."""

CSET_39: Final = "#-/" + string.digits + string.ascii_uppercase
"""GS1 General Specifications, figure 7.11-2."""


def gs1_digit(digits: str) -> str:
    """Return the check digit of a numeric key (General Specifications, section 7.9.1)."""
    weighted = sum(int(digit) * (3, 1)[at % 2] for at, digit in enumerate(reversed(digits)))
    return str(-weighted % 10)


def gs1_pair(text: str) -> str:
    """Return the check character pair of an alphanumeric key, as the GMN (section 7.9.5)."""
    weighted = sum(
        CSET_82.index(character) * prime
        for character, prime in zip(reversed(text), _primes(len(text)), strict=True)
    )
    high, low = divmod(weighted % 1021, 32)
    return _PAIR[high] + _PAIR[low]


def mod43(text: str) -> str:
    """Return the check or link character of HIBC (ANSI/HIBC 2.6, appendix B)."""
    return _CODE_39[sum(_CODE_39.index(character) for character in text) % 43]


def isbt128(text: str) -> str:
    """Return the check character K of ISBT 128 (ISO/IEC 7064, modulo 37-2).

    It is for what a person keys in; it is printed beside the number and never encoded with it.
    """
    product = 0
    for character in text:
        product = (product + _MOD_37.index(character)) * 2 % 37
    return _MOD_37[(38 - product) % 37]


def ma_digit(text: str) -> str:
    """Return the check digit of an MA code, of its DI or (with leading dot) of its PI.

    Each character becomes its number, the digits of all numbers stand in a row, and of these, from
    the right, every second is doubled and its digits added (as ISO/IEC 7812-1 does). The numbers
    have been found in software of code users, not in a published standard; see `ma`.
    """
    row = "".join(str(_MA[character]) for character in text)
    doubled = sum(
        sum(divmod(int(digit) * (1, 2)[at % 2], 10)) for at, digit in enumerate(reversed(row))
    )
    return str(-doubled % 10)


_PAIR: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

_CODE_39: Final = string.digits + string.ascii_uppercase + "-. $/+%"

_MOD_37: Final = string.digits + string.ascii_uppercase + "*"

# The lower-case letters leave out 43 and 44.
_MA: Final = {
    character: number
    for number, character in (
        *enumerate(string.digits + string.ascii_uppercase + "abcdefg"),
        *enumerate("hijklmnopqrstuvwxyz-.@$,*+%/#!^~", start=45),
    )
}


def _primes(count: int) -> list[int]:
    """Return the first primes; a key has at most ninety characters."""
    primes: list[int] = []
    candidate = 2
    while len(primes) < count:
        if all(candidate % prime for prime in primes):
            primes.append(candidate)
        candidate += 1
    return primes
