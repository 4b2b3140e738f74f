"""A recall: from its trigger to the last item accounted for, by persons' acts alone.

    open → located → published → closed          cancelled: from any of the first two

Located again, a case takes in what was recorded since: what was located before stays. A drill is
the same on a lot drawn by chance, and is closed by the drawing itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType

from aggregator.errors import ConflictError
from aggregator.model.genealogy.item import Item
from protocols.wire.reading import Nanoseconds

CaseId = NewType("CaseId", str)
"""``r-`` and 16 hex digits; a drill's begins with ``d-``."""


class CaseKind(StrEnum):
    """Why there is a case."""

    RECALL = "recall"  # something is wrong, or may be
    DRILL = "drill"  # nothing is wrong: how long would it take?


class CaseState(StrEnum):
    """How far a case is."""

    OPEN = "open"  # its trigger is known
    LOCATED = "located"  # what is concerned is known, with the way that shows it
    PUBLISHED = "published"  # those concerned have been told
    CLOSED = "closed"  # every located item is accounted for
    CANCELLED = "cancelled"  # there was no reason after all


class CaseEvent(StrEnum):
    """What can happen to it."""

    LOCATE = "locate"  # trace what is concerned
    ASSIGN = "assign"  # somebody is to see to it
    PUBLISH = "publish"  # those concerned were told: customers, an authority
    ACCOUNT = "account"  # what became of a located item
    CLOSE = "close"  # nothing is left to do
    CANCEL = "cancel"  # there was no reason after all


class Fate(StrEnum):
    """What became of a located item."""

    QUARANTINED = "quarantined"  # in our hands and out of use
    RETURNED = "returned"  # came back from a customer
    DESTROYED = "destroyed"  # is no more
    CONSUMED = "consumed"  # used up, its products are located themselves
    CLEARED = "cleared"  # found to be right
    LOST = "lost"  # cannot be found; said with a reason


_LIVE: Final = (CaseState.OPEN, CaseState.LOCATED, CaseState.PUBLISHED)

TRANSITIONS: Final[Mapping[tuple[CaseState, CaseEvent], CaseState]] = {
    **{(state, CaseEvent.ASSIGN): state for state in _LIVE},
    (CaseState.OPEN, CaseEvent.LOCATE): CaseState.LOCATED,
    (CaseState.LOCATED, CaseEvent.LOCATE): CaseState.LOCATED,
    # What was found after publishing has to be published as well.
    (CaseState.PUBLISHED, CaseEvent.LOCATE): CaseState.LOCATED,
    (CaseState.LOCATED, CaseEvent.PUBLISH): CaseState.PUBLISHED,
    (CaseState.PUBLISHED, CaseEvent.PUBLISH): CaseState.PUBLISHED,
    (CaseState.LOCATED, CaseEvent.ACCOUNT): CaseState.LOCATED,
    (CaseState.PUBLISHED, CaseEvent.ACCOUNT): CaseState.PUBLISHED,
    (CaseState.PUBLISHED, CaseEvent.CLOSE): CaseState.CLOSED,
    (CaseState.OPEN, CaseEvent.CANCEL): CaseState.CANCELLED,
    (CaseState.LOCATED, CaseEvent.CANCEL): CaseState.CANCELLED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What is in doubt, since when and until when, and why."""

    item: Item
    since: Nanoseconds
    until: Nanoseconds
    reason: str


def step(state: CaseState, event: CaseEvent, *, unaccounted: int = 0) -> CaseState:
    """Return the state after ``event``; ConflictError where it cannot happen now.

    ``unaccounted`` is how many located items have no fate yet: a case with any is not closed.
    """
    following = TRANSITIONS.get((state, event))
    if following is None:
        possible = sorted(each.value for known, each in TRANSITIONS if known is state)
        raise ConflictError(
            f"a case that is {state.value} takes no {event.value}",
            hint=f"it takes {', '.join(possible)}" if possible else "open another case",
        )
    if event is CaseEvent.CLOSE and unaccounted:
        raise ConflictError(
            f"{unaccounted} located items are not accounted for",
            hint="say of each what became of it; `lost` is an answer, with its reason",
        )
    return following


def drawn(seed: str, count: int) -> int:
    """Return which of ``count`` lots a drill takes: anybody with the seed can draw it again."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()) % count
