"""Memory for many arrays in a few large pieces.

The system hands memory out page by page, which takes longer than filling it; large pieces come in
large pages. Arrays that are taken one after another under one name stand end to end, so that those
of one signal need no joining.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aggregator.model.series import Integers


class Room:
    """Gives arrays out; a piece lives as long as any array of it."""

    def __init__(self) -> None:
        self._pieces: dict[str, tuple[Integers, int]] = {}  # by name: the newest, and what is taken

    def take(self, name: str, count: int) -> Integers:
        """Return ``count`` numbers that are still to be set."""
        piece, taken = self._pieces.get(name, (_NOTHING, 0))
        if taken + count > len(piece):
            size = min(max(4 * len(piece), _PIECE_MIN), _PIECE_MAX)
            piece, taken = np.empty(max(count, size), np.int64), 0
        self._pieces[name] = (piece, taken + count)
        return piece[taken : taken + count]


def joined(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return all of ``arrays`` as one, without a copy where they stand end to end in a room."""
    first = arrays[0]
    if len(arrays) == 1:
        return first
    piece = first.base
    if not isinstance(piece, np.ndarray) or piece.dtype != np.int64 or first.itemsize != 8:
        return np.concatenate(arrays)
    begin = at = _address(first)
    for each in arrays:
        if each.base is not piece or each.dtype != first.dtype or _address(each) != at:
            return np.concatenate(arrays)
        at += each.nbytes
    start = (begin - _address(piece)) // 8
    return piece[start : start + (at - begin) // 8].view(first.dtype)


def _address(array: npt.NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


_NOTHING: Final = np.empty(0, np.int64)
_PIECE_MIN: Final = 1 << 12
_PIECE_MAX: Final = 1 << 20  # numbers: 8 MB, four of the large pages
