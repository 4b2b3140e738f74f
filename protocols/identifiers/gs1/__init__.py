"""GS1 identification: element strings and Digital Links, both ways.

``parse`` reads any of the forms; the result compares equal and writes itself as ``bracketed()``,
``scanned()`` or with `to_digital_link`.
"""

from __future__ import annotations

from protocols.identifiers.gs1.digital_link import (
    is_digital_link,
    read_digital_link,
    to_digital_link,
)
from protocols.identifiers.gs1.elements import (
    GS,
    Carrier,
    Element,
    ElementString,
    check_value,
    element_string,
    read,
)

__all__ = [
    "GS",
    "Carrier",
    "Element",
    "ElementString",
    "check_value",
    "element_string",
    "parse",
    "to_digital_link",
]


def parse(text: str, *, carrier: Carrier = Carrier.WHOLE) -> ElementString:
    """Return the elements of a bracketed string, a scanned one or a Digital Link.

    Raises Gs1Error with a hint. ``carrier`` says whether what one element needs may be elsewhere.
    """
    if is_digital_link(text):
        return read_digital_link(text, carrier=carrier)
    return read(text, carrier=carrier)
