"""From bundles to the parts of a segment: each reading with its time, status and place."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import numpy as np

from aggregator.model.once import Once
from aggregator.model.series import Given, Integers
from aggregator.store.segments.codec import ARRAYS, Part
from aggregator.store.segments.values import Values
from protocols.wire.bundle import check_columns, open_body, split_bundle
from protocols.wire.column import Column
from protocols.wire.errors import WireError
from protocols.wire.header import decode_header
from protocols.wire.reading import Doubt, Kind, Nanoseconds, SignalName
from protocols.wire.seal import peek
from protocols.wire.values.arrays import Numbers


class PartKey(NamedTuple):
    """Readings of one signal and kind."""

    signal: SignalName
    kind: Kind


class WrongBundle(NamedTuple):
    """A bundle whose columns are not what its header says."""

    number: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a run of bundles holds."""

    parts: dict[PartKey, Part]
    wrong: list[WrongBundle]


def open_bundles(bundles: Iterable[tuple[int, bytes]]) -> Opened:
    """Return the readings of stored bundles, (number, bytes) in order, by signal and kind.

    The seals were verified when the bundles were stored; the columns are checked here. A bundle
    whose columns fail is named, and none of its readings is taken.
    """
    found: dict[PartKey, list[_Placed]] = {}
    wrong = []
    for number, data in bundles:
        try:
            placed = _open(number, data)
        except WireError as error:
            wrong.append(WrongBundle(number, error.reason, str(error)))
            continue
        for each in placed:
            found.setdefault(PartKey(each.column.signal, each.column.kind), []).append(each)
    return Opened(parts={key: _part(several) for key, several in found.items()}, wrong=wrong)


def bundle_times(data: bytes) -> dict[SignalName, tuple[Nanoseconds, Nanoseconds]]:
    """Return the first and last time of each signal's readings in a stored bundle.

    The times are those that place readings; of a bundle whose columns fail none is taken.
    """
    try:
        placed = _open(0, data)
    except WireError:
        return {}
    found: dict[SignalName, tuple[Nanoseconds, Nanoseconds]] = {}
    for each in placed:
        column = each.column
        if any(run.code == _IMPOSSIBLE for run in column.statuses):
            times: Sequence[int] = _part([each]).times.tolist()
        else:
            times = column.source_times or column.gateway_times
        low, high = min(times), max(times)
        first, last = found.get(column.signal, (low, high))
        found[column.signal] = (min(first, low), max(last, high))
    return found


def join(parts: Sequence[Part]) -> Part:
    """Return one part of several, in their order."""
    if len(parts) == 1:
        return parts[0]
    values = np.concatenate([part.values for part in parts])
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS}
    return Part.given(parts[0].kind, values, arrays)


def leaves_digest(leaves: Iterable[bytes]) -> bytes:
    """Return SHA-256 over the leaf hashes of the bundles that a segment covers, in order."""
    digest = hashlib.sha256()
    for leaf in leaves:
        digest.update(leaf)
    return digest.digest()


class _Placed(NamedTuple):
    """A column, its bundle's number and the number of its first reading."""

    column: Column
    number: int
    position: int


def _open(number: int, data: bytes) -> list[_Placed]:
    bundle = split_bundle(data)
    header = decode_header(peek(bundle.sealed_header).payload)
    position = header.first_reading
    placed = []
    for column in check_columns(header, open_body(header, bundle.body)):
        placed.append(_Placed(column, number, position))
        position += len(column)
    return placed


def _part(several: Sequence[_Placed]) -> Part:
    """Return the columns of one signal as one part: arrays are made once, not once a bundle."""
    columns = [each.column for each in several]
    lengths = np.array([len(column) for column in columns], np.int64)
    count = int(lengths.sum())
    starts = np.cumsum(lengths) - lengths
    gateway_times, times = array("q"), array("q")
    for column in columns:
        gateway_times.extend(column.gateway_times)
        times.extend(column.source_times or column.gateway_times)
    statuses, codes, present = _marks(columns, count)
    placed_gateway = np.frombuffer(gateway_times, np.int64)
    placed = np.frombuffer(times, np.int64)
    doubted = codes == _IMPOSSIBLE
    if doubted.any():  # a time that cannot be places nothing; the gateway's does
        placed = np.where(doubted, placed_gateway, placed)
    offsets = np.array([each.position for each in several], np.int64) - starts
    return Part(
        kind=columns[0].kind,
        times=placed,
        gateway_times=placed_gateway,
        numbers=np.repeat(np.array([each.number for each in several], np.int64), lengths),
        statuses=statuses,
        codes=codes,
        present=present,
        content=Given(
            _values(columns), np.repeat(offsets, lengths) + np.arange(count, dtype=np.int64)
        ),
    )


_IMPOSSIBLE: Final = int(Doubt.IMPOSSIBLE_TIME)


def _marks(columns: Sequence[Column], count: int) -> tuple[Integers, Integers, Integers]:
    """Return status, code and presence of every reading."""
    statuses, codes = np.zeros(count, np.int64), np.zeros(count, np.int64)
    present = np.ones(count, np.int64)
    start = 0
    for column in columns:
        at = start
        for run in column.statuses:
            statuses[at : at + run.length] = int(run.status)
            codes[at : at + run.length] = run.code
            at += run.length
        if column.absent:
            present[[start + position for position in column.absent]] = 0
        start += len(column)
    return statuses, codes, present


_TYPECODES: Final = {
    Kind.FLOAT32: "d",
    Kind.FLOAT64: "d",
    Kind.UINT: "Q",
    Kind.BOOL: "q",
    Kind.INT: "q",
}


def _values(columns: Sequence[Column]) -> Values:
    code = _TYPECODES.get(columns[0].kind)
    if code is None:
        things = [column.values[at] for column in columns for at in range(len(column.values))]
        values = np.empty(len(things), object)
        values[:] = things
        return values
    numbers: Numbers = array(code)
    for column in columns:
        # Typed arrays of another width are taken number by number; extend alone would refuse them.
        numbers.extend(iter(cast("Numbers", column.values)))  # type: ignore[arg-type]
    return np.frombuffer(numbers, code)


def times_between(part: Part, start: int, stop: int, once: Once | None = None) -> Part:
    """Return the readings with ``start <= time < stop``, in order of time."""
    order = (once or Once()).of(_between, part.times, start, stop)
    return part if order is None else _taken(part, order)


def _between(times: Integers, start: int, stop: int) -> Integers | None:
    """Return the places of the times in a window, in order of time; None: all, as they stand."""
    chosen = (times >= start) & (times < stop)
    order: Integers | None = None
    if not chosen.all():
        order = np.flatnonzero(chosen)
    ordered = times if order is None else times[order]
    if len(ordered) > 1 and bool((ordered[1:] < ordered[:-1]).any()):
        by_time = np.argsort(ordered, kind="stable")
        order = by_time if order is None else order[by_time]
    return order


def _taken(part: Part, order: Integers) -> Part:
    # Where every value is there, the n-th value is the n-th reading's.
    rank = np.cumsum(part.present) - 1
    values = part.values[rank[order][part.present[order] == 1]]
    arrays = {name: getattr(part, name)[order] for name in ARRAYS}
    return Part.given(part.kind, cast("Values", values), arrays)
