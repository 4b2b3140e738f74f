"""The log's trees against the definition, and against each other."""

from __future__ import annotations

import hashlib

import pytest

from protocols.wire import tlog
from protocols.wire.errors import ProofError

LEAVES = [tlog.leaf_hash(bytes([number])) for number in range(40)]


def definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 section 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + definition(leaves[:k]) + definition(leaves[k:])).digest()


@pytest.mark.parametrize("size", range(40))
def test_root_frontier_and_stored_nodes_give_the_definition(size: int) -> None:
    frontier = tlog.Frontier()
    stored: dict[tuple[int, int], bytes] = {}
    for leaf in LEAVES[:size]:
        for level, index, node in frontier.append(leaf):
            assert (level, index) not in stored
            stored[level, index] = node
    again = tlog.Frontier(frontier.size, frontier.nodes)
    expected = definition(LEAVES[:size])
    assert tlog.root(LEAVES[:size]) == expected
    assert frontier.root() == again.root() == expected
    assert tlog.root_from(lambda level, index: stored[level, index], size) == expected


def test_every_inclusion_path_verifies_at_its_own_place_alone() -> None:
    for size in range(1, 20):
        root = tlog.root(LEAVES[:size])
        for index in range(size):
            path = tlog.inclusion_path(LEAVES[:size], index)
            tlog.verify_inclusion(LEAVES[index], index, size, path, root)
            for other in range(size):
                if other != index:
                    with pytest.raises(ProofError):
                        tlog.verify_inclusion(LEAVES[index], other, size, path, root)


def test_every_consistency_path_verifies_between_its_own_sizes_alone() -> None:
    roots = [tlog.root(LEAVES[:size]) for size in range(20)]
    for new in range(1, 20):
        for old in range(1, new + 1):
            path = tlog.consistency_path(LEAVES[:new], old)
            tlog.verify_consistency(old, roots[old], new, roots[new], path)
            for other in range(20):
                if other != old:
                    with pytest.raises(ProofError):
                        tlog.verify_consistency(other, roots[old], new, roots[new], path)


def test_a_proof_reads_few_stored_nodes() -> None:
    read = 0

    def node(level: int, index: int) -> bytes:
        nonlocal read
        read += 1
        return hashlib.sha256(f"{level} {index}".encode()).digest()

    tlog.inclusion_path_from(node, 1_234_567, 5_000_001)
    assert read < 40
    read = 0
    tlog.consistency_path_from(node, 1_234_567, 5_000_001)
    assert read < 60


def test_a_frontier_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ProofError, match="does not have"):
        tlog.Frontier(3, [LEAVES[0]])
    with pytest.raises(ProofError, match="32 bytes"):
        tlog.Frontier(1, [b"short"])
    with pytest.raises(ProofError, match="32 bytes"):
        tlog.Frontier().append(b"short")


def test_a_copy_grows_alone() -> None:
    frontier = tlog.Frontier()
    frontier.append(LEAVES[0])
    copy = frontier.copy()
    copy.append(LEAVES[1])
    assert (frontier.size, copy.size) == (1, 2)
    assert frontier.root() == tlog.root(LEAVES[:1])


def test_no_path_leads_out_of_the_tree() -> None:
    with pytest.raises(ProofError):
        tlog.inclusion_path(LEAVES[:3], 3)
    with pytest.raises(ProofError):
        tlog.consistency_path(LEAVES[:3], 4)
    with pytest.raises(ProofError):
        tlog.consistency_path(LEAVES[:3], 0)
