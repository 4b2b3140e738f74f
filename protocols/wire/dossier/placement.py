"""When the readings of an unsynchronised gateway were: placed by the time anchors around them.

A header has the boot and the monotonic time beside the wall time. A bundle of the same boot whose
clock was synchronised is a sealed *time anchor*: its wall time less its monotonic time is what that
of another bundle should have been (record rule 11). Where the boot has none, the order of the chain
still bounds the time: it is not before what was sealed before, nor behind what was sealed behind.
A pure function of sealed headers, so whoever holds them places the readings alike
(docs/specs/record.md, "Clock").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from protocols.wire.header import Clock, ClockState, Header
from protocols.wire.reading import Gap, Nanoseconds

DRIFT_PPM: Final = 100
"""How fast an oscillator may run wrong between a bundle and its anchor: parts in a million."""

JITTER: Final = 1_000_000
"""Wall and monotonic time are read one after the other: a millisecond may lie between."""

UNPLACED_RULES: Final = frozenset({"window/1", "window/2"})
"""Rules of binding under which gateway times stood as they were sealed, whatever the clock."""


class Stamp(NamedTuple):
    """What a header says of the clock."""

    number: int
    boot: bytes
    first_time: Nanoseconds
    last_time: Nanoseconds
    sealed_time: Nanoseconds
    sealed_monotonic: Nanoseconds
    clock: Clock

    @classmethod
    def of(cls, header: Header) -> Stamp:
        """Return the stamp of a header."""
        return cls(
            header.number,
            header.boot,
            header.first_time,
            header.last_time,
            header.sealed_time,
            header.sealed_monotonic,
            header.clock,
        )

    @property
    def exact(self) -> bool:
        """Tell whether the clock was synchronised."""
        return self.clock.state is ClockState.SYNCHRONISED

    @property
    def began(self) -> Nanoseconds:
        """The wall time at which the boot began, by this bundle."""
        return self.sealed_time - self.sealed_monotonic


class Placement(NamedTuple):
    """When the gateway times of one bundle were, and how far that may be wrong."""

    stamp: Stamp
    anchor: int | None  # number of the bundle that places it; None: the boot has none
    shift: Nanoseconds  # to be added to its gateway times
    earliest: Nanoseconds  # no reading of it is before
    latest: Nanoseconds | None  # none is behind; None: nothing says so yet
    uncertainty: Nanoseconds | None  # of a placed time; None: nothing bounds it yet

    def time(self, gateway_time: Nanoseconds) -> Nanoseconds:
        """Return the placed time of a gateway time."""
        placed = gateway_time + self.shift
        if self.latest is not None:
            placed = min(placed, self.latest)
        return max(placed, self.earliest)

    def gap(self, gap: Gap) -> Gap:
        """Return a declared gap, placed; what was stamped before the bundle's boot stands."""
        start, end = (
            time if time < self.stamp.began else self.time(time) for time in (gap.start, gap.end)
        )
        return replace(gap, start=min(start, end), end=max(start, end))


def placements(stamps: Iterable[Stamp]) -> Mapping[int, Placement]:
    """Return how the bundles of one chain are placed whose clock was not synchronised, by number.

    ``stamps`` are in order of numbers, and may leave bundles out: of each such bundle the nearest
    synchronised one before it and the nearest behind it decide.
    """
    found: dict[int, Placement] = {}
    waiting: list[Stamp] = []
    before: Stamp | None = None
    for stamp in stamps:
        if not stamp.exact:
            waiting.append(stamp)
            continue
        found |= {each.number: place(each, before, stamp) for each in waiting}
        before, waiting = stamp, []
    return found | {each.number: place(each, before, None) for each in waiting}


def place(stamp: Stamp, before: Stamp | None, behind: Stamp | None) -> Placement:
    """Place a bundle by the synchronised ones nearest to it; by the later where both are as good.

    Without an anchor its times stand, but for what its neighbours and the clock's floor rule out.
    """
    within = max(stamp.sealed_time - stamp.first_time, 0)
    anchors = [
        (anchor.clock.uncertainty + drift(passed) + JITTER, anchor)
        for anchor, passed in (
            (behind, 0 if behind is None else _passed(stamp, behind) + within),
            (before, 0 if before is None else _passed(before, stamp)),
        )
        if anchor is not None and anchor.boot == stamp.boot
    ]
    if anchors:
        uncertainty, anchor = min(anchors, key=lambda each: each[0])
        shift = anchor.began - stamp.began
        return Placement(stamp, anchor.number, shift, 0, None, uncertainty)
    earliest = max(stamp.clock.floor, 0 if before is None else before.sealed_time)
    if behind is None:
        return Placement(stamp, None, 0, earliest, None, None)
    latest = max(behind.first_time, earliest)
    low = min(max(stamp.first_time, earliest), latest)
    high = min(max(stamp.sealed_time, earliest), latest)
    uncertainty = max(high - earliest, latest - low) + JITTER
    return Placement(stamp, None, 0, earliest, latest, uncertainty)


def drift(passed: Nanoseconds) -> Nanoseconds:
    """Return how far an oscillator may have run wrong over some time."""
    return passed * DRIFT_PPM // 1_000_000


def _passed(earlier: Stamp, later: Stamp) -> Nanoseconds:
    return max(later.sealed_monotonic - earlier.sealed_monotonic, 0)
