"""The chain of one (gateway, epoch): a pure step from what is stored to what may follow.

    link to be placed            verdict   what it means
    ------------------------------------------------------------------------------
    number = head + 1, fits      NEXT      the head moves on, with all that waited for it
    number already stored, same  REPEAT    a success: the same receipt is given again
    number beyond head + 1       AHEAD     stored; a gap is open until the ones between come
    stored or waiting, differs   FORK      two successors: the epoch is not to be trusted

Bundles come in any order; a head moves over contiguous ones alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

from protocols.wire.header import FIRST_PREVIOUS, Header


class Verdict(Enum):
    """What the chain says of a link."""

    NEXT = "next"  # extends the contiguous chain
    AHEAD = "ahead"  # leaves a gap before it
    REPEAT = "repeat"  # is stored already
    FORK = "fork"  # contradicts what is stored


class Link(NamedTuple):
    """What of a bundle matters to its chain."""

    number: int
    previous: bytes  # leaf hash of the bundle before
    leaf: bytes  # leaf hash of this bundle's sealed header
    first_reading: int
    end_reading: int

    @classmethod
    def of(cls, header: Header, leaf: bytes) -> Link:
        """Return the link of a bundle whose header was opened."""
        return cls(header.number, header.previous, leaf, header.first_reading, header.end_reading)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """All that is known of a chain: its contiguous head, and what waits beyond it."""

    head: int = -1  # number up to which all are stored
    head_leaf: bytes = FIRST_PREVIOUS  # leaf hash of that bundle
    end_reading: int = 0  # number of the first reading after it
    waiting: Mapping[int, Link] = field(default_factory=dict)  # stored beyond a gap

    @property
    def missing(self) -> tuple[range, ...]:
        """The runs of bundle numbers that are not there yet, in order."""
        runs, expected = [], self.head + 1
        for number in sorted(self.waiting):
            if number > expected:
                runs.append(range(expected, number))
            expected = number + 1
        return tuple(runs)


def step(chain: Chain, link: Link, stored_leaf: bytes | None) -> tuple[Verdict, Chain]:
    """Place ``link`` and return the verdict and the chain after it.

    ``stored_leaf`` is the leaf hash stored under the link's number, if any: a chain remembers only
    its head and what waits, the store remembers all.
    """
    if stored_leaf is not None:
        return (Verdict.REPEAT if stored_leaf == link.leaf else Verdict.FORK), chain
    if link.number <= chain.head:
        return Verdict.FORK, chain
    if not _fits(chain, link):
        return Verdict.FORK, chain
    if link.number > chain.head + 1:
        return Verdict.AHEAD, replace(chain, waiting={**chain.waiting, link.number: link})
    waiting = dict(chain.waiting)
    following: Link | None = link
    while following is not None:
        chain = replace(
            chain,
            head=following.number,
            head_leaf=following.leaf,
            end_reading=following.end_reading,
        )
        following = waiting.pop(chain.head + 1, None)
    return Verdict.NEXT, replace(chain, waiting=waiting)


def _fits(chain: Chain, link: Link) -> bool:
    """Tell whether the link agrees with each stored neighbour that it has."""
    before: tuple[bytes, int] | None = None
    if link.number == chain.head + 1:
        before = (chain.head_leaf, chain.end_reading)
    elif (waiting := chain.waiting.get(link.number - 1)) is not None:
        before = (waiting.leaf, waiting.end_reading)
    after = chain.waiting.get(link.number + 1)
    return (before is None or before == (link.previous, link.first_reading)) and (
        after is None or (after.previous, after.first_reading) == (link.leaf, link.end_reading)
    )
