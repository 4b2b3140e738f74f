"""What the stored chains prove of a window of time, and the evidence itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import groupby
from typing import Final, NamedTuple

from aggregator.model.clock_doubt import clock_doubts, clock_steps
from aggregator.model.completeness import ChainSpan, SettingsChange
from aggregator.store.base import Row, Transaction
from protocols.wire.bundle import split_bundle
from protocols.wire.header import ClockState, Epoch, GatewayId, Header, decode_header
from protocols.wire.reading import SECOND, Gap, Nanoseconds
from protocols.wire.receipt import EpochState
from protocols.wire.seal import peek

BUNDLE_SPAN_MAX: Final = 86_400 * SECOND
"""Longest time between a bundle's first and last reading that a look-up reckons with."""


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

    A chain that ended before the window, or began after it, is left out; but where one ended
    within it, the opening of the next is there: it names the end, so nothing was cut off.
    """
    spans: list[ChainSpan] = []
    ended = False
    for epoch in await tx.fetch("epochs.of_gateway", gateway=gateway):
        run = await _run(tx, epoch["epoch_id"], start, end)
        if run is None and ended and await _is_open(tx, epoch):
            run = _OPENING
        if run is not None:
            spans.append(await _span(tx, epoch, *run))
        ended = run is not None and spans[-1].after is None
    return spans


async def clock_told(tx: Transaction, span: ChainSpan) -> ChainSpan:
    """Return a span with what its headers tell of the clock where that was in doubt."""
    headers = await _doubtful(tx, span)
    return replace(
        span,
        doubts=clock_doubts([each for each in headers if each.number >= span.first]),
        steps=tuple(
            each for each in clock_steps(headers) if span.first <= each.number <= span.last
        ),
    )


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
    tx: Transaction, epoch_id: int, start: Nanoseconds, end: Nanoseconds
) -> tuple[int, int] | None:
    """Return the first and last bundle that say something of the window, None where none does.

    A bundle speaks of its readings, and of the time from the seal before it to its own.
    """
    touching = await tx.fetch_one(
        "bundles.touching",
        epoch_id=epoch_id,
        start=start,
        stop=end,
        stop_longest=end + BUNDLE_SPAN_MAX,
    )
    sealed = await tx.fetch_one("bundles.sealed_between", epoch_id=epoch_id, start=start, stop=end)
    numbers = [
        row[name]
        for row, names in ((touching, ("first", "last")), (sealed, ("first",)))
        for name in names
        if row is not None and row[name] is not None
    ]
    if not numbers:
        return None  # the chain ended before the window
    first, last = min(numbers), max(numbers)
    if sealed is not None and sealed["last"] is not None:
        last = max(last, sealed["last"])
    touches = touching is not None and touching["first"] is not None
    if not touches and first == 0:
        opening = await tx.fetch_one("bundles.one", epoch_id=epoch_id, number=0)
        if opening is None or opening["sealed_time"] >= end:
            return None  # the chain began after the window
    return first, last


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
        sealed_from=start["first_time"] if before is None else start["sealed_time"],
        sealed_through=epoch["sealed_through"],
        uncertainty=summary["uncertainty"],
        clock=ClockState(summary["clock"]),
        settings=await _settings(tx, epoch_id, first, last),
        gaps=await _gaps(tx, epoch_id, first, closing),
        readings=summary["readings"],
        bundles=summary["bundles"],
    )


async def _doubtful(tx: Transaction, span: ChainSpan) -> list[Header]:
    """Return the headers that tell of the clock where it was in doubt, in order.

    Those bundles, the one before each run of them, and the first behind it that is synchronised.
    """
    epoch = await tx.fetch_one("epochs.by_key", gateway=span.gateway, epoch=span.epoch)
    if epoch is None:
        return []
    run_of = {"epoch_id": epoch["epoch_id"], "first": span.first, "stop": span.last + 1}
    rows = await tx.fetch("bundles.clock_doubts", **run_of)
    numbers = [row["number"] for row in rows]
    ends = sorted(set(numbers) - {number - 1 for number in numbers})
    wanted = {*numbers, *(number - 1 for number in numbers)}
    for end in ends:
        anchor = await tx.fetch_one("bundles.synchronised", epoch_id=epoch["epoch_id"], behind=end)
        if anchor is not None:
            wanted.add(anchor["number"])
    found = []
    for _, run in groupby(enumerate(sorted(wanted)), key=lambda each: each[1] - each[0]):
        numbers = [number for _, number in run]
        stored = bundles(tx, span.gateway, span.epoch, max(numbers[0], 0), numbers[-1] + 1)
        found += [_header_of(each.data) async for each in stored]
    return found


def _header_of(data: bytes) -> Header:
    return decode_header(peek(split_bundle(data).sealed_header).payload)


async def _missing(tx: Transaction, epoch_id: int, first: int, last: int) -> tuple[range, ...]:
    holes = await tx.fetch("bundles.holes", epoch_id=epoch_id, first=first, stop=last + 1)
    return tuple(range(hole["before"] + 1, hole["number"]) for hole in holes)


async def _settings(
    tx: Transaction, epoch_id: int, first: int, last: int
) -> tuple[SettingsChange, ...]:
    rows = await tx.fetch("bundles.settings_changes", epoch_id=epoch_id, first=first, stop=last + 1)
    return tuple(SettingsChange(row["sealed_time"], row["settings_hash"]) for row in rows)


async def _gaps(tx: Transaction, epoch_id: int, first: int, last: int) -> tuple[Gap, ...]:
    """Return the gaps that bundles declare; one after the window may declare one within it."""
    rows = await tx.fetch("bundles.with_gaps", epoch_id=epoch_id, first=first, stop=last + 1)
    found: list[Gap] = []
    for row in rows:
        found.extend(_header_of(row["bytes"]).gaps)
    return tuple(found)
