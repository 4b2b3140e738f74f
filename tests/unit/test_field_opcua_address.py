"""How addresses of OPC UA nodes are written."""

from __future__ import annotations

import uuid

import pytest

from protocols.field.opcua.address import Name, NodeAddress, PathAddress, parse_address


@pytest.mark.parametrize(
    ("text", "namespace", "identifier"),
    [
        ("i=2258", 0, 2258),
        ("ns=2;i=1001", 2, 1001),
        ("ns=2;s=Press.Temperature", 2, "Press.Temperature"),
        ("ns=3;s=a;b=c;i=5", 3, "a;b=c;i=5"),
        ("nsu=urn:acme:press;s=T", "urn:acme:press", "T"),
        ("nsu=http://acme.example/UA/;i=7", "http://acme.example/UA/", 7),
        ("ns=1;b=AAEC", 1, b"\x00\x01\x02"),
        (
            "ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a",
            1,
            uuid.UUID("09087e75-8e5e-499b-954f-f2a9603db28a"),
        ),
        ('ns=3;s="Data_block"."temp"', 3, '"Data_block"."temp"'),
    ],
)
def test_node_ids(text: str, namespace: str | int, identifier: object) -> None:
    address = parse_address(text)
    assert isinstance(address, NodeAddress)
    assert (address.namespace, address.identifier) == (namespace, identifier)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("/Objects", [(0, "Objects")]),
        ("/Objects/2:Press/2:Speed", [(0, "Objects"), (2, "Press"), (2, "Speed")]),
        (
            "/Objects/nsu=http://a.example/x/;Press/3:T&/min",
            [(0, "Objects"), ("http://a.example/x/", "Press"), (3, "T/min")],
        ),
        ("/Objects/2:a&&b", [(0, "Objects"), (2, "a&b")]),
        ("/Objects/2:a:b", [(0, "Objects"), (2, "a:b")]),
        ("/Objects/x:y", [(0, "Objects"), (0, "x:y")]),
    ],
)
def test_browse_paths(text: str, names: list[tuple[str | int, str]]) -> None:
    address = parse_address(text)
    assert address == PathAddress(
        names=tuple(Name(namespace=namespace, name=name) for namespace, name in names)
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "Temperature", "ns=2", "ns=x;i=1", "i=-1", "i=4294967296", "g=12", "b=%%"),
        *("nsu=;i=1", "/", "//", "/Objects/", "/Objects//x", "/a&", "/nsu=urn:a/x;"),
    ],
)
def test_what_is_no_address_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse_address(text)
