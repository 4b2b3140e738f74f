"""Facts that readings themselves give: lot ids of a controller, and carriers that a reader sees.

Both are pure functions of a series, so a replay derives the same facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from aggregator.model.binding.fact import Authority, Fact, FactKind
from aggregator.model.master.equipment import EquipmentPath, SignalSpec
from aggregator.model.master.lot import LotId, LotKey, parse_element_string
from aggregator.model.series import Series
from protocols.wire.reading import Nanoseconds, Status, TagRead


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
    is in its one order (``binding.in_order``).
    """
    runs: list[tuple[int, int | None, str]] = []  # start, end, text
    doubtful: int | None = None  # time of the first BAD reading since the last valid one
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
            start=start,
            end=end,
            authority=Authority.CONTROLLER,
            source=_source(spec),
            equipment=spec.equipment,
            lot=resolve(Said(text, spec.equipment, start, end)) if text else None,
            text=text,
            uncertainty=uncertainty,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceRule:
    """When a carrier counts as present."""

    reads_min: int = 2  # sightings; fewer are a stray read
    exit_timeout: Nanoseconds = 5_000_000_000  # silence after which it has left


class Dwell(NamedTuple):
    """A carrier was seen over ``[start, end)``; ``end`` is None while it may still be there."""

    carrier: str  # EPC in hexadecimal
    start: Nanoseconds
    end: Nanoseconds | None
    reads: int


def dwells(series: Series, rule: PresenceRule, known_through: Nanoseconds) -> tuple[Dwell, ...]:
    """Return the stays of each carrier at the series' read point, in order of start.

    ``known_through`` is the time up to which the reader's silence is proved: a carrier last seen
    less than ``exit_timeout`` before it has not left yet.
    """
    stays: dict[str, list[Dwell]] = {}
    for start, end, read in _sightings(series):
        carrier = read.epc.hex()
        own = stays.setdefault(carrier, [])
        last = own[-1] if own else None
        if last is not None and last.end is not None and start - last.end <= rule.exit_timeout:
            own[-1] = last._replace(end=max(last.end, end), reads=last.reads + read.count)
        else:
            own.append(Dwell(carrier, start, end, read.count))
    return tuple(
        sorted(
            _still(dwell, rule, known_through)
            for own in stays.values()
            for dwell in own
            if dwell.reads >= rule.reads_min
        )
    )


def carrier_occupancy(
    seen: Sequence[Dwell], spec: SignalSpec, facts: Sequence[Fact], uncertainty: Nanoseconds
) -> tuple[tuple[Fact, ...], tuple[Dwell, ...]]:
    """Return the occupancy that dwells give through associations, and dwells of unknown carriers.

    A carrier is reused: it stands for a lot only while the association lasts.
    """
    derived: list[Fact] = []
    unknown: list[Dwell] = []
    for dwell in seen:
        held = [
            fact
            for fact in facts
            if fact.kind is FactKind.ASSOCIATION
            and fact.carrier == dwell.carrier
            and fact.until > dwell.start
            and (dwell.end is None or fact.start < dwell.end)
        ]
        if not held:
            unknown.append(dwell)
        stay = Fact(
            kind=FactKind.OCCUPANCY,
            start=dwell.start,
            end=dwell.end,
            authority=Authority.RFID,
            source=_source(spec),
            equipment=spec.equipment,
            carrier=dwell.carrier,
            uncertainty=uncertainty,
            clock=spec.clock_id,
        )
        for fact in held:
            ends = [end for end in (dwell.end, fact.end) if end is not None]
            derived.append(
                replace(
                    stay,
                    start=max(dwell.start, fact.start),
                    end=min(ends) if ends else None,
                    lot=fact.lot,
                )
            )
    return tuple(derived), tuple(unknown)


def _texts(series: Series) -> Iterator[tuple[int, str | None]]:
    """Yield time and text wherever the text is another than before; None where it is BAD."""
    valid = series.present & (series.statuses != Status.BAD)
    texts = series.values.astype(object)  # a controller may count its lots by number
    texts[~valid] = None
    changed = np.ones(len(texts), dtype=np.bool_)
    changed[1:] = texts[1:] != texts[:-1]
    for row in np.flatnonzero(changed):
        text = texts[row]
        yield int(series.times[row]), None if text is None else str(text).strip()


def _sightings(series: Series) -> Iterable[tuple[int, int, TagRead]]:
    """Yield start, end and tag read in order, by the time that windows are cut on.

    That time is when the carrier was last seen; the reader's own clock gives only for how long.
    """
    found: list[tuple[int, int, TagRead]] = []
    for row in range(len(series)):
        read = series.values[row]
        if series.present[row] and isinstance(read, TagRead):
            end = int(series.times[row])
            found.append((end - max(read.last_seen - read.first_seen, 0), end, read))
    return sorted(found, key=lambda sighting: (sighting[0], sighting[1], sighting[2].epc))


def _still(dwell: Dwell, rule: PresenceRule, known_through: Nanoseconds) -> Dwell:
    gone = dwell.end is not None and dwell.end + rule.exit_timeout < known_through
    return dwell if gone else dwell._replace(end=None)


def _source(spec: SignalSpec) -> str:
    return f"{spec.key.gateway}/{spec.key.signal}"
