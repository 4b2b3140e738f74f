"""How a signal's address is written: a NodeId or a browse path.

NodeId (OPC 10000-6 section 5.3.1.10): ``nsu=<uri>;s=<name>`` or ``ns=<index>;i=<number>``, with
``s``, ``i``, ``g`` or ``b``. Browse path: names from the root, ``/Objects/2:Press/2:Speed`` or
``/Objects/nsu=<uri>;Press/...``; a ``/`` in a name is written ``&/`` (OPC 10000-4 annex A.2).
``@endpoint`` is the address of the server in use, as text.
Servers number namespaces, and some number nodes, anew at every start: a URI and a path stay.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A name in a namespace, which is given by URI or by index."""

    namespace: str | int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAddress:
    """A NodeId whose namespace may still be a URI."""

    namespace: str | int
    identifier: int | str | bytes | uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PathAddress:
    """Browse names from the root folder down."""

    names: tuple[Name, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointAddress:
    """Nothing at the server: which of the redundant servers is observed."""


Address = NodeAddress | PathAddress | EndpointAddress

ENDPOINT: Final = "@endpoint"
"""How the address is written that tells the endpoint in use."""


def parse_address(text: str) -> Address:
    """Return the address that the text writes; ValueError says what is wrong with it."""
    if text == ENDPOINT:
        return EndpointAddress()
    return parse_path(text) if text.startswith("/") else _node(text)


_NODE: Final = re.compile(
    r"(?:nsu=(?P<uri>[^;]+);|ns=(?P<index>\d{1,5});)?(?P<type>[isgb])=(?P<id>.+)", re.DOTALL
)
_NAME: Final = re.compile(
    r"(?:nsu=(?P<uri>[^;]+);|(?P<index>\d{1,5}):)?(?!nsu=)(?P<name>(?:[^/&]|&.)+)", re.DOTALL
)


def _node(text: str) -> NodeAddress:
    match = _NODE.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is not a NodeId (`nsu=urn:a;s=Name`, `ns=2;i=5`) nor a path (`/Objects/2:X`)"
        )
    return NodeAddress(
        namespace=_namespace(match), identifier=_identifier(match["type"], match["id"])
    )


def _identifier(kind: str, text: str) -> int | str | bytes | uuid.UUID:
    try:
        if kind == "i":
            number = int(text)
            if not 0 <= number < 2**32:
                raise ValueError("a numeric NodeId has 32 bits")
            return number
        if kind == "g":
            return uuid.UUID(text)
        if kind == "b":
            return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise ValueError(f"{text!r} is not a NodeId of type {kind!r}: {error}") from error
    return text


def parse_path(text: str) -> PathAddress:
    """Return the path that the text writes; ValueError says what is wrong with it."""
    names: list[Name] = []
    rest = 0
    while rest < len(text):
        match = _NAME.match(text, rest + 1) if text[rest] == "/" else None
        if match is None:
            raise ValueError(f"{text!r} is not a browse path: look at {text[rest:]!r}")
        name = re.sub(r"&(.)", r"\1", match["name"], flags=re.DOTALL)
        names.append(Name(namespace=_namespace(match), name=name))
        rest = match.end()
    return PathAddress(names=tuple(names))


def _namespace(match: re.Match[str]) -> str | int:
    """Return the URI, the index, or the index 0 that a name without one has."""
    return match["uri"] or int(match["index"] or 0)
