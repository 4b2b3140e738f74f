"""RFC 9162 proofs of transparency-dev/merkle, those that hold and those that must not."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocols.wire import tlog
from protocols.wire.errors import ProofError
from tests.data import third_party


def cases(kind: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give every vector of ``kind``."""
    for path in sorted(third_party("vectors/tlog/merkle/testdata").joinpath(kind).rglob("*.json")):
        yield path, json.loads(path.read_text())


def raw(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def proof(case: dict[str, Any]) -> list[bytes]:
    return [raw(node) for node in case["proof"] or []]


def judge(path: Path, case: dict[str, Any], holds: bool) -> None:
    assert holds is not case["wantErr"], f"{path.parent.name}/{path.name}: {case['desc']}"


def inclusion_holds(case: dict[str, Any], *, index: int, size: int) -> bool:
    try:
        tlog.verify_inclusion(raw(case["leafHash"]), index, size, proof(case), raw(case["root"]))
    except ProofError:
        return False
    return True


def consistency_holds(case: dict[str, Any], *, old: int, new: int) -> bool:
    try:
        tlog.verify_consistency(old, raw(case["root1"]), new, raw(case["root2"]), proof(case))
    except ProofError:
        return False
    return True


def test_inclusion() -> None:
    seen = 0
    for path, case in cases("inclusion"):
        judge(path, case, inclusion_holds(case, index=case["leafIdx"], size=case["treeSize"]))
        seen += 1
    assert seen == 98


def test_consistency() -> None:
    seen = 0
    for path, case in cases("consistency"):
        judge(path, case, consistency_holds(case, old=case["size1"], new=case["size2"]))
        seen += 1
    assert seen == 98


def test_inclusion_in_a_subtree() -> None:
    """A well-formed subtree is a tree of its own; the vectors of malformed ones are not ours."""
    seen = 0
    for path, case in cases("subtreeinclusion"):
        start, end = case["start"], case["end"]
        width = 1 << max(end - start - 1, 0).bit_length()
        if end <= start or start % width:
            continue
        judge(path, case, inclusion_holds(case, index=case["leafIdx"] - start, size=end - start))
        seen += 1
    assert seen > 150


@pytest.mark.parametrize("kind", ["subtreeconsistency"])
def test_consistency_of_a_subtree_that_starts_the_log(kind: str) -> None:
    """From leaf 0 a subtree is an older tree; those that start later have no use here."""
    seen = 0
    for path, case in cases(kind):
        if case["start"] == 0 and case["end"] > 0:
            judge(path, case, consistency_holds(case, old=case["end"], new=case["size"]))
            seen += 1
    assert seen > 10
