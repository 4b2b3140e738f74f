"""What the stored chains prove of a window of time, and the evidence itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from aggregator.model.clock_doubt import clock_steps
from aggregator.model.completeness import ChainSpan, SettingsChange
from aggregator.store.base import Row, Transaction
from aggregator.store.chains.clocks import (
    BUNDLE_SPAN_MAX,
    doubted,
    neighbours,
    placed_between,
    stamps_at,
    touching,
)
from protocols.wire.bundle import split_bundle
from protocols.wire.dossier.placement import Placement
from protocols.wire.header import ClockState, Epoch, GatewayId, decode_header
from protocols.wire.reading import Gap, Nanoseconds
from protocols.wire.receipt import EpochState
from protocols.wire.seal import peek


class StoredBundle(NamedTuple):
    """A bundle exactly as it came, and where it stands."""

    number: int
    leaf: bytes
    previous: bytes
    kid: bytes
    position: int  # of its leaf in the log
    record_time: Nanoseconds
    wrong: bool  # its columns are not what its header says
    data: bytes


async def chains(
    tx: Transaction, gateway: GatewayId, start: Nanoseconds, end: Nanoseconds
) -> list[ChainSpan]:
    """Return what is stored of each of a gateway's chains around ``[start, end)``, gateway time.

    Gateway time is placed by time anchors where its clock was in doubt.

    A chain that ended before the window, or began after it, is left out; but where one ended
    within it, the opening of the next is there: it names the end, so nothing was cut off.
    """
    spans: list[ChainSpan] = []
    ended = False
    placed = {each.epoch: each.placements for each in await doubted(tx, gateway, start, end)}
    for epoch in await tx.fetch("epochs.of_gateway", gateway=gateway):
        run = await _run(tx, epoch["epoch_id"], start, end, placed.get(epoch["epoch"], ()))
        if run is None and ended and await _is_open(tx, epoch):
            run = _OPENING
        if run is not None:
            spans.append(await _span(tx, epoch, *run))
        ended = run is not None and spans[-1].after is None
    return spans


async def clock_told(tx: Transaction, span: ChainSpan) -> ChainSpan:
    """Return a span with where its clock was set back, judged at every bundle of it."""
    epoch = await tx.fetch_one("epochs.by_key", gateway=span.gateway, epoch=span.epoch)
    if epoch is None:
        return span
    run = {"epoch_id": epoch["epoch_id"], "first": span.first, "last": span.last}
    pairs = [
        await stamps_at(tx, epoch["epoch_id"], row["before"], row["number"])
        for row in await tx.fetch("clocks.steps", **run)
    ]
    return replace(span, steps=tuple(step for pair in pairs for step in clock_steps(pair)))


async def anchors(tx: Transaction, span: ChainSpan) -> tuple[StoredBundle, ...]:
    """Return the synchronised bundles that place the outermost ones of a span, and lie outside.

    At most one before it and one behind it: within it, those between decide.
    """
    epoch = await tx.fetch_one("epochs.by_key", gateway=span.gateway, epoch=span.epoch)
    outermost = {each.stamp.number for each in span.placements}
    found: list[StoredBundle] = []
    if epoch is None or not outermost:
        return ()
    first = span.first if span.before is None else span.before
    last = span.last if span.after is None else span.after
    for number, side in ((first, 0), (last, 1)):
        anchor = (await neighbours(tx, epoch["epoch_id"], number))[side]
        if number in outermost and anchor is not None:
            at = anchor.number
            found += [each async for each in bundles(tx, span.gateway, span.epoch, at, at + 1)]
    return tuple(found)


async def bundles(
    tx: Transaction, gateway: GatewayId, epoch: bytes, first: int, stop: int
) -> AsyncIterator[StoredBundle]:
    """Yield the bundles ``first <= number < stop`` of an epoch, in order of their numbers."""
    row = await tx.fetch_one("epochs.by_key", gateway=gateway, epoch=epoch)
    while row is not None and first < stop:
        page = await tx.fetch(
            "bundles.range", epoch_id=row["epoch_id"], first=first, stop=stop, count=_PAGE
        )
        for each in page:
            yield StoredBundle(
                each["number"],
                each["leaf"],
                each["previous"],
                each["kid"],
                each["position"],
                each["record_time"],
                bool(each["wrong"]),
                each["bytes"],
            )
        if len(page) < _PAGE:
            return
        first = page[-1]["number"] + 1


async def quarantined(tx: Transaction, count: int) -> list[Row]:
    """Return what was refused last, without the messages themselves (``quarantine.newest``)."""
    return await tx.fetch("quarantine.newest", count=count)


_PAGE: Final = 500
_OPENING: Final = (0, 0)


async def _is_open(tx: Transaction, epoch: Row) -> bool:
    """Tell whether a trusted epoch's opening is stored."""
    if epoch["state"] != EpochState.TRUSTED:
        return False
    opening = await tx.fetch_one("bundles.one", epoch_id=epoch["epoch_id"], number=0)
    return opening is not None


async def _run(
    tx: Transaction,
    epoch_id: int,
    start: Nanoseconds,
    end: Nanoseconds,
    placed: Sequence[Placement],
) -> tuple[int, int] | None:
    """Return the first and last bundle that say something of the window, None where none does.

    A bundle speaks of its readings, and of the time from the seal before it to its own.
    """
    found = await tx.fetch_one(
        "bundles.touching",
        epoch_id=epoch_id,
        start=start,
        stop=end,
        stop_longest=end + BUNDLE_SPAN_MAX,
    )
    sealed = await tx.fetch_one("bundles.sealed_between", epoch_id=epoch_id, start=start, stop=end)
    near = [each.stamp.number for each in touching(placed, start, end)]
    times = {each.stamp.number: each.time(each.stamp.sealed_time) for each in placed}
    touched = [*_numbers(found, "first", "last"), *near]
    firsts = [*_numbers(sealed, "first"), *(n for n, time in times.items() if time >= start)]
    lasts = [*_numbers(sealed, "last"), *(n for n, time in times.items() if time < end)]
    numbers = [*touched, *(firsts and [min(firsts)])]
    if not numbers:
        return None  # the chain ended before the window
    first, last = min(numbers), max([*numbers, *lasts])
    if not touched and first == 0:
        opening = await tx.fetch_one("bundles.one", epoch_id=epoch_id, number=0)
        if opening is None or (times[0] if 0 in times else opening["sealed_time"]) >= end:
            return None  # the chain began after the window
    return first, last


def _numbers(row: Row | None, *names: str) -> list[int]:
    return [row[name] for name in names if row is not None and row[name] is not None]


async def _span(tx: Transaction, epoch: Row, first: int, last: int) -> ChainSpan:
    epoch_id = epoch["epoch_id"]
    around = await tx.fetch_one("bundles.neighbours", epoch_id=epoch_id, first=first, last=last)
    before = None if around is None else around["before"]
    after = None if around is None else around["after"]
    opening = first if before is None else before
    closing = last if after is None else after
    summary = await tx.fetch_one("bundles.summary", epoch_id=epoch_id, first=first, stop=last + 1)
    ends = {}
    for number in {first, last, opening}:
        ends[number] = await tx.fetch_one("bundles.one", epoch_id=epoch_id, number=number)
    one, other, start = ends[first], ends[last], ends[opening]
    if summary is None or one is None or other is None or start is None:
        raise LookupError(epoch_id)
    placements = await placed_between(tx, epoch_id, opening, closing)
    placed = {each.stamp.number: each for each in placements}
    began = start["first_time"] if before is None else start["sealed_time"]
    if opening in placed:
        began = placed[opening].time(began) + (placed[opening].uncertainty or 0)
    return ChainSpan(
        gateway=epoch["gateway"],
        epoch=Epoch(epoch["epoch"]),
        approved=epoch["state"] == EpochState.TRUSTED,
        first=first,
        last=last,
        before=before,
        after=after,
        first_leaf=one["leaf"],
        last_leaf=other["leaf"],
        missing=await _missing(tx, epoch_id, opening, closing),
        forked=epoch["state"] == EpochState.CLOSED,
        head=epoch["head"],
        sealed_from=began,
        sealed_through=await _sealed_through(tx, epoch),
        uncertainty=summary["uncertainty"],
        clock=ClockState(summary["clock"]),
        settings=await _settings(tx, epoch_id, first, last, placed),
        gaps=await _gaps(tx, epoch_id, first, closing, placed),
        readings=summary["readings"],
        bundles=summary["bundles"],
        placements=placements,
    )


async def _missing(tx: Transaction, epoch_id: int, first: int, last: int) -> tuple[range, ...]:
    holes = await tx.fetch("bundles.holes", epoch_id=epoch_id, first=first, stop=last + 1)
    return tuple(range(hole["before"] + 1, hole["number"]) for hole in holes)


async def _settings(
    tx: Transaction, epoch_id: int, first: int, last: int, placed: Mapping[int, Placement]
) -> tuple[SettingsChange, ...]:
    rows = await tx.fetch("bundles.settings_changes", epoch_id=epoch_id, first=first, stop=last + 1)
    return tuple(
        SettingsChange(_time(placed, row["number"], row["sealed_time"]), row["settings_hash"])
        for row in rows
    )


async def _gaps(
    tx: Transaction, epoch_id: int, first: int, last: int, placed: Mapping[int, Placement]
) -> tuple[Gap, ...]:
    """Return the gaps that bundles declare; one after the window may declare one within it."""
    rows = await tx.fetch("bundles.with_gaps", epoch_id=epoch_id, first=first, stop=last + 1)
    found: list[Gap] = []
    for row in rows:
        gaps = decode_header(peek(split_bundle(row["bytes"]).sealed_header).payload).gaps
        placement = placed.get(row["number"])
        found += gaps if placement is None else (placement.gap(gap) for gap in gaps)
    return tuple(found)


async def _sealed_through(tx: Transaction, epoch: Row) -> Nanoseconds:
    """Return the time up to which a chain is certainly sealed: that of its contiguous head."""
    through: Nanoseconds = epoch["sealed_through"]
    for placed in await placed_between(tx, epoch["epoch_id"], epoch["head"], epoch["head"]):
        through = placed.time(through) - (placed.uncertainty or 0)
    return through


def _time(placed: Mapping[int, Placement], number: int, time: Nanoseconds) -> Nanoseconds:
    return placed[number].time(time) if number in placed else time
