"""Where in time the bundles stand that were sealed while a gateway's clock was in doubt.

Of a gateway whose clock was always synchronised, one look at an index says so, and that is all it
costs. Else what decides is looked up by number and monotonic time, never by going through a history
(docs/specs/record.md, "Clock").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from aggregator.model.completeness import ChainSpan
from aggregator.model.gaps import merged
from aggregator.store.base import Row, Transaction
from protocols.wire.dossier.placement import Placement, Stamp, drift, place
from protocols.wire.dossier.series import Interval
from protocols.wire.header import Clock, ClockState, GatewayId
from protocols.wire.reading import SECOND, Nanoseconds

BUNDLE_SPAN_MAX: Final = 86_400 * SECOND
"""Longest time between a bundle's first and last reading that a look-up reckons with."""


class Doubted(NamedTuple):
    """An epoch with bundles in doubt, and how those near a window are placed."""

    epoch: bytes
    placements: tuple[Placement, ...]  # in order of numbers


async def doubted(
    tx: Transaction, gateway: GatewayId, start: Nanoseconds, end: Nanoseconds
) -> list[Doubted]:
    """Return how a gateway's bundles in doubt are placed, where it was in any.

    Those are there whose times were in ``[start, end)``, or were said to be by the clock itself.
    """
    epochs = await epochs_in_doubt(tx, gateway)
    return [
        Doubted(epoch, await _near(tx, epoch_id, start, end)) for epoch, epoch_id in epochs.items()
    ]


async def placed_between(
    tx: Transaction, epoch_id: int, first: int, last: int
) -> tuple[Placement, ...]:
    """Return how the bundles in doubt from ``first`` to ``last`` are placed."""
    rows = await tx.fetch("clocks.numbered", epoch_id=epoch_id, first=first, last=last)
    return await _placed(tx, epoch_id, {row["number"]: _stamp(row) for row in rows})


async def epochs_in_doubt(tx: Transaction, gateway: GatewayId) -> dict[bytes, int]:
    """Return the epochs of a gateway with bundles in doubt, each with its number in the store."""
    rows = await tx.fetch("clocks.doubted", gateway=gateway)
    return {bytes(row["epoch"]): row["epoch_id"] for row in rows}


async def neighbours(
    tx: Transaction, epoch_id: int, number: int
) -> tuple[Stamp | None, Stamp | None]:
    """Return the nearest synchronised bundles before and behind one."""
    before = await tx.fetch_one("clocks.before", epoch_id=epoch_id, number=number)
    behind = await tx.fetch_one("clocks.behind", epoch_id=epoch_id, number=number)
    return (
        None if before is None else _stamp(before),
        None if behind is None else _stamp(behind),
    )


async def stamps_at(tx: Transaction, epoch_id: int, *numbers: int) -> list[Stamp]:
    """Return what the bundles of these numbers say of the clock, in the order asked for."""
    rows = [await tx.fetch_one("clocks.one", epoch_id=epoch_id, number=each) for each in numbers]
    return [_stamp(row) for row in rows if row is not None]


async def settled(tx: Transaction, low: int, high: int) -> dict[GatewayId, list[Interval]]:
    """Return the times that bundles at some positions of the log tell more of, gateway by gateway.

    A bundle in doubt speaks of when it was and of when its clock said that it was. A synchronised
    one beside others in doubt is their anchor: it moves all of them, from where they were taken to
    be to where they are.
    """
    found: dict[GatewayId, list[Interval]] = {}
    state = await tx.fetch_one("clocks.any")
    if state is None or not state["any_in_doubt"]:
        return found
    for row in await tx.fetch("clocks.settled", low=low, high=high):
        epoch_id, number = row["epoch_id"], row["number"]
        before, behind = await neighbours(tx, epoch_id, number)
        times = found.setdefault(row["gateway"], [])
        if row["clock_state"] != ClockState.SYNCHRONISED:
            for each in await placed_between(tx, epoch_id, number, number):
                times += [reach(each), _recorded(each.stamp)]
            continue
        for anchor in await stamps_at(tx, epoch_id, number):
            times += await _stretch(tx, epoch_id, before, anchor)
            times += await _stretch(tx, epoch_id, anchor, behind)
    return {gateway: _joined(times) for gateway, times in found.items()}


def reach(placement: Placement) -> Interval:
    """Return when the readings of a bundle may have been, as far as anything bounds it.

    A clock that was set is taken at its word for where to look; one that never was, is not.
    """
    stamp = placement.stamp
    if placement.anchor is None and placement.latest is not None and _is_unset(stamp):
        return Interval(placement.earliest, placement.latest + 1)
    low, high = placement.time(stamp.first_time), placement.time(stamp.sealed_time)
    return Interval(min(low, high), max(low, high) + 1)


def reach_of(span: ChainSpan) -> Nanoseconds:
    """Return how far around a window readings are looked for that may be of it."""
    doubts = (each.uncertainty for each in span.placements if each.uncertainty is not None)
    return min(max(doubts, default=0), BUNDLE_SPAN_MAX)


def touching(
    placements: Iterable[Placement], start: Nanoseconds, end: Nanoseconds
) -> list[Placement]:
    """Return those whose readings may have been in ``[start, end)``."""
    return [each for each in placements if (times := reach(each)).start < end and start < times.end]


_NUMBERS_END: Final = 2**62
_BEHIND_ALL: Final = 2**62  # in the year 2116: what can be added to
_NEAR: Final = 600 * SECOND
_FLOOR_SLACK: Final = 60 * SECOND  # how far below its floor a gateway still believes its clock


async def _near(
    tx: Transaction, epoch_id: int, start: Nanoseconds, end: Nanoseconds
) -> tuple[Placement, ...]:
    """Return how the bundles in doubt of an epoch are placed, those around ``[start, end)``.

    The first one behind is among them: it says that there was nothing between.
    """
    end = min(end, _BEHIND_ALL)
    around = await tx.fetch_one("clocks.around", epoch_id=epoch_id, start=start, stop=end)
    first = -1 if around is None or around["before"] is None else around["before"]
    stop = _NUMBERS_END if around is None or around["behind"] is None else around["behind"]
    rows = await _recorded_near(tx, epoch_id, start, end)
    anchors = await tx.fetch("clocks.anchors", epoch_id=epoch_id, first=max(first, 0), last=stop)
    for anchor in anchors:
        boot = {"epoch_id": epoch_id, "boot": anchor["boot"]}
        low, high = start - anchor["high"], end - anchor["low"]
        longest = {"longest": high + BUNDLE_SPAN_MAX}
        rows += await tx.fetch("clocks.of_boot", **boot, low=low, high=high, **longest)
        rows += await tx.fetch("clocks.of_boot_behind", **boot, time=high)
    if anchors:  # what was sealed without any time lies anywhere between those that had one
        until = max(anchor["last"] for anchor in anchors)
        rows += await tx.fetch("clocks.unset", epoch_id=epoch_id, first=first, stop=until)
        rows += await _impossible_near(tx, epoch_id, first, stop)
    return await _placed(tx, epoch_id, {row["number"]: _stamp(row) for row in rows})


async def _impossible_near(tx: Transaction, epoch_id: int, first: int, stop: int) -> list[Row]:
    """Return the bundles in doubt whose own clock said what the order of the chain rules out.

    They count as at the synchronised bundle that rules it out: ``first``, ``stop``, or one between.
    """
    low = [each.sealed_time for each in await stamps_at(tx, epoch_id, first)]
    high = [each.first_time for each in await stamps_at(tx, epoch_id, stop)]
    earliest, latest = min(low, default=0), min(high, default=_BEHIND_ALL)
    _, second = await neighbours(tx, epoch_id, first)
    last, _ = await neighbours(tx, epoch_id, stop)
    if second is None or last is None or not first < second.number <= last.number < stop:
        runs = [(first, stop, earliest, latest)]
    else:
        runs = [
            (first, last.number, earliest, second.first_time),
            (second.number, stop, last.sealed_time, latest),
        ]
    return [
        row
        for begins, ends, before, behind in runs
        for row in await tx.fetch(
            "clocks.impossible",
            epoch_id=epoch_id,
            first=begins,
            stop=ends,
            low=before,
            high=behind,
        )
    ]


async def _recorded_near(
    tx: Transaction, epoch_id: int, start: Nanoseconds, end: Nanoseconds
) -> list[Row]:
    """Return the bundles in doubt whose own clock said that they were around ``[start, end)``."""
    times = {"low": start - _FLOOR_SLACK, "high": end, "longest": end + BUNDLE_SPAN_MAX}
    rows = await tx.fetch("clocks.recorded", epoch_id=epoch_id, **times)
    for state in (ClockState.UNSET, ClockState.FREE_RUNNING):
        behind = {"state": int(state), "time": end}
        rows += await tx.fetch("clocks.recorded_behind", epoch_id=epoch_id, **behind)
    return rows


async def _placed(
    tx: Transaction, epoch_id: int, stamps: dict[int, Stamp]
) -> tuple[Placement, ...]:
    """Place stamps by their nearest neighbours, which those of one stretch share."""
    found: list[Placement] = []
    before: Stamp | None = None
    behind: Stamp | None = None
    until = -1  # number up to which the neighbours hold
    for number in sorted(stamps):
        if number >= until:
            before, behind = await neighbours(tx, epoch_id, number)
            until = _NUMBERS_END if behind is None else behind.number
        found.append(place(stamps[number], before, behind))
    return tuple(found)


def _joined(times: Iterable[Interval]) -> list[Interval]:
    """Return times as few: those of bundles that follow each other are one."""
    padded = merged((start, end + _NEAR) for start, end in times)
    return [Interval(start, end - _NEAR) for start, end in padded]


async def _stretch(
    tx: Transaction, epoch_id: int, before: Stamp | None, behind: Stamp | None
) -> Sequence[Interval]:
    """Return when the bundles in doubt between two were, and when their clock said they were."""
    said = await tx.fetch_one(
        "clocks.extent",
        epoch_id=epoch_id,
        first=-1 if before is None else before.number,
        stop=_NUMBERS_END if behind is None else behind.number,
    )
    if said is None or said["low"] is None:
        return []
    low = (said["floor"] or 0) if before is None else before.sealed_time
    if behind is not None:
        high = behind.first_time
    else:
        passed = said["monotonic"] or 0
        high = said["high"] if before is None else before.began + passed + drift(passed)
    recorded = Interval(said["low"], said["high"] + 1)
    return [recorded, Interval(min(low, high), max(low, high) + 1)]


def _recorded(stamp: Stamp) -> Interval:
    return Interval(stamp.first_time, max(stamp.first_time, stamp.sealed_time) + 1)


def _is_unset(stamp: Stamp) -> bool:
    return stamp.clock.state is ClockState.UNSET


def _stamp(row: Row) -> Stamp:
    """Return what a row says; one from before clocks were kept has no boot of its own."""
    return Stamp(
        row["number"],
        bytes(row["boot"] or b""),
        row["first_time"],
        row["last_time"],
        row["sealed_time"],
        row["sealed_monotonic"] or 0,
        Clock(
            state=ClockState(row["clock_state"]),
            uncertainty=row["clock_uncertainty"],
            floor=row["clock_floor"] or 0,
        ),
    )
