"""GS1 Digital Link URIs, strictly read and canonically written (GS1 Digital Link: URI Syntax 1.5).

``https://id.gs1.org/01/09506000134352/10/ABC/21/123?17=271231``: the key and its qualifiers in the
path, in the standard's order; attributes in the query. Any domain and any path before the key are
allowed. Compressed URIs and the alphabetic names (``/gtin/``) of earlier releases are not read.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from protocols.identifiers.errors import Gs1Error
from protocols.identifiers.gs1.elements import Carrier, Element, ElementString, element_string
from protocols.identifiers.gs1.table import Entry, entry

__all__ = ["is_digital_link", "read_digital_link", "to_digital_link"]

CANONICAL_STEM: Final = "https://id.gs1.org"


def is_digital_link(text: str) -> bool:
    """Return whether a string claims to be a web address."""
    return text[:8].lower().startswith(("http://", "https://"))


def read_digital_link(uri: str, *, carrier: Carrier = Carrier.WHOLE) -> ElementString:
    """Return the elements of a Digital Link; raises Gs1Error.

    A GTIN of 8, 12 or 13 digits in the path is filled up to 14, as section 4.11 allows. Query
    parameters that are not numeric are the resolver's business and are left out.
    """
    found = _URI.fullmatch(uri) if len(uri) <= _LENGTH_MAX else None
    if found is None:
        raise Gs1Error(f"{uri[:60]!r} is not a web address", hint=_HINT)
    pairs = [*_path(found["path"]), *_query(found["query"] or "")]
    return element_string(pairs, carrier=carrier)


def to_digital_link(elements: ElementString, *, stem: str = CANONICAL_STEM) -> str:
    """Return the URI of elements; with the standard stem it is the canonical one.

    ``stem`` is scheme, domain and path before the key. Raises Gs1Error where no key is among the
    elements, or an element is neither its qualifier nor an attribute.
    """
    keys = [element for element in elements if entry(element.ai).key]
    for key in keys:
        qualifiers = _qualifiers(entry(key.ai), elements)
        attributes = [e for e in elements if e is not key and e not in qualifiers]
        if all(entry(element.ai).attribute for element in attributes):
            path = "".join(f"/{e.ai}/{quote(e.value, safe='')}" for e in (key, *qualifiers))
            query = "&".join(sorted(f"{e.ai}={quote(e.value, safe='')}" for e in attributes))
            return f"{stem.rstrip('/')}{path}{'?' if query else ''}{query}"
    raise Gs1Error(
        f"{elements.bracketed()} cannot be written as a Digital Link",
        hint="it begins with a GTIN, SSCC, GLN or another key, and takes what belongs to it",
    )


_LENGTH_MAX: Final = 2_000

_HINT: Final = "a Digital Link is https://domain/AI/key, qualifiers in their order, ?AI=attribute"

_URI: Final = re.compile(
    r"[Hh][Tt][Tt][Pp][Ss]?://[0-9A-Za-z.:\-\[\]]+(?P<path>/[^?#\s]*)(?:\?(?P<query>[^#\s]*))?(?:#[^\s]*)?"
)


def _path(path: str) -> list[tuple[str, str]]:
    """Return key and qualifiers: the shortest end of the path that begins with a key."""
    segments = path.split("/")[1:]
    for start in range(len(segments) - 2, -1, -2):
        if _is_key(segments[start]):
            tail = segments[start:]
            pairs = [(ai, _decoded(value)) for ai, value in zip(*[iter(tail)] * 2, strict=True)]
            return _ordered(pairs)
    raise Gs1Error(f"no GS1 key in {path[:60]!r}", hint=_HINT)


def _is_key(segment: str) -> bool:
    try:
        return entry(segment).key
    except Gs1Error:
        return False


def _ordered(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    (key, value), *rest = pairs
    if key == "01" and len(value) in (8, 12, 13):
        value = value.zfill(14)
    ais = [ai for ai, _ in rest]
    if ais and not any(
        ais == [ai for ai in sequence if ai in ais] for sequence in entry(key).qualifiers
    ):
        raise Gs1Error(f"({', '.join(ais)}) does not qualify ({key}) in this order", hint=_HINT)
    return [(key, value), *rest]


def _query(query: str) -> list[tuple[str, str]]:
    pairs = []
    for parameter in re.split("[&;]", query):
        ai, _, value = parameter.partition("=")
        if not re.fullmatch("[0-9]{2,4}", ai):
            if ai.isdigit() or (parameter and not ai):
                raise Gs1Error(f"?{ai[:20]} is not an application identifier", hint=_HINT)
            continue
        if not entry(ai).attribute:
            raise Gs1Error(f"({ai}) does not stand in the query", hint=_HINT)
        pairs.append((ai, _decoded(value)))
    return pairs


def _decoded(value: str) -> str:
    if not re.fullmatch(r"(?:[^%]|%[0-9A-Fa-f]{2})*", value):
        raise Gs1Error(f"{value[:60]!r} has a % without two hexadecimal digits", hint=_HINT)
    return unquote(value)


def _qualifiers(key: Entry, elements: ElementString) -> list[Element]:
    """Return the qualifiers of the sequence that takes most of the elements, in its order."""
    sequences = [
        [element for ai in sequence for element in elements if element.ai == ai]
        for sequence in key.qualifiers
    ]
    return max(sequences, key=len, default=[])
