"""Facts that a controller gives: the lot ids that it names, read with the readings.

A pure function of a series, so a replay derives the same facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from aggregator.model.binding.fact import Authority, Fact, FactKind
from aggregator.model.master.equipment import EquipmentPath, SignalSpec
from aggregator.model.master.lot import LotId, LotKey, parse_element_string
from aggregator.model.series import Series
from protocols.wire.reading import Nanoseconds, Status


class Said(NamedTuple):
    """What a controller named, where and when; ``end`` is None while it does."""

    text: str
    equipment: EquipmentPath
    start: Nanoseconds
    end: Nanoseconds | None


Resolve = Callable[[Said], LotKey | None]
"""From what a controller says to the lot that it means; None where that is not one lot."""


def lot_changes(
    series: Series, spec: SignalSpec, resolve: Resolve, uncertainty: Nanoseconds
) -> tuple[Fact, ...]:
    """Return the occupancy of the signal's equipment, one fact a run of the same lot id.

    An empty id is a fact too: the controller says that no lot is there. A BAD reading says
    nothing: where the same id follows, the run goes on; where another does, the run ended at the
    first BAD reading, and the time between belongs to nobody. The last fact has no end. ``series``
    is in its one order (``binding.in_order``). A reading that was placed is as uncertain as that.
    """
    runs: list[tuple[_At, _At | None, str]] = []  # start, end, text
    doubtful: _At | None = None  # the first BAD reading since the last valid one
    for time, text in _texts(series):
        if text is None:
            doubtful = time if doubtful is None else doubtful
            continue
        if not runs or text != runs[-1][2]:
            if runs:
                runs[-1] = (runs[-1][0], time if doubtful is None else doubtful, runs[-1][2])
            runs.append((time, None, text))
        doubtful = None
    return tuple(
        Fact(
            kind=FactKind.OCCUPANCY,
            start=start.time,
            end=None if end is None else end.time,
            authority=Authority.CONTROLLER,
            source=source_of(spec),
            equipment=spec.equipment,
            lot=resolve(Said(text, spec.equipment, start.time, end and end.time)) if text else None,
            text=text,
            uncertainty=max(uncertainty, start.doubt, 0 if end is None else end.doubt),
            clock=spec.clock_id,
        )
        for start, end, text in runs
    )


def resolver(lots: Iterable[LotKey], facts: Sequence[Fact]) -> Resolve:
    """Return a function from what a controller says to the one lot that it can mean.

    A GS1 element string names its lot in full. A bare lot id names a lot where only one GTIN has
    it. Where several have, a given fact about the same equipment and time decides; without one it
    names none, and is raised as ambiguous.
    """
    by_id: dict[str, set[LotKey]] = {}
    for key in lots:
        by_id.setdefault(key.lot, set()).add(key)
    given = [fact for fact in facts if fact.kind is FactKind.OCCUPANCY and fact.lot is not None]

    def resolve(said: Said) -> LotKey | None:
        full = parse_element_string(said.text)
        if full is not None:
            return full
        found = by_id.get(LotId(said.text), set())
        if len(found) > 1:
            found = found & {
                fact.lot
                for fact in given
                if fact.lot is not None
                and fact.equipment == said.equipment
                and fact.until > said.start
                and (said.end is None or fact.start < said.end)
            }
        return next(iter(found)) if len(found) == 1 else None

    return resolve


class _At(NamedTuple):
    """When a reading came, and how far that may be wrong where it was placed."""

    time: Nanoseconds
    doubt: Nanoseconds


def _texts(series: Series) -> Iterator[tuple[_At, str | None]]:
    """Yield time and text wherever the text is another than before; None where it is BAD."""
    valid = series.present & (series.statuses != Status.BAD)
    texts = series.values.astype(object)  # a controller may count its lots by number
    texts[~valid] = None
    changed = np.ones(len(texts), dtype=np.bool_)
    changed[1:] = texts[1:] != texts[:-1]
    for row in np.flatnonzero(changed):
        text = texts[row]
        doubt = 0 if series.doubts is None else int(series.doubts[:, row].max())
        yield _At(int(series.times[row]), doubt), None if text is None else str(text).strip()


def source_of(spec: SignalSpec) -> str:
    """Return how a fact that a signal gives names it."""
    return f"{spec.key.gateway}/{spec.key.signal}"
