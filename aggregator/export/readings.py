"""The readings of a lot as a table: one row a reading, in chunks that fit any memory.

The rows are those that the record counts, signal by signal and each signal in order of time; a
reading that lies in several of the lot's intervals at once does not exist, since they are merged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from aggregator.model.binding.bind import Binding, take
from aggregator.model.master.equipment import SignalSpec
from aggregator.model.series import Integers, Series
from protocols.wire.reading import Kind, Status

CHUNK_ROWS: Final = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Readings of one signal that follow each other; every column has one entry a reading."""

    spec: SignalSpec
    series: Series

    def __len__(self) -> int:
        return len(self.series)

    @property
    def times(self) -> list[str]:
        """When they were read: UTC, nine digits, as in the record."""
        return moments(self.series.times)

    @property
    def values(self) -> list[object]:
        """What was read; None where there is no value."""
        values = self.series.values.tolist()
        if self.series.kind is Kind.BOOL:  # a series has 0 and 1
            values = [bool(value) for value in values]
        there = self.series.present.tolist()
        return [value if is_there else None for value, is_there in zip(values, there, strict=True)]

    @property
    def statuses(self) -> list[str]:
        """GOOD, UNCERTAIN or BAD."""
        return [_STATUSES[status] for status in self.series.statuses.tolist()]

    @property
    def epochs(self) -> list[str]:
        """The chain that carried each, in hexadecimal."""
        names = [epoch.hex() for epoch in self.series.epoch_ids]
        return [names[at] for at in self.series.epochs.tolist()]


def rows_of(readings: Mapping[SignalSpec, Binding], chunk_rows: int = CHUNK_ROWS) -> Iterator[Rows]:
    """Yield the readings bound to a lot, at most ``chunk_rows`` at a time."""
    for spec, binding in readings.items():
        for part in binding.slices:
            for first in range(part.first, part.stop, chunk_rows):
                stop = min(first + chunk_rows, part.stop)
                yield Rows(spec=spec, series=take(binding.series, np.arange(first, stop)))


def moments(times: Integers) -> list[str]:
    """Return nanoseconds since 1970 as text in UTC with nine digits."""
    texts: npt.NDArray[np.str_] = np.datetime_as_string(times.astype("datetime64[ns]"), unit="ns")
    return [f"{text}Z" for text in texts.tolist()]


_STATUSES: Final = {int(status): status.name for status in Status}
