"""The readings of one signal over a time window, as columns.

Every rule of the batch record reads series; none reads bundles. A series is in order of ``times``,
and each of its readings can be traced to its bundle: ``numbers`` and ``positions`` name it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from protocols.wire.header import GatewayId
from protocols.wire.reading import Kind, SignalName

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Statuses = npt.NDArray[np.int8]

UNBOUNDED: Final = 2**62
"""How far a time may be wrong that nothing bounds: a number that sums of times do not overflow."""


class SignalKey(NamedTuple):
    """A signal, named across gateways."""

    gateway: GatewayId
    signal: SignalName


class Content(Protocol):
    """What fills the memory of many series: made when it is asked for, and not kept for long.

    Whoever goes through signals asks for the values of one after the other.
    """

    @property
    def values(self) -> npt.NDArray[np.generic]:
        """The values."""

    @property
    def positions(self) -> Integers:
        """The reading numbers in their epoch."""


class Given(NamedTuple):
    """Content that is there already."""

    values: npt.NDArray[np.generic]
    positions: Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The readings of one signal; all arrays have one entry a reading, in order of ``times``.

    ``times`` is the source time where the source gave one that can be believed, else the gateway
    time, placed where that clock was not synchronised: the time that windows are cut on. How much
    earlier or later a placed time may have been, ``doubts`` say, 0 for the others.
    ``values`` is float64, int64, uint64 or object (text,
    bytes, TagRead); where ``present`` is false there is no value and the entry means nothing.
    """

    key: SignalKey
    kind: Kind
    times: Integers  # nanoseconds
    gateway_times: Integers  # nanoseconds
    present: npt.NDArray[np.bool_]
    statuses: npt.NDArray[np.int8]  # of protocols.wire.reading.Status
    codes: Integers
    epochs: npt.NDArray[np.int16]  # index into ``epoch_ids``
    epoch_ids: tuple[bytes, ...]
    numbers: Integers  # bundle number in its epoch
    content: Content  # ``values``, and ``positions``: reading number in its epoch
    doubts: Integers | None = None  # of what was placed, two rows: how much earlier, how much later

    @property
    def values(self) -> npt.NDArray[np.generic]:
        """One entry a reading, of the type that is said above."""
        return self.content.values

    @property
    def positions(self) -> Integers:
        """The number of each reading in its epoch."""
        return self.content.positions

    def __len__(self) -> int:
        return len(self.times)
