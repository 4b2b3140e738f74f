"""From bundles to the parts of a segment: each reading with its time, status and place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Final, NamedTuple, cast

import numpy as np

from aggregator.model.series import Integers
from aggregator.store.segments.codec import ARRAYS, Part, Values
from protocols.wire.bundle import check_columns, open_body, split_bundle
from protocols.wire.column import Column
from protocols.wire.errors import WireError
from protocols.wire.header import decode_header
from protocols.wire.reading import Doubt, Kind, SignalName
from protocols.wire.seal import peek


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
    found: dict[PartKey, list[Part]] = {}
    wrong = []
    for number, data in bundles:
        try:
            columns = _columns(number, data)
        except WireError as error:
            wrong.append(WrongBundle(number, error.reason, str(error)))
            continue
        for key, part in columns:
            found.setdefault(key, []).append(part)
    return Opened(parts={key: join(parts) for key, parts in found.items()}, wrong=wrong)


def join(parts: Sequence[Part]) -> Part:
    """Return one part of several, in their order."""
    if len(parts) == 1:
        return parts[0]
    arrays = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Part)
        if field.name != "kind"
    }
    return Part(kind=parts[0].kind, **arrays)


def leaves_digest(leaves: Iterable[bytes]) -> bytes:
    """Return SHA-256 over the leaf hashes of the bundles that a segment covers, in order."""
    digest = hashlib.sha256()
    for leaf in leaves:
        digest.update(leaf)
    return digest.digest()


def _columns(number: int, data: bytes) -> list[tuple[PartKey, Part]]:
    bundle = split_bundle(data)
    header = decode_header(peek(bundle.sealed_header).payload)
    position = header.first_reading
    found = []
    for column in check_columns(header, open_body(header, bundle.body)):
        key = PartKey(column.signal, column.kind)
        found.append((key, _part(column, number, position)))
        position += len(column)
    return found


def _part(column: Column, number: int, position: int) -> Part:
    count = len(column)
    statuses, codes = np.zeros(count, np.int64), np.zeros(count, np.int64)
    at = 0
    for run in column.statuses:
        statuses[at : at + run.length] = int(run.status)
        codes[at : at + run.length] = run.code
        at += run.length
    gateway_times = np.array(column.gateway_times, np.int64)
    times = gateway_times
    if column.source_times is not None:
        times = np.array(column.source_times, np.int64)
        doubted = codes == _IMPOSSIBLE
        if doubted.any():  # a time that cannot be places nothing; the gateway's does
            times = np.where(doubted, gateway_times, times)
    present = np.ones(count, np.int64)
    if column.absent:
        present[list(column.absent)] = 0
    return Part(
        kind=column.kind,
        times=times,
        gateway_times=gateway_times,
        numbers=np.full(count, number, np.int64),
        positions=np.arange(position, position + count, dtype=np.int64),
        statuses=statuses,
        codes=codes,
        present=present,
        values=_values(column),
    )


_IMPOSSIBLE: Final = int(Doubt.IMPOSSIBLE_TIME)


def _values(column: Column) -> Values:
    if column.kind in (Kind.FLOAT32, Kind.FLOAT64):
        return np.array(column.values, np.float64)
    if column.kind is Kind.UINT:
        return np.array(column.values, np.uint64)
    if column.kind in (Kind.BOOL, Kind.INT):
        return np.array(column.values, np.int64)
    values = np.empty(len(column.values), object)
    values[:] = [column.values[at] for at in range(len(column.values))]
    return values


def times_between(part: Part, start: int, stop: int) -> Part:
    """Return the readings with ``start <= time < stop``, in order of time."""
    chosen = (part.times >= start) & (part.times < stop)
    order: Integers | None = None
    if not chosen.all():
        order = np.flatnonzero(chosen)
    ordered = part.times if order is None else part.times[order]
    if len(ordered) > 1 and bool((ordered[1:] < ordered[:-1]).any()):
        by_time = np.argsort(ordered, kind="stable")
        order = by_time if order is None else order[by_time]
    return part if order is None else _taken(part, order)


def _taken(part: Part, order: Integers) -> Part:
    # Where every value is there, the n-th value is the n-th reading's.
    rank = np.cumsum(part.present) - 1
    values = part.values[rank[order][part.present[order] == 1]]
    arrays = {name: getattr(part, name)[order] for name in ARRAYS}
    return Part(kind=part.kind, values=cast("Values", values), **arrays)
