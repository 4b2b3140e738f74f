"""Series from parts: one signal over a window, whatever epochs its readings come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aggregator.errors import ConflictError
from aggregator.model.once import Once
from aggregator.model.series import Given, Integers, Series, SignalKey
from aggregator.store.segments.codec import Part
from aggregator.store.segments.values import Values
from protocols.wire.reading import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochPart:
    """Readings of one signal from one epoch."""

    epoch: bytes
    part: Part


class Joiner:
    """Joins arrays end to end; what is joined of the same arrays again is the same array.

    Signals that are read together have most of their arrays in common, so that a window of two
    hundred of them is little more than their values. Of these it remembers those made last.
    """

    def __init__(self) -> None:
        self.once = Once()
        self._joined: dict[tuple[object, ...], tuple[object, npt.NDArray[Any]]] = {}
        self._newest: tuple[object, Values] | None = None

    def join(
        self, arrays: Sequence[npt.NDArray[Any]], dtype: type[np.generic] | None = None
    ) -> npt.NDArray[Any]:
        """Return all of ``arrays`` as one, of their own type or another."""
        key = (dtype, *map(id, arrays))
        known = self._joined.get(key)
        if known is None:
            whole = _end_to_end(arrays)
            # The arrays are kept with it: as long as they live, no other has their ids.
            known = self._joined[key] = (
                arrays,
                whole.astype(dtype, copy=False) if dtype else whole,
            )
        return known[1]

    def runs(self, lengths: Sequence[tuple[int, int]]) -> npt.NDArray[np.int16]:
        """Return each number of (number, length) repeated so often."""
        key = ("runs", *lengths)
        known = self._joined.get(key)
        if known is None:
            numbers, counts = zip(*lengths, strict=True)
            known = self._joined[key] = (None, np.repeat(np.array(numbers, np.int16), counts))
        return known[1]

    def values(self, parts: Sequence[Part], kind: Kind) -> Values:
        """Return one value of a kind for each reading of ``parts``."""
        newest = self._newest
        if newest is None or newest[0] is not parts:
            # The memory of those before is given back first: a second piece would be a fresh one.
            self._newest = newest = None
            newest = self._newest = (parts, _end_to_end([_spread(part, kind) for part in parts]))
        return newest[1]


def series_of(key: SignalKey, several: Sequence[EpochPart], joiner: Joiner | None = None) -> Series:
    """Return the series of parts that are each in order of time.

    Readings of one time stand in the order of their epochs and numbers, so that the series does
    not tell how its parts were cut. A ``joiner`` that is used for several signals saves memory.
    """
    joiner = joiner or Joiner()
    join = joiner.join
    several = _in_order(several, joiner)
    kind = _common_kind(key, {each.part.kind for each in several})
    epoch_ids = tuple(dict.fromkeys(each.epoch for each in several))
    parts = [each.part for each in several]
    epochs = [(epoch_ids.index(each.epoch), len(each.part)) for each in several]
    whole = Series(
        key=key,
        kind=kind,
        times=join([part.times for part in parts]),
        gateway_times=join([part.gateway_times for part in parts]),
        present=join([part.present for part in parts], np.bool_),
        statuses=join([part.statuses for part in parts], np.int8),
        codes=join([part.codes for part in parts]),
        epochs=joiner.runs(epochs),
        epoch_ids=epoch_ids,
        numbers=join([part.numbers for part in parts]),
        content=_Joined(parts, kind, joiner),
    )
    if len(whole) > 1 and bool((whole.times[1:] < whole.times[:-1]).any()):
        return chosen(whole, np.argsort(whole.times, kind="stable"))
    return whole


def _in_order(several: Sequence[EpochPart], joiner: Joiner) -> list[EpochPart]:
    """Return parts in the order of their epochs and of their readings' numbers in these."""
    places = [(each.epoch, joiner.once.of(_least, each.part.numbers)) for each in several]
    if len(set(places)) < len(places):  # of one bundle: it has readings of more than one kind
        places = [(each.epoch, int(each.part.positions.min())) for each in several]
    return [several[at] for at in sorted(range(len(places)), key=places.__getitem__)]


def _least(numbers: Integers) -> int:
    return int(numbers.min())


@dataclass(frozen=True, slots=True, eq=False)
class _Joined:
    """The content of several parts, end to end."""

    parts: Sequence[Part]
    kind: Kind
    joiner: Joiner

    @property
    def values(self) -> Values:
        return self.joiner.values(self.parts, self.kind)

    @property
    def positions(self) -> Integers:
        return _end_to_end([part.positions for part in self.parts])


def _end_to_end(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _common_kind(key: SignalKey, kinds: set[Kind]) -> Kind:
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds <= _NUMERIC:
        return Kind.FLOAT64
    raise ConflictError(
        f"{key.signal} of {key.gateway} changed its kind within the window",
        hint="ask for the time before the change and the time after it, one by one",
    )


def _spread(part: Part, kind: Kind) -> Values:
    """Return one value a reading; where none is there, one that means nothing."""
    values = part.values
    if kind is not part.kind:
        values = values.astype(np.float64)
    if len(values) == len(part):
        return values
    spread = np.zeros(len(part), values.dtype)
    spread[part.present == 1] = values
    return spread


def chosen(series: Series, order: npt.NDArray[np.intp]) -> Series:
    """Return the readings at these places of a series, in this order."""
    arrays = {name: getattr(series, name)[order] for name in _ARRAYS}
    doubts = None if series.doubts is None else series.doubts[:, order]
    content = Given(series.values[order], series.positions[order])
    return replace(series, doubts=doubts, content=content, **arrays)


def empty_series(key: SignalKey, kind: Kind) -> Series:
    """Return the series of a signal that was silent."""
    nothing = np.empty(0, np.int64)
    dtype = {Kind.FLOAT32: np.float64, Kind.FLOAT64: np.float64, Kind.UINT: np.uint64}.get(
        kind, np.int64 if kind in _NUMERIC else np.object_
    )
    return Series(
        key=key,
        kind=kind,
        times=nothing,
        gateway_times=nothing,
        present=np.empty(0, np.bool_),
        statuses=np.empty(0, np.int8),
        codes=nothing,
        epochs=np.empty(0, np.int16),
        epoch_ids=(),
        numbers=nothing,
        content=Given(np.empty(0, dtype), nothing),
    )


_NUMERIC: Final = frozenset({Kind.BOOL, Kind.INT, Kind.UINT, Kind.FLOAT32, Kind.FLOAT64})
_ARRAYS: Final = (
    "times",
    "gateway_times",
    "present",
    "statuses",
    "codes",
    "epochs",
    "numbers",
)
