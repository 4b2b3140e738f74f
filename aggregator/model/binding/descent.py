"""What a lot has from the lots that it came out of: their history, up to when it did.

A split, a merge or a rework makes a new lot of material that has a past. The new lot's record shows
that past, bound as it was bound then; what its parents did later is theirs alone (record rule 9).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from aggregator.model.binding.fact import FOREVER
from aggregator.model.binding.occupancy import Bound, Window
from aggregator.model.master.lot import LotKey
from protocols.wire.reading import Nanoseconds


class Portion(NamedTuple):
    """A lot, or the part of it that has a name of its own."""

    lot: LotKey
    part: str = ""  # "": all of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """A portion came out of another one: from then on each goes its own way."""

    child: Portion
    parent: Portion
    until: Nanoseconds  # the parent's history is the child's up to then
    uncertainty: Nanoseconds = 0
    edge: str = ""  # of the genealogy, that says so


def ancestors(lot: LotKey, descents: Iterable[Descent]) -> dict[Portion, Bound]:
    """Return every portion that a lot came out of, however far back, and up to when.

    Where several ways lead to one ancestor, the longest history counts: of a lot that was split and
    merged again, all that either part has seen.
    """
    by_child: dict[LotKey, list[Descent]] = {}
    for each in sorted(descents, key=lambda each: (each.until, each.edge, each.parent)):
        by_child.setdefault(each.child.lot, []).append(each)
    found: dict[Portion, Bound] = {}
    waiting = [(Portion(lot), Bound(FOREVER))]
    while waiting:
        portion, until = waiting.pop()
        for each in by_child.get(portion.lot, []):
            if each.parent.lot == lot or not _share(portion.part, each.child.part):
                continue
            reach = min(until, Bound(each.until, each.uncertainty), key=_time)
            if each.parent not in found or found[each.parent].time < reach.time:
                found[each.parent] = reach
                waiting.append((each.parent, reach))
    return dict(sorted(found.items()))


def inherited(
    lot: LotKey, windows: Sequence[Window], descents: Iterable[Descent]
) -> tuple[Window, ...]:
    """Return the windows that a lot has from its ancestors: cut off where it went its own way."""
    reaches = ancestors(lot, descents)
    found = []
    for window in windows:
        ends = [
            until
            for portion, until in reaches.items()
            if portion.lot == window.lot and _share(window.part, portion.part)
        ]
        until = max(ends, key=_time, default=None)
        if until is not None and window.start.time < until.time:
            end = min(window.end, until, key=_time)
            found.append(replace(window, lot=lot, origin=window.lot, end=end))
    return tuple(found)


def _time(bound: Bound) -> Nanoseconds:
    return bound.time


def _share(one: str, other: str) -> bool:
    """Tell whether two portions of one lot have anything in common; "" is all of it."""
    return not one or not other or one == other
