"""Stretches of a window without valid data, held against what the signal owes.

A gap is looked for over the whole window, from its start to its end, not between the readings that
happen to be in it; and over valid readings: a BAD one is no data (record rule 12).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from aggregator.model.binding.bind import Binding, Span
from aggregator.model.completeness import Proven
from aggregator.model.master.recipe import Sampling, SamplingContract
from aggregator.model.once import Once
from aggregator.model.series import Integers, Mask, SignalKey, Statuses
from protocols.wire.reading import MENDABLE, Gap, GapReason, Nanoseconds, Status


class Cause(StrEnum):
    """Why there is no data, as far as it is known."""

    SILENCE = "silence"  # nobody said why: nothing came, and nothing was declared
    BAD_STATUS = "bad_status"  # readings came, and their source called them BAD
    NO_CHAIN = "no_chain"  # no contiguous, sealed chain covers the time
    SOURCE_DOWN = "source_down"  # the others are declared by the gateway
    DISK_FULL = "disk_full"
    REFUSED = "refused"
    SETTINGS_CHANGE = "settings_change"
    MAINTENANCE = "maintenance"
    AGENT_STOPPED = "agent_stopped"
    SUBSCRIPTION_LOST = "subscription_lost"
    OVERRUN = "overrun"
    UNREADABLE = "unreadable"


class Missing(NamedTuple):
    """A gap in valid data over ``[start, end)``, and every cause that overlaps it."""

    start: Nanoseconds
    end: Nanoseconds
    causes: tuple[Cause, ...]


def gaps(
    binding: Binding,
    contract: SamplingContract,
    proven: Sequence[Proven],
    declared: Iterable[Gap],
    once: Once | None = None,
) -> tuple[Missing, ...]:
    """Return the gaps of a binding's spans, in order.

    The series reaches back before the window, so that what was known at its start is known.
    ``proven`` is what the gateway's chains prove; ``declared`` are the gaps that it sealed.
    """
    series = binding.series
    own = narrowed(gap for gap in declared if concerns(gap, series.key))
    return (once or Once()).of(
        _gaps,
        series.times,
        series.present,
        series.statuses,
        tuple(part.span for part in binding.slices),
        _By(contract, tuple(proven), tuple(own)),
    )


class _By(NamedTuple):
    """What a signal's times are held against."""

    contract: SamplingContract
    proven: tuple[Proven, ...]
    declared: tuple[Gap, ...]


def _gaps(
    times: Integers,
    present: Mask,
    statuses: Statuses,
    spans: tuple[Span, ...],
    by: _By,
) -> tuple[Missing, ...]:
    contract, proven, declared = by
    lacking = ~present | (statuses == Status.BAD)
    valid, bad = times[~lacking], times[lacking]
    found: list[Missing] = []
    for span in spans:
        unknown: list[tuple[int, int]] = []
        if contract.sampling is Sampling.ON_CHANGE:
            unknown = [*_unknown(valid, span, proven), *_bad_stretches(times, lacking, span)]
        stretches = merged([*_silences(valid, span, contract), *unknown])
        for start, end in stretches:
            found.append(Missing(start, end, _causes(start, end, bad, proven, declared)))
        found += _declared_alone(span, stretches, declared)
    return tuple(sorted(found))


def narrowed(declared: Iterable[Gap]) -> list[Gap]:
    """Return the gaps of one signal without the stretches that came later after all.

    What is backfilled takes back what its own reasons declared, whichever bundle said it first
    (docs/specs/bundle.md).
    """
    said = list(declared)
    came = merged((gap.start, gap.end) for gap in said if gap.reason is GapReason.BACKFILLED)
    left: list[Gap] = []
    for gap in said:
        if gap.reason in MENDABLE and came:
            left += _without(gap, came)
        elif gap.reason is not GapReason.BACKFILLED:
            left.append(gap)
    return left


def _without(gap: Gap, came: Iterable[tuple[int, int]]) -> Iterator[Gap]:
    """Yield what is left of a gap; how many readings each part lacks is not known any more."""
    at, count = gap.start, gap.count
    for start, end in came:
        if end <= at or start >= gap.end:
            continue
        count = None
        if start > at:
            yield replace(gap, start=at, end=start, count=None)
        at = max(at, end)
    if at < gap.end or (at == gap.start == gap.end):
        yield replace(gap, start=at, count=count)


def concerns(gap: Gap, key: SignalKey) -> bool:
    """Tell whether a declared gap is about the signal: itself, its source, or the whole gateway."""
    return gap.subject in ("*", key.signal) or key.signal.startswith(gap.subject + "/")


def merged(stretches: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the union of stretches, in order; those of no length vanish."""
    union: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if end <= start:
            continue
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], end))
        else:
            union.append((start, end))
    return union


def _silences(times: Integers, span: Span, contract: SamplingContract) -> Iterator[tuple[int, int]]:
    """Yield the stretches between valid readings that are longer than the contract allows.

    A signal that was not read within ``gap_max`` before the start owes its first reading within
    ``gap_max`` after it; one that was read is judged by the time since then.
    """
    if contract.gap_max is None:
        return
    start, end = span.start.time, span.end.time
    first, stop = np.searchsorted(times, (start, end), side="left")
    edge = start
    if first > 0 and start - times[first - 1] <= contract.gap_max:
        edge = int(times[first - 1])
    edges = np.concatenate(([edge], times[first:stop], [end]))
    for at in np.flatnonzero(np.diff(edges) > contract.gap_max).tolist():
        yield max(int(edges[at]), start), int(edges[at + 1])


def _unknown(times: Integers, span: Span, proven: Sequence[Proven]) -> Iterator[tuple[int, int]]:
    """Yield when a value sent on change is not known: before the first one, without a chain."""
    start, end = span.start.time, span.end.time
    before = int(np.searchsorted(times, start, side="right"))
    if before == 0:
        yield start, min(int(times[0]), end) if len(times) else end
    reached = start
    for stretch in proven:
        if stretch.start > reached:
            yield reached, min(stretch.start, end)
        reached = max(reached, stretch.end)
        if reached >= end:
            break
    if reached < end:
        yield reached, end


def _bad_stretches(times: Integers, lacking: Mask, span: Span) -> Iterator[tuple[int, int]]:
    """Yield when the newest reading was BAD."""
    start, end = span.start.time, span.end.time
    padded = np.concatenate(([False], lacking, [False]))
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        until = int(times[stop]) if stop < len(times) else end
        since = int(times[first])
        if since < end and until > start:
            yield max(since, start), min(until, end)


def _causes(
    start: int, end: int, bad: Integers, proven: Sequence[Proven], declared: Sequence[Gap]
) -> tuple[Cause, ...]:
    causes = {_cause(gap.reason) for gap in declared if gap.start < end and gap.end > start}
    if np.searchsorted(bad, start, side="left") < np.searchsorted(bad, end, side="left"):
        causes.add(Cause.BAD_STATUS)
    if not any(stretch.start <= start and end <= stretch.end for stretch in proven):
        causes.add(Cause.NO_CHAIN)
    return tuple(sorted(causes or {Cause.SILENCE}))


def _declared_alone(
    span: Span, stretches: Sequence[tuple[int, int]], declared: Sequence[Gap]
) -> Iterator[Missing]:
    """Yield what was declared although the contract was kept: it is told all the same."""
    start, end = span.start.time, span.end.time
    alone = {
        (max(gap.start, start), min(gap.end, end), _cause(gap.reason))
        for gap in declared
        if gap.start < end
        and gap.end > start
        and not any(gap.start < later and gap.end > earlier for earlier, later in stretches)
    }
    for since, until, cause in sorted(alone):
        yield Missing(since, until, (cause,))


def _cause(reason: GapReason) -> Cause:
    return Cause(reason.name.lower())
