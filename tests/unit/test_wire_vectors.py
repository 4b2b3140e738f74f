"""The frozen vectors of the wire: what they say, every version of Lotproof must say."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest

from protocols.wire import cbor
from protocols.wire.bundle import (
    PURPOSE,
    check_columns,
    open_body,
    open_header,
    split_bundle,
)
from protocols.wire.column import decode_column, encode_column
from protocols.wire.errors import WireError
from protocols.wire.header import encode_header
from protocols.wire.life import LifeKind, open_life, seal_life
from protocols.wire.receipt import open_receipt
from protocols.wire.seal import PublicKey, Purpose, open_seal, peek, to_be_signed
from protocols.wire.tlog import leaf_hash
from tests.sealed import key_named
from tests.vectors.control import opened
from tests.vectors.make import FOLDER, plain, text_of, vectors


def load(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def cases(name: str) -> list[Any]:
    return [pytest.param(vector, id=vector["name"]) for vector in load(name)]


@pytest.mark.parametrize("name", ["seal", "column", "receipt", "life", "control"])
def test_the_code_still_makes_them(name: str) -> None:
    frozen = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert text_of(vectors()[name]) == frozen


@pytest.mark.parametrize("vector", cases("seal"))
def test_seal(vector: dict[str, Any]) -> None:
    key = PublicKey.from_text(vector["public_key"])
    purpose = Purpose(vector["content_type"], vector["external_aad"].encode())
    sealed = bytes.fromhex(vector["sealed"])
    assert open_seal(sealed, key, purpose).hex() == vector["payload"]
    assert key.kid.hex() == vector["kid"]
    parts = peek(sealed)
    key.verify(parts.signature, to_be_signed(parts.protected, purpose.aad, parts.payload))


@pytest.mark.parametrize("vector", cases("column"))
def test_column(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["column"])
    readings = list(decode_column(data).readings())
    assert [plain(reading) for reading in readings] == vector["readings"]
    assert encode_column(readings) == data


@pytest.mark.parametrize("vector", cases("bundle"))
def test_bundle(vector: dict[str, Any]) -> None:
    key = PublicKey.from_text(vector["public_key"])
    bundle = split_bundle(bytes.fromhex(vector["bundle"]))
    assert bundle.sealed_header.hex() == vector["sealed_header"]
    assert bundle.body.hex() == vector["body"]
    assert leaf_hash(bundle.sealed_header).hex() == vector["leaf"]
    header = open_header(bundle.sealed_header, key)
    assert plain(header) == vector["header"]
    assert encode_header(header) == peek(bundle.sealed_header).payload
    body = open_body(header, bundle.body)
    assert body.seed.hex() == vector["seed"]
    assert [column.hex() for column in body.columns] == vector["columns"]
    assert zlib.decompress(bundle.body) == cbor.encode([body.seed, body.columns])
    assert sum(map(len, check_columns(header, body))) == header.count


def test_bundles_of_one_epoch_are_a_chain() -> None:
    chain = [vector for vector in load("bundle") if vector["header"]["opening"] is None]
    first = load("bundle")[0]
    leaves = [first["leaf"], *(vector["leaf"] for vector in chain)]
    assert [vector["header"]["previous"] for vector in chain] == leaves[:-1]


@pytest.mark.parametrize("vector", cases("receipt"))
def test_receipt(vector: dict[str, Any]) -> None:
    key = PublicKey.from_text(vector["public_key"])
    assert plain(open_receipt(bytes.fromhex(vector["sealed"]), key)) == vector["receipt"]


@pytest.mark.parametrize("vector", cases("life"))
def test_life(vector: dict[str, Any]) -> None:
    key = PublicKey.from_text(vector["public_key"])
    life = open_life(bytes.fromhex(vector["sealed"]), key)
    name, _, more = vector["name"].partition(", ")
    assert life.kind is LifeKind[name.upper()]
    assert bool(life.settings and life.upkeep) is bool(more)
    assert seal_life(life, key_named("vector")).hex() == vector["sealed"]


@pytest.mark.parametrize("vector", cases("control"))
def test_control(vector: dict[str, Any]) -> None:
    if "refused" in vector:
        with pytest.raises(WireError) as error:
            opened(vector)
        assert error.value.reason == vector["refused"]
    else:
        assert plain(opened(vector)) == vector["says"]


def test_the_purpose_of_bundles_is_the_one_of_the_vectors() -> None:
    assert {
        (vector["content_type"], vector["external_aad"].encode()) for vector in load("seal")
    } == {PURPOSE}
