"""The readings that a record rests on, in the form in which a dossier carries them.

A series repeats a parameter's readings bundle by bundle, exactly as the gateway sealed them
(docs/specs/dossier.md, "Series"): the record names it by its hash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from aggregator.model.once import Once
from aggregator.model.series import Integers, Series
from aggregator.store.columns import Taken
from protocols.wire.dossier import series as wire
from protocols.wire.dossier.placement import Placement
from protocols.wire.dossier.series import Interval, cut
from protocols.wire.header import Epoch, GatewayId
from protocols.wire.reading import SignalName


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the stored bundles of one chain hold of one signal."""

    gateway: GatewayId
    epoch: Epoch
    numbers: Integers  # of the bundles, rising; one that is missing counts as one without readings
    taken: Taken  # one entry a bundle
    inside: Integers  # readings within the series' intervals, one entry a bundle
    placements: Mapping[int, Placement] = field(default_factory=dict)  # by bundle number


def inside(
    series: Series,
    epoch: bytes,
    intervals: Sequence[Interval],
    numbers: Integers,
    once: Once | None = None,
) -> Integers:
    """Count the readings of a series that lie in ``intervals``, for each bundle of an epoch.

    ``series`` is in order of its times, ``numbers`` rises, and no two intervals overlap.
    """
    if epoch not in series.epoch_ids or not len(numbers):
        return np.zeros(len(numbers), np.int64)
    own = series.epoch_ids.index(epoch)
    rows = (once or Once()).of(_rows, series.times, tuple(intervals))
    return (once or Once()).of(_inside, series.numbers, series.epochs, own, rows, numbers)


def _rows(times: Integers, intervals: tuple[Interval, ...]) -> tuple[tuple[int, int], ...]:
    return tuple((int(a), int(b)) for a, b in (np.searchsorted(times, each) for each in intervals))


def _inside(
    of: Integers,
    epochs: npt.NDArray[np.int16],
    own: int,
    rows: tuple[tuple[int, int], ...],
    numbers: Integers,
) -> Integers:
    counts = np.zeros(len(numbers), np.int64)
    for first, stop in rows:
        found = of[first:stop][epochs[first:stop] == own]
        at = np.searchsorted(numbers, found)
        held = at < len(numbers)
        held[held] = numbers[at[held]] == found[held]
        counts += np.bincount(at[held], minlength=len(numbers))
    return counts


def series_of(
    signal: SignalName, intervals: Sequence[Interval], sources: Sequence[Source]
) -> bytes:
    """Return the series of a signal over its intervals, encoded.

    A column all of whose readings are within is copied; one that an interval cuts is made anew.
    """
    parts = [_part(source, intervals) for source in sources]
    return wire.encode_packed(signal, [part for part in parts if any(part.counts)])


def _part(source: Source, intervals: Sequence[Interval]) -> wire.PackedPart:
    counts, data = source.taken.counts.copy(), source.taken.data
    stops = np.cumsum(source.taken.sizes)
    pieces: list[bytes] = []
    copied = 0
    for at in np.flatnonzero(source.inside != source.taken.readings).tolist():
        stop = int(stops[at])
        start = stop - int(source.taken.sizes[at])
        pieces.append(data[copied:start])
        kept: list[bytes] = []
        if source.inside[at]:
            placement = source.placements.get(int(source.numbers[at]))
            columns = (
                cut(column, intervals, placement) for column in wire.unpacked(data[start:stop])
            )
            kept = [column for column in columns if column is not None]
        pieces.append(wire.packed(kept))
        counts[at] = len(kept)
        copied = stop
    pieces.append(data[copied:])
    held = np.flatnonzero(counts)
    numbers = source.numbers[held]
    first = int(numbers[0]) if len(held) else 0
    spread = np.zeros(int(numbers[-1]) - first + 1 if len(held) else 0, np.int64)
    spread[numbers - first] = counts[held]
    return wire.PackedPart(
        gateway=source.gateway,
        epoch=source.epoch,
        first=first,
        counts=tuple(spread.tolist()),
        columns=b"".join(pieces),
    )
