"""Which lot was where, when: what the facts say together, and where they contradict each other.

Of facts about one instant, those of the highest authority decide; whoever says otherwise is a
conflict, never a silent winner or loser (record rule 5). Windows are half-open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, NamedTuple

from aggregator.model.binding.fact import FOREVER, Fact, FactId, FactKind
from aggregator.model.master.equipment import EquipmentPath, Occupancy, Residence
from aggregator.model.master.lot import LotKey
from aggregator.model.master.order import JobId
from protocols.wire.reading import Nanoseconds

ONE_AT_A_TIME: Final = frozenset({Occupancy.EXCLUSIVE, Occupancy.CONTINUOUS})
"""Equipment of which two lots cannot be said at one time."""


class Bound(NamedTuple):
    """An edge of a window: when, how surely, and by which clock."""

    time: Nanoseconds
    uncertainty: Nanoseconds = 0
    clock: str = ""  # empty: none of the gateways' clocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A lot was at the equipment over ``[start, end)``; ``end.time`` is FOREVER while it is.

    Of equipment that it flows through, from when its first piece can have entered to when the last
    one left.
    """

    equipment: EquipmentPath
    lot: LotKey
    job: JobId | None
    start: Bound
    end: Bound
    facts: tuple[FactId, ...]  # those that say so, in order
    part: str = ""  # the sublot's name, where it was not all of the lot
    residence: Residence | None = None  # of equipment that the lot flowed through
    origin: LotKey | None = None  # the lot that was there, where this one came out of it later


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Facts that cannot all be true over ``[start, end)``."""

    equipment: EquipmentPath
    start: Nanoseconds
    end: Nanoseconds
    lots: tuple[LotKey, ...]  # those that the readings were bound to
    facts: tuple[FactId, ...]  # all that take part, in order
    others: tuple[LotKey, ...]  # lots named by those that were overruled


class Standstill(NamedTuple):
    """A context in which equipment works on no lot: a changeover, a purge, a line clearance."""

    equipment: EquipmentPath
    start: Nanoseconds
    end: Nanoseconds
    name: str
    facts: tuple[FactId, ...]


def window_order(window: Window) -> tuple[Nanoseconds, Nanoseconds, LotKey, str, str]:
    """Return what windows of one place are sorted by."""
    return (window.start.time, window.end.time, window.lot, window.part, window.job or "")


class Occupied(NamedTuple):
    """What the facts say together."""

    windows: tuple[Window, ...]
    conflicts: tuple[Conflict, ...]
    standstills: tuple[Standstill, ...] = ()


def occupied(
    facts: Iterable[Fact],
    occupancy: Mapping[EquipmentPath, Occupancy],
    *,
    edge_tolerance: Nanoseconds,
) -> Occupied:
    """Return windows and conflicts of the facts in force, in order of equipment and time.

    Sources that name the same lot, and differ about its edges by at most ``edge_tolerance``, agree.
    Equipment that ``occupancy`` does not name is exclusive.
    """
    places: dict[EquipmentPath, list[Fact]] = {}
    for fact in facts:
        if fact.kind in (FactKind.OCCUPANCY, FactKind.CONTEXT) and fact.equipment is not None:
            places.setdefault(fact.equipment, []).append(fact)
    windows: list[Window] = []
    conflicts: list[Conflict] = []
    standstills: list[Standstill] = []
    for path in sorted(places):
        claims = sorted(places[path], key=lambda fact: (fact.start, fact.authority, fact.id))
        cells = _cells(claims, occupancy.get(path, Occupancy.EXCLUSIVE))
        windows += _windows(path, claims, cells)
        conflicts += _conflicts(path, cells, edge_tolerance)
        standstills += _standstills(path, cells)
    return Occupied(tuple(windows), tuple(conflicts), tuple(standstills))


class _Cell(NamedTuple):
    """A stretch within which no fact begins or ends, and what is claimed of it."""

    start: Nanoseconds
    end: Nanoseconds
    held: tuple[LotKey, ...]  # lots that the readings are bound to
    agreeing: tuple[Fact, ...]
    overruled: tuple[Fact, ...]
    rivals: bool  # one authority names several lots where only one can be


def _cells(claims: Sequence[Fact], occupancy: Occupancy) -> list[_Cell]:
    edges = sorted({edge for fact in claims for edge in (fact.start, fact.until)})
    cells: list[_Cell] = []
    active: list[Fact] = []
    waiting = list(reversed(claims))
    for start, end in pairwise(edges):
        active = [fact for fact in active if fact.until > start]
        while waiting and waiting[-1].start <= start:
            fact = waiting.pop()
            if fact.until > start:
                active.append(fact)
        if active:
            cells.append(_cell(start, end, active, occupancy))
    return cells


def _cell(start: int, end: int, active: Sequence[Fact], occupancy: Occupancy) -> _Cell:
    if occupancy in ONE_AT_A_TIME:
        best = min(fact.authority for fact in active)
        leading = [fact for fact in active if fact.authority == best]
    else:
        leading = list(active)
    named = {fact.lot for fact in leading}
    return _Cell(
        start=start,
        end=end,
        held=tuple(sorted(lot for lot in named if lot is not None)),
        agreeing=tuple(fact for fact in active if fact.lot in named),
        overruled=tuple(fact for fact in active if fact.lot not in named),
        rivals=len(named) > 1 and (occupancy in ONE_AT_A_TIME or _standing(leading, occupancy)),
    )


def _standing(leading: Sequence[Fact], occupancy: Occupancy) -> bool:
    """Tell whether a load is said to be in equipment that stands still, which it cannot be."""
    return occupancy is Occupancy.SHARED and any(fact.kind is FactKind.CONTEXT for fact in leading)


def _windows(path: EquipmentPath, claims: Sequence[Fact], cells: Sequence[_Cell]) -> list[Window]:
    """Join neighbouring cells of one lot and job; a fact of no length is a window of none."""
    edges = _edges(claims)
    runs: dict[tuple[LotKey, str, JobId | None], list[tuple[int, int, set[FactId]]]] = {}
    for cell in cells:
        for lot in cell.held:
            own = [fact for fact in cell.agreeing if fact.lot == lot]
            jobs = {fact.job for fact in own if fact.job is not None}
            key = (lot, _part(own), jobs.pop() if len(jobs) == 1 else None)
            run = runs.setdefault(key, [])
            cited = {fact.id for fact in own}
            if run and run[-1][1] == cell.start:
                start, _, before = run.pop()
                run.append((start, cell.end, before | cited))
            else:
                run.append((cell.start, cell.end, cited))
    for fact in claims:
        if fact.lot is not None and fact.until == fact.start:
            run = runs.setdefault((fact.lot, fact.part, fact.job), [])
            run.append((fact.start, fact.start, {fact.id}))
    return sorted(
        (
            Window(
                equipment=path,
                lot=lot,
                part=part,
                job=job,
                start=edges[start],
                end=edges[end],
                facts=tuple(sorted(cited)),
            )
            for (lot, part, job), run in runs.items()
            for start, end, cited in run
        ),
        key=window_order,
    )


def flowed(window: Window, residence: Residence) -> Window:
    """Return the window of a lot that flowed through, from that in which it left."""
    inside = residence.offset + residence.spread
    start = window.start._replace(time=max(window.start.time - inside, 0))
    return replace(window, start=start, residence=residence)


def _standstills(path: EquipmentPath, cells: Sequence[_Cell]) -> list[Standstill]:
    """Return the contexts of cells that no lot holds; neighbours of one name are joined."""
    found: list[Standstill] = []
    for cell in cells:
        said = [fact for fact in cell.agreeing if fact.kind is FactKind.CONTEXT]
        if cell.held or not said:
            continue
        name = ", ".join(sorted({fact.text for fact in said}))
        facts = {fact.id for fact in said}
        start = cell.start
        if found and (found[-1].end, found[-1].name) == (start, name):
            last = found.pop()
            start, facts = last.start, facts | set(last.facts)
        found.append(Standstill(path, start, cell.end, name, tuple(sorted(facts))))
    return found


def _part(own: Sequence[Fact]) -> str:
    """Return the one part that facts about a lot name; where they name several, it is the lot."""
    parts = {fact.part for fact in own if fact.part}
    return parts.pop() if len(parts) == 1 else ""


def _edges(claims: Sequence[Fact]) -> dict[Nanoseconds, Bound]:
    """Return each edge as the highest authority that set it knows it."""
    edges: dict[Nanoseconds, Bound] = {}
    for fact in sorted(claims, key=lambda fact: (fact.authority, fact.uncertainty, fact.id)):
        for time in (fact.start, fact.until):
            edges.setdefault(time, Bound(time, fact.uncertainty, fact.clock))
    return edges


def _conflicts(
    path: EquipmentPath, cells: Sequence[_Cell], edge_tolerance: Nanoseconds
) -> list[Conflict]:
    merged: list[Conflict] = []
    tolerated = _tolerated(cells, edge_tolerance)
    for cell in cells:
        overruled = [fact for fact in cell.overruled if fact.id not in tolerated]
        if not (overruled or cell.rivals):
            continue
        conflict = Conflict(
            equipment=path,
            start=cell.start,
            end=cell.end,
            lots=cell.held,
            facts=tuple(sorted({fact.id for fact in (*cell.agreeing, *overruled)})),
            others=tuple(sorted({fact.lot for fact in overruled if fact.lot is not None})),
        )
        last = merged[-1] if merged else None
        if last and last.end == conflict.start and _same(last, conflict):
            conflict = Conflict(
                equipment=path,
                start=last.start,
                end=conflict.end,
                lots=conflict.lots,
                facts=tuple(sorted({*last.facts, *conflict.facts})),
                others=conflict.others,
            )
            merged.pop()
        merged.append(conflict)
    return merged


def _same(one: Conflict, other: Conflict) -> bool:
    return (one.lots, one.others) == (other.lots, other.others)


def _tolerated(cells: Sequence[_Cell], edge_tolerance: Nanoseconds) -> set[FactId]:
    """Return the overruled facts that are right but for their edges."""
    longest: dict[FactId, int] = {}
    agreeing: set[FactId] = set()
    open_since: dict[FactId, int] = {}
    for cell in cells:
        agreeing |= {fact.id for fact in cell.agreeing}
        overruled = {fact.id for fact in cell.overruled}
        open_since = {key: open_since.get(key, cell.start) for key in overruled}
        for key, since in open_since.items():
            longest[key] = max(longest.get(key, 0), min(cell.end, FOREVER) - since)
    return {key for key, length in longest.items() if key in agreeing and length <= edge_tolerance}
