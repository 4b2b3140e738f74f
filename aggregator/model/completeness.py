"""A window is complete when its chains prove it, never because time has passed.

A gateway's data over ``[start, end)`` are complete when its chains are contiguous from before the
start to a bundle sealed past the end and the clock's uncertainty, and a bundle behind the window
shows that nothing was cut off: a gateway that is silent says so by sealed, empty bundles (record
rule 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from aggregator.model.clock_doubt import ClockStep
from protocols.wire.dossier.placement import Placement
from protocols.wire.header import ClockState, Epoch, GatewayId
from protocols.wire.reading import Gap, Nanoseconds


class SettingsChange(NamedTuple):
    """From this sealed time on, the gateway collected by these settings."""

    sealed_time: Nanoseconds
    settings_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSpan:
    """What is stored of one chain (gateway, epoch) around a time window.

    ``first`` to ``last`` are the bundles whose gateway times touch the window, or those sealed in
    it where there are none with readings; ``before`` and ``after`` bracket them. Times are placed
    ones where the clock was in doubt.
    """

    gateway: GatewayId
    epoch: Epoch
    approved: bool  # a second person approved the epoch
    first: int  # number of the first bundle of the window
    last: int  # number of the last
    before: int | None  # the bundle before ``first``; None where the epoch begins
    after: int | None  # the bundle after ``last``; None where it has not come
    first_leaf: bytes  # leaf hash of bundle ``first``
    last_leaf: bytes  # leaf hash of bundle ``last``
    missing: tuple[range, ...]  # bundle numbers of the span that are not stored
    forked: bool  # two bundles claim one number: the chain is not to be trusted
    head: int  # number of the contiguous head
    sealed_from: Nanoseconds  # sealed time of ``before``, or first time of the epoch's first bundle
    sealed_through: Nanoseconds  # sealed time of the contiguous head
    uncertainty: Nanoseconds  # greatest of a synchronised clock in the bundles
    clock: ClockState  # worst clock state of the bundles
    settings: tuple[SettingsChange, ...]  # in order; the first is in force at ``first``
    gaps: tuple[Gap, ...]  # declared by the bundles
    readings: int  # of whatever signal, in the bundles first to last
    bundles: int  # stored, first to last
    placements: tuple[Placement, ...] = ()  # of the bundles before to after that are in doubt
    steps: tuple[ClockStep, ...] = ()  # where the clock was set back, in order


class Flaw(StrEnum):
    """What keeps a gateway's data from being complete."""

    NOTHING = "nothing_stored"  # no bundle touches the window
    LATE_START = "starts_late"  # the first chain begins after the window's start
    MISSING = "bundles_missing"  # numbers are missing between the brackets
    FORKED = "forked"
    BETWEEN = "between_epochs"  # one epoch ended before the next began
    NOT_YET = "not_sealed_past_end"  # the chain has not got past the window's end yet


class Finding(NamedTuple):
    """One flaw, and the time that it leaves unproved."""

    gateway: GatewayId
    flaw: Flaw
    start: Nanoseconds
    end: Nanoseconds


class Proven(NamedTuple):
    """A stretch of time over which a gateway's chain is contiguous and sealed."""

    start: Nanoseconds
    end: Nanoseconds


def proven(spans: Iterable[ChainSpan], gateway: GatewayId) -> tuple[Proven, ...]:
    """Return the stretches that the gateway's chains prove, in order and merged.

    A chain with missing numbers or a fork proves nothing: which times are missing is not known.
    """
    stretches: list[Proven] = []
    for span in sorted(spans, key=lambda span: (span.sealed_from, span.epoch)):
        if span.gateway != gateway or span.missing or span.forked:
            continue
        if stretches and span.sealed_from <= stretches[-1].end:
            last = stretches.pop()
            stretches.append(Proven(last.start, max(last.end, span.sealed_through)))
        else:
            stretches.append(Proven(span.sealed_from, span.sealed_through))
    return tuple(stretches)


def check_completeness(
    spans: Sequence[ChainSpan], gateway: GatewayId, start: Nanoseconds, end: Nanoseconds
) -> tuple[Finding, ...]:
    """Return what is missing of a gateway's data over ``[start, end)``; nothing if complete."""
    own = [span for span in spans if span.gateway == gateway]
    if not own:
        return (Finding(gateway, Flaw.NOTHING, start, end),)
    findings = [
        Finding(gateway, Flaw.FORKED if span.forked else Flaw.MISSING, start, end)
        for span in own
        if span.forked or span.missing
    ]
    if findings:
        return tuple(findings)
    stretches = proven(own, gateway)
    past = end + max(span.uncertainty for span in own)
    if stretches[0].start > start:
        findings.append(Finding(gateway, Flaw.LATE_START, start, min(stretches[0].start, end)))
    for earlier, later in pairwise(stretches):
        if earlier.end < end and later.start > start:
            hole = (max(earlier.end, start), min(later.start, end))
            findings.append(Finding(gateway, Flaw.BETWEEN, *hole))
    newest = max(own, key=lambda span: span.sealed_from)
    if stretches[-1].end <= past or newest.after is None:
        through = min(max(stretches[-1].end, start), end)
        findings.append(Finding(gateway, Flaw.NOT_YET, through, end))
    return tuple(findings)
