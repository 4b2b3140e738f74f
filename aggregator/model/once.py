"""What is reckoned of the same arrays again is not reckoned again.

Signals that are read together have their times, statuses and bundles in common, as one array each
(``aggregator.store.segments.assemble.Joiner``); most of what a record says of time is said of all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar, TypeVarTuple

import numpy as np

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Once:
    """Remembers what pure functions made of arrays; for one thread, and one record."""

    def __init__(self) -> None:
        self._known: dict[tuple[Hashable, ...], tuple[object, object]] = {}

    def of(self, work: Callable[[*Ts], T], *given: *Ts) -> T:
        """Return ``work(*given)``: arrays are the same if they are one, all else if it is equal."""
        key = (work, *map(_name, given))
        known = self._known.get(key)
        if known is None:
            # What was given is kept with it: as long as an array lives, no other has its id.
            known = self._known[key] = (given, work(*given))
        return known[1]  # type: ignore[return-value]  # it is what this work returned


def _name(given: object) -> Hashable:
    return id(given) if isinstance(given, np.ndarray) else given
