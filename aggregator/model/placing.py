"""Readings placed in time: what was stamped by a gateway whose clock was not synchronised.

The evidence says when the gateway believed that a reading came; time anchors say when it did
(``protocols.wire.dossier.placement``). Every window is cut on the placed time; the gateway's own
stands beside it as it was sealed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from aggregator.model.series import UNBOUNDED, Integers, Series
from protocols.wire.dossier.placement import JITTER, Placement

_EVER = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """How bundles of one epoch are placed, in order of their numbers: one entry a bundle."""

    numbers: Integers
    shifts: Integers
    earliest: Integers
    latest: Integers
    uncertainties: Integers  # of those that an anchor places; -1 for the others

    @classmethod
    def of(cls, placements: Sequence[Placement]) -> Moves:
        """Return the moves that placements are."""

        def each(values: list[int]) -> Integers:
            return np.array(values, np.int64)

        return cls(
            numbers=each([placed.stamp.number for placed in placements]),
            shifts=each([placed.shift for placed in placements]),
            earliest=each([placed.earliest for placed in placements]),
            latest=each([_EVER if p.latest is None else p.latest for p in placements]),
            uncertainties=each(
                [-1 if p.anchor is None else p.uncertainty or 0 for p in placements]
            ),
        )

    def times(self, times: Integers, gateway_times: Integers, numbers: Integers) -> Integers:
        """Return the times of readings, placed where it is the gateway's that tells them."""
        at, own = self._at(numbers)
        own &= times == gateway_times
        return np.where(own, self._placed(gateway_times, at), times) if own.any() else times

    def doubts(self, times: Integers, gateway_times: Integers, numbers: Integers) -> Integers:
        """Return how much earlier each of these placed times may have been, and how much later.

        Two rows; 0 where it was not placed.
        """
        at, own = self._at(numbers)
        placed = self._placed(gateway_times, at)
        own &= times == placed
        known, latest = self.uncertainties[at], self.latest[at]
        earlier = np.where(known >= 0, known, placed - self.earliest[at] + JITTER)
        behind = np.where(
            latest == _EVER, UNBOUNDED, np.minimum(latest, UNBOUNDED) - placed + JITTER
        )
        doubts: Integers = np.where(own, [earlier, np.where(known >= 0, known, behind)], 0)
        return doubts

    def _at(self, numbers: Integers) -> tuple[Integers, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        at = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        return at, self.numbers[at] == numbers

    def _placed(self, gateway_times: Integers, at: Integers) -> Integers:
        shifted = np.minimum(gateway_times + self.shifts[at], self.latest[at])
        placed: Integers = np.maximum(shifted, self.earliest[at])
        return placed


def doubted(series: Series, moves: Mapping[bytes, Moves]) -> Series:
    """Return a placed series with how far its times may be wrong, given the moves by epoch."""
    doubts = np.zeros((2, len(series)), np.int64)
    for index, epoch in enumerate(series.epoch_ids):
        if epoch in moves:
            own = series.epochs == index
            doubts[:, own] = moves[epoch].doubts(
                series.times[own], series.gateway_times[own], series.numbers[own]
            )
    return replace(series, doubts=doubts) if doubts.any() else series
