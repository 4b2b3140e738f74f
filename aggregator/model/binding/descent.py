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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """A portion whose history up to a time is a lot's own."""

    portion: Portion
    until: Bound
    edges: tuple[str, ...]  # the way there, nearest first


def ancestors(lot: LotKey, descents: Iterable[Descent]) -> tuple[Ancestor, ...]:
    """Return every portion that a lot came out of, however far back, in order.

    Where several ways lead to one ancestor, the longest history counts: of a lot that was split and
    merged again, all that either part has seen.
    """
    by_child: dict[LotKey, list[Descent]] = {}
    for each in sorted(descents, key=lambda each: (each.until, each.edge, each.parent)):
        by_child.setdefault(each.child.lot, []).append(each)
    found: dict[Portion, Ancestor] = {}
    waiting: list[tuple[Portion, Bound, tuple[str, ...]]] = [(Portion(lot), Bound(FOREVER), ())]
    while waiting:
        portion, until, way = waiting.pop()
        for each in by_child.get(portion.lot, []):
            if not _share(portion.part, each.child.part):
                continue
            reach = min(until, Bound(each.until, each.uncertainty), key=lambda bound: bound.time)
            known = found.get(each.parent)
            if each.parent.lot == lot or (known is not None and known.until.time >= reach.time):
                continue
            edges = (*way, each.edge)
            found[each.parent] = Ancestor(portion=each.parent, until=reach, edges=edges)
            waiting.append((each.parent, reach, edges))
    return tuple(found[portion] for portion in sorted(found))


def inherited(
    lot: LotKey, windows: Sequence[Window], descents: Iterable[Descent]
) -> tuple[Window, ...]:
    """Return the windows that a lot has from its ancestors: cut off where it went its own way."""
    return tuple(
        replace(
            window,
            lot=lot,
            origin=window.lot,
            end=min(window.end, each.until, key=lambda bound: bound.time),
        )
        for each in ancestors(lot, descents)
        for window in windows
        if window.lot == each.portion.lot
        and window.start.time < each.until.time
        and _share(window.part, each.portion.part)
    )


def _share(one: str, other: str) -> bool:
    """Tell whether two portions of one lot have anything in common; "" is all of it."""
    return not one or not other or one == other
