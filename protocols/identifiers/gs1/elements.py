"""GS1 element strings: application identifiers with their values, strictly read and written.

Forms (GS1 General Specifications, section 7.8; GS1 Barcode Syntax Resource):

- bracketed, for people: ``(01)09506000134352(10)ABC``; a ``(`` within a value is written ``\\(``
- scanned: ``010950600013435210ABC``, elements of no predefined length closed by FNC1, which a
  scanner sends as GS (0x1D); a symbology identifier such as ``]d2`` may stand in front
- GS1 Digital Link, see `digital_link`

What is read from them is equal however it was written, and is written in one way only: the GTIN or
other key first, then elements of predefined length, then the others, so that FNC1 is needed least.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from protocols.identifiers.check_characters import CSET_39, CSET_82
from protocols.identifiers.errors import Gs1Error
from protocols.identifiers.gs1.rules import CHECKS
from protocols.identifiers.gs1.table import Component, Entry, entry, identifier_length, matches

__all__ = ["GS", "Carrier", "Element", "ElementString", "check_value", "element_string", "read"]

GS: Final = "\x1d"
"""What a scanner sends for an FNC1 that separates elements (ASCII group separator)."""


class Carrier(Enum):
    """What the string was read from: an element may need another that a second symbol carries."""

    WHOLE = "whole"  # everything that marks the item: all association rules hold
    PART = "part"  # one of several carriers: what is missing may be on another


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An application identifier and its value, which has been checked."""

    ai: str
    value: str


@dataclass(frozen=True, slots=True)
class ElementString:
    """Elements that may stand together, in canonical order."""

    elements: tuple[Element, ...]

    def __iter__(self) -> Iterator[Element]:
        return iter(self.elements)

    def get(self, ai: str) -> str | None:
        """Return the value of an AI, or None."""
        return next((element.value for element in self.elements if element.ai == ai), None)

    def bracketed(self) -> str:
        """Return the form for people."""
        return "".join(
            f"({element.ai}){element.value.replace('(', _ESCAPED)}" for element in self.elements
        )

    def scanned(self) -> str:
        """Return the form in a symbol, without its leading FNC1; separators are GS."""
        *before, last = self.elements
        return "".join(
            f"{element.ai}{element.value}{GS if entry(element.ai).separated else ''}"
            for element in before
        ) + (last.ai + last.value)


def read(text: str, *, carrier: Carrier = Carrier.WHOLE) -> ElementString:
    """Return the elements of a bracketed or scanned string (at most 500 characters).

    Raises Gs1Error for an unknown AI, a value against its format or check, the same AI with two
    values, and elements that must or must not stand together (section 4.13).
    """
    if not text or len(text) > LENGTH_MAX:
        raise Gs1Error(
            f"an element string has 1 to {LENGTH_MAX} characters, not {len(text)}", hint=_COPY
        )
    pairs = _bracketed(text) if text.startswith("(") else _scanned(text)
    return element_string(pairs, carrier=carrier)


def element_string(
    pairs: Iterable[tuple[str, str]], *, carrier: Carrier = Carrier.WHOLE
) -> ElementString:
    """Return checked elements of (AI, value) pairs; raises Gs1Error as `read` does."""
    values: dict[str, str] = {}
    for ai, value in pairs:
        check_value(ai, value)
        if values.setdefault(ai, value) != value:
            raise Gs1Error(f"({ai}) has two values", hint="scan one item at a time")
    if not values:
        raise Gs1Error("no element", hint=_COPY)
    _check_together(values, carrier)
    ordered = sorted(values.items(), key=lambda pair: (_rank(pair[0]), pair[0]))
    return ElementString(tuple(Element(ai=ai, value=value) for ai, value in ordered))


def check_value(ai: str, value: str) -> None:
    """Check a value against its AI; raises Gs1Error."""
    rest = value
    for component in entry(ai).components:
        if not rest and component.optional:
            break
        part, rest = rest[: component.longest], rest[component.longest :]
        if len(part) < component.shortest:
            raise Gs1Error(f"({ai}){value!r} is too short", hint=_COPY)
        _check_characters(ai, component, part)
        for name in component.checks:
            if wrong := CHECKS[name](part):
                raise Gs1Error(f"({ai}){value!r}: {wrong}", hint=_WRONG)
    if rest:
        raise Gs1Error(f"({ai}){value!r} is too long", hint=_COPY)


LENGTH_MAX: Final = 500
"""Characters; the largest GS1 symbol message in use is far below."""

_ESCAPED: Final = "\\("

_COPY: Final = "scan or copy the string whole, without blanks"

_WRONG: Final = "scan it again; if it is so on the label, the label is wrong"

_CHARACTERS: Final = {
    "N": frozenset("0123456789"),
    "X": frozenset(CSET_82),
    "Y": frozenset(CSET_39),
    "Z": frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
}


def _check_characters(ai: str, component: Component, part: str) -> None:
    if strange := set(part) - _CHARACTERS[component.kind]:
        raise Gs1Error(
            f"({ai}){part!r} has {min(strange)!r}",
            hint="a digit is expected" if component.kind == "N" else "see figure 7.11-1",
        )


def _bracketed(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _BRACKETED.match(text, at)
        if found is None:
            raise Gs1Error(
                f"no (AI) and value at {text[at : at + 10]!r}",
                hint="write each element as (AI)value, and a ( within a value as \\(",
            )
        yield found[1], found[2].replace(_ESCAPED, "(")
        at = found.end()


_BRACKETED: Final = re.compile(r"\(([0-9]{2,4})\)((?:\\\(|[^(\\])+)")


def _scanned(text: str) -> Iterator[tuple[str, str]]:
    rest = text.removeprefix(GS)
    if text.startswith("]"):
        if text[:3] not in _SYMBOLOGIES:
            raise Gs1Error(
                f"{text[:3]!r} is not a symbol with GS1 elements",
                hint="GS1 symbols are ]C1, ]e0, ]d2, ]Q3 and ]J1; this one carries other data",
            )
        rest = text[3:]
    if not rest:
        raise Gs1Error("no element", hint=_COPY)
    while rest:
        known = entry(rest[: identifier_length(rest)])
        rest = rest[len(known.ai) :]
        if known.separated:
            value, separator, rest = rest.partition(GS)
            if separator and not rest:
                raise Gs1Error("a separator (FNC1) ends the string", hint=_COPY)
        else:
            length = _length(known)
            value, rest = rest[:length], rest[length:]
            # A separator after a predefined length is superfluous, and allowed (7.8.6).
            rest = rest.removeprefix(GS)
        yield known.ai, value


_SYMBOLOGIES: Final = frozenset({"]C1", "]e0", "]e1", "]e2", "]d2", "]Q3", "]J1"})
"""ISO/IEC 15424 identifiers of GS1-128, DataBar and composite, DataMatrix, QR Code, DotCode."""


def _length(known: Entry) -> int:
    return sum(component.longest for component in known.components)


def _rank(ai: str) -> int:
    """Return 0 for a key, 1 for another element of predefined length, else 2."""
    if ai in ("00", "01", "02", "03"):
        return 0
    known = entry(ai)
    if known.key:
        return 0
    return 2 if known.separated else 1


def _check_together(values: dict[str, str], carrier: Carrier) -> None:
    for ai in _SIGNED_WITH_SERIAL & values.keys() if "8030" in values else ():
        if len(values[ai]) == sum(c.longest for c in entry(ai).components if not c.optional):
            raise Gs1Error(
                f"({ai}){values[ai]} has no serial component beside (8030)",
                hint="a digital signature is of one thing (ISO/IEC 20248)",
            )
    for ai in values:
        known = entry(ai)
        for other in values:
            if other != ai and any(matches(other, pattern) for pattern in known.excludes):
                raise Gs1Error(
                    f"({ai}) does not stand with ({other})",
                    hint="see invalid pairs of elements, General Specifications 4.13.1",
                )
        if carrier is Carrier.PART:
            continue
        for condition in known.needs:
            if not any(_stands(group, ai, values) for group in condition):
                wanted = " or ".join("+".join(f"({p})" for p in group) for group in condition)
                raise Gs1Error(
                    f"({ai}) needs {wanted} with it",
                    hint="scan every symbol of the item (mandatory associations, 4.13.2)",
                )


_SIGNED_WITH_SERIAL: Final = frozenset({"253", "255", "8003"})
"""Keys whose serial component may be missing, but not where a signature (8030) is with them."""


def _stands(group: tuple[str, ...], ai: str, values: dict[str, str]) -> bool:
    return all(
        any(other != ai and matches(other, pattern) for other in values) for pattern in group
    )
