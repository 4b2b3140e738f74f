"""Carriers: what holds material and is used again, known by its EPC or by what its label says.

A tag and the label beside it name one thing: an EPC that encodes a GS1 key is called by that key,
whatever scheme and filter it was written with (GS1 EPC Tag Data Standard 2.3, section 7).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from aggregator.errors import InvalidError
from protocols.identifiers import epc, gs1
from protocols.identifiers.errors import IdentifierError


@lru_cache(maxsize=65_536)
def called(carrier: str) -> str:
    """Return the one name that a carrier has, however it was named; any other text as it is.

    ``(00)`` and an SSCC, ``(8003)`` and a GRAI, ``(01)…(21)…`` of a unit that has a tag of its own;
    the EPC in hexadecimal where it encodes none of these.
    """
    if not _EPC.fullmatch(carrier):
        return carrier
    data = bytes.fromhex(carrier)
    try:
        elements = epc.decode(data, len(data) * 8).elements
    except IdentifierError:  # a tag that nobody has written by the standard
        return carrier
    found = {} if elements is None else {each.ai: each.value for each in elements}
    named = next((ais for ais in _KEYS if set(ais) == set(found)), ())
    return "".join(f"({ai}){found[ai]}" for ai in named) or carrier


def check_carrier(text: str) -> str:
    """Return a carrier as facts and the genealogy name it; InvalidError where it is none."""
    if label := _LABEL.fullmatch(text):
        try:
            gs1.check_value(label[1], label[2])
        except IdentifierError as error:
            raise InvalidError(str(error), hint=error.hint) from None
        return text
    if _EPC.fullmatch(text.lower()):
        return text.lower()
    raise InvalidError(
        f"{text[:60]!r} is no key of a carrier",
        hint="give its EPC in hexadecimal, (00)<SSCC> or (8003)<GRAI>",
    )


_KEYS: Final = (("00",), ("8003",), ("01", "21"))
_EPC: Final = re.compile(r"(?:[0-9a-f]{2}){2,62}")
_LABEL: Final = re.compile(r"\((00|8003)\)(.+)")
