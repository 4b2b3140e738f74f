"""Trees of any size and shape: what is in them proves itself, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.wire import tlog
from protocols.wire.errors import ProofError

SIZES = st.integers(min_value=1, max_value=300)


def leaves(size: int) -> list[bytes]:
    return [tlog.leaf_hash(number.to_bytes(4, "big")) for number in range(size)]


@given(size=SIZES, data=st.data())
def test_inclusion(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    hashes = leaves(size)
    root, path = tlog.root(hashes), tlog.inclusion_path(hashes, index)
    tlog.verify_inclusion(hashes[index], index, size, path, root)
    with pytest.raises(ProofError):
        tlog.verify_inclusion(tlog.leaf_hash(b"other"), index, size, path, root)
    with pytest.raises(ProofError):
        tlog.verify_inclusion(hashes[index], index, size, (*path, bytes(32)), root)
    if path:
        with pytest.raises(ProofError):
            tlog.verify_inclusion(hashes[index], index, size, path[1:], root)


@given(new=SIZES, data=st.data())
def test_consistency(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    hashes = leaves(new)
    path = tlog.consistency_path(hashes, old)
    old_root, new_root = tlog.root(hashes[:old]), tlog.root(hashes)
    tlog.verify_consistency(old, old_root, new, new_root, path)
    rewritten = [tlog.leaf_hash(b"rewritten"), *hashes[1:]]
    with pytest.raises(ProofError):
        tlog.verify_consistency(old, tlog.root(rewritten[:old]), new, new_root, path)
    with pytest.raises(ProofError):
        tlog.verify_consistency(old, old_root, new, tlog.root(rewritten), path)


@given(size=st.integers(0, 300), cut=st.integers(0, 300))
def test_a_frontier_stored_anywhere_goes_on_to_the_same_root(size: int, cut: int) -> None:
    hashes = leaves(size)
    frontier = tlog.Frontier()
    for at, leaf in enumerate(hashes):
        if at == cut:
            frontier = tlog.Frontier(frontier.size, frontier.nodes)
        frontier.append(leaf)
    assert frontier.root() == tlog.root(hashes)


@given(size=SIZES, flips=st.integers(0, 255), data=st.data())
def test_one_flipped_bit_breaks_a_path(size: int, flips: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    hashes = leaves(size)
    path = [bytearray(each) for each in tlog.inclusion_path(hashes, index)]
    if not path:
        return
    path[flips % len(path)][flips % 32] ^= 1 << flips % 8
    with pytest.raises(ProofError):
        tlog.verify_inclusion(
            hashes[index], index, size, [bytes(each) for each in path], tlog.root(hashes)
        )


def test_an_odd_leaf_is_never_duplicated() -> None:
    """CVE-2012-2459: a tree that pairs an odd leaf with itself gives two lists one root."""
    hashes = leaves(3)
    assert tlog.root(hashes) != tlog.root([*hashes, hashes[-1]])
    assert tlog.root([tlog.leaf_hash(b"")]) != tlog.root([])
