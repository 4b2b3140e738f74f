"""The transparency log's mathematics: Merkle trees and their proofs (RFC 9162 section 2.1).

Everything here is a function of hashes. A tree over a whole list serves bundles (hundreds of
columns); a log of millions keeps a ``Frontier`` to grow and stores every completed node, so that a
proof reads about log2(n) of them through a ``NodeReader``. An odd leaf is never duplicated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from protocols.wire.errors import ProofError

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256().digest()
"""Root of a tree without leaves (RFC 9162 section 2.1.1)."""

NodeReader = Callable[[int, int], bytes]
"""``node(level, index)``: root of the leaves [index * 2**level, (index + 1) * 2**level)."""


def leaf_hash(data: bytes) -> bytes:
    """Return the 32 bytes that stand for ``data`` in a tree (RFC 9162 section 2.1.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the 32 bytes that stand for two subtrees (RFC 9162 section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over ``leaf_hashes``; of none, SHA-256 of nothing."""
    level = list(leaf_hashes)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [node_hash(*pair) for pair in zip(level[::2], level[1::2], strict=False)] + odd
    return level[0]


def inclusion_path(leaf_hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the proof that leaf ``index`` is in the tree over ``leaf_hashes``."""
    return inclusion_path_from(_reader(leaf_hashes), index, len(leaf_hashes))


def consistency_path(leaf_hashes: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """Return the proof that the first ``old_size`` leaves are a prefix of ``leaf_hashes``."""
    return consistency_path_from(_reader(leaf_hashes), old_size, len(leaf_hashes))


def root_from(node: NodeReader, size: int) -> bytes:
    """Return the root of the first ``size`` leaves of a stored tree."""
    return _subtree(node, 0, size) if size else EMPTY_ROOT


def inclusion_path_from(node: NodeReader, index: int, size: int) -> tuple[bytes, ...]:
    """Return the inclusion proof from stored nodes, nearest sibling first (section 2.1.3.1).

    Raises ProofError when there is no such leaf.
    """
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    path = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_subtree(node, middle, end))
            end = middle
        else:
            path.append(_subtree(node, start, middle))
            start = middle
    return tuple(reversed(path))


def consistency_path_from(node: NodeReader, old_size: int, new_size: int) -> tuple[bytes, ...]:
    """Return the consistency proof from stored nodes (section 2.1.4.1).

    Raises ProofError unless 0 < old_size <= new_size: every tree follows from the empty one, so
    there is nothing to prove.
    """
    if not 0 < old_size <= new_size:
        raise ProofError(f"no proof leads from a tree of {old_size} to one of {new_size}")
    path = []
    start, end = 0, new_size
    while old_size < end:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(_subtree(node, middle, end))
            end = middle
        else:
            path.append(_subtree(node, start, middle))
            start = middle
    if start:  # the old tree ends inside the new one, so its last subtree must be told
        path.append(_subtree(node, start, end))
    return tuple(reversed(path))


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], expected_root: bytes
) -> None:
    """Return if ``leaf`` is number ``index`` of the ``size`` under the root (section 2.1.3.2).

    ``leaf`` is a leaf hash. Raises ProofError otherwise.
    """
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    _check_lengths([leaf, *path])
    position, last, current = index, size - 1, leaf
    for sibling in path:
        if not last:
            raise ProofError("the inclusion path is too long")
        if position & 1 or position == last:
            current = node_hash(sibling, current)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise ProofError("the inclusion path is too short")
    if current != expected_root:
        raise ProofError(f"leaf {index} is not in the tree of {size} with this root")


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Return if the new tree holds all of the old one as its prefix (section 2.1.4.2).

    Raises ProofError otherwise, and for an empty old tree, from which nothing follows.
    """
    if not 0 < old_size <= new_size:
        raise ProofError(f"no proof leads from a tree of {old_size} to one of {new_size}")
    if old_size == new_size:
        if path or old_root != new_root:
            raise ProofError(f"two trees of {old_size} leaves have different roots")
        return
    _check_lengths(path)
    nodes = list(path)
    if old_size & (old_size - 1) == 0:  # the old tree is a complete subtree, known already
        nodes.insert(0, old_root)
    if not nodes:
        raise ProofError("the consistency path is too short")
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = nodes[0]
    for sibling in nodes[1:]:
        if not last:
            raise ProofError("the consistency path is too long")
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise ProofError("the consistency path is too short")
    if old != old_root or new != new_root:
        raise ProofError(f"the tree of {new_size} does not continue the tree of {old_size}")


class Node(NamedTuple):
    """A completed subtree, as a store keeps it and a ``NodeReader`` gives it back."""

    level: int
    position: int  # the ``index`` of NodeReader
    digest: bytes


class Frontier:
    """The right edge of a growing tree: one complete subtree for every bit set in its size."""

    __slots__ = ("_nodes", "size")

    def __init__(self, size: int = 0, nodes: Sequence[bytes] = ()) -> None:
        """Take up a tree of ``size`` leaves from what ``nodes`` gave, largest subtree first.

        Raises ProofError when the count of nodes does not fit the size.
        """
        if size < 0 or size.bit_count() != len(nodes):
            raise ProofError(f"a tree of {size} leaves does not have {len(nodes)} subtrees")
        _check_lengths(nodes)
        self.size = size
        self._nodes = list(nodes)

    @property
    def nodes(self) -> tuple[bytes, ...]:
        """Roots of the complete subtrees, largest first: at most 64 times 32 bytes to store."""
        return tuple(self._nodes)

    def append(self, leaf: bytes) -> tuple[Node, ...]:
        """Add a leaf hash and return every node that it completes, the leaf first."""
        _check_lengths((leaf,))
        position, level, current = self.size, 0, leaf
        completed = [Node(level, position, current)]
        while position & 1:
            position, level = position >> 1, level + 1
            current = node_hash(self._nodes.pop(), current)
            completed.append(Node(level, position, current))
        self._nodes.append(current)
        self.size += 1
        return tuple(completed)

    def root(self) -> bytes:
        """Return the root of all leaves so far."""
        if not self._nodes:
            return EMPTY_ROOT
        current = self._nodes[-1]
        for left in reversed(self._nodes[:-1]):
            current = node_hash(left, current)
        return current

    def copy(self) -> Frontier:
        """Return a frontier that can grow, and be thrown away when a transaction fails."""
        return Frontier(self.size, self._nodes)


def _split(count: int) -> int:
    """Return the largest power of two smaller than ``count`` (at least 2)."""
    return 1 << (count - 1).bit_length() - 1


def _subtree(node: NodeReader, start: int, end: int) -> bytes:
    """Return the root over the leaves [start, end), a subtree of some RFC 9162 tree."""
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return node(level, start >> level)
    middle = start + _split(count)
    return node_hash(_subtree(node, start, middle), _subtree(node, middle, end))


def _reader(leaf_hashes: Sequence[bytes]) -> NodeReader:
    levels = [list(leaf_hashes)]
    while len(levels[-1]) > 1:
        pairs = zip(levels[-1][::2], levels[-1][1::2], strict=False)
        levels.append([node_hash(left, right) for left, right in pairs])
    return lambda level, index: levels[level][index]


def _check_lengths(hashes: Sequence[bytes]) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise ProofError(f"a hash is not {HASH_BYTES} bytes long")
