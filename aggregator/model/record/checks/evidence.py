"""Checks of what vouches for the readings: chains, epochs, clocks, settings, seals; late data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from aggregator.model.binding.fact import FOREVER
from aggregator.model.clock_doubt import clock_doubts
from aggregator.model.completeness import ChainSpan, Finding
from aggregator.model.record.batch_record import Earlier, SealResult
from aggregator.model.record.circumstances import RevokedKey
from aggregator.model.record.exceptions import Detail, Ledger
from aggregator.model.record.exceptions import ExceptionItem as Item
from aggregator.model.record.exceptions import ExceptionKind as Kind
from protocols.wire.header import ClockState
from protocols.wire.reading import Nanoseconds


def chains(
    ledger: Ledger,
    spans: Sequence[ChainSpan],
    unproved: Sequence[Finding],
    start: Nanoseconds | None,
    end: Nanoseconds | None,
) -> None:
    """Check that the chains are whole, their epochs approved, their clock and settings steady."""
    gateways = sorted({span.gateway for span in spans} | {each.gateway for each in unproved})
    for gateway in gateways:
        ledger.judge(
            Kind.CHAIN,
            (
                Item(
                    kind=Kind.CHAIN,
                    subject=gateway,
                    start=each.start,
                    end=each.end,
                    details={"flaw": each.flaw.value},
                )
                for each in unproved
                if each.gateway == gateway
            ),
        )
    for span in spans:
        subject, epoch = span.gateway, {"epoch": span.epoch.hex()}
        unapproved = Item(kind=Kind.EPOCH, subject=subject, details=epoch)
        ledger.judge(Kind.EPOCH, [] if span.approved else [unapproved])
        ledger.judge(Kind.CLOCK, _clock(span))
    for gateway in gateways:
        _settings(ledger, [span for span in spans if span.gateway == gateway], start, end)


def _clock(span: ChainSpan) -> Iterator[Item]:
    """Yield where a chain's clock was not synchronised, how it was placed, and where set back."""
    epoch = {"epoch": span.epoch.hex()}
    placed = [each for each in span.placements if span.first <= each.stamp.number <= span.last]
    if not placed and span.clock is not ClockState.SYNCHRONISED:
        details = {**epoch, "state": span.clock.name.lower()}
        yield Item(kind=Kind.CLOCK, subject=span.gateway, details=details)
    for doubt in clock_doubts(placed):
        yield Item(
            kind=Kind.CLOCK,
            subject=span.gateway,
            start=doubt.start,
            end=doubt.end,
            details={
                **epoch,
                "state": doubt.state.name.lower(),
                "first": doubt.first,
                "last": doubt.last,
                "anchor": doubt.anchor,
                "correction_ns": None if doubt.anchor is None else doubt.shift,
                "uncertainty_ns": doubt.uncertainty,
            },
        )
    for step in span.steps:
        yield Item(
            kind=Kind.CLOCK,
            subject=span.gateway,
            start=step.time,
            details={**epoch, "state": "set_back", "first": step.number, "step_ns": step.back},
        )


def keys(ledger: Ledger, spans: Sequence[ChainSpan], revoked: Sequence[RevokedKey]) -> None:
    """Check that no key that sealed the window's readings was revoked among them or before them.

    A revocation is counted in bundles, never by a wall clock: from that one on the key opens
    nothing, and a lot whose bundles lie on both sides is looked at by a person.
    """
    for gateway in sorted({span.gateway for span in spans}):
        own = [each for each in revoked if each.gateway == gateway]
        ledger.judge(
            Kind.KEY_REVOKED,
            (
                Item(
                    kind=Kind.KEY_REVOKED,
                    subject=gateway,
                    details={
                        "key": each.kid,
                        "epoch": each.epoch.hex(),
                        "number": each.number,
                        "reason": each.reason,
                    },
                )
                for each in sorted(own, key=lambda each: (each.epoch, each.number, each.kid))
            ),
        )


def _settings(
    ledger: Ledger, spans: Sequence[ChainSpan], start: Nanoseconds | None, end: Nanoseconds | None
) -> None:
    """Check that a gateway kept its settings, over whatever epochs the window has."""
    changes = sorted(change for span in spans for change in span.settings)
    ledger.judge(
        Kind.SETTINGS,
        (
            Item(
                kind=Kind.SETTINGS,
                subject=spans[0].gateway,
                start=later.sealed_time,
                details={
                    "before": earlier.settings_hash.hex(),
                    "after": later.settings_hash.hex(),
                },
            )
            for earlier, later in pairwise(changes)
            if earlier.settings_hash != later.settings_hash
            and start is not None
            and start < later.sealed_time < (end or FOREVER)
        ),
    )


def seals(ledger: Ledger, result: SealResult) -> None:
    """Check that every seal of the window holds."""
    ledger.judge(
        Kind.SEAL,
        (
            Item(
                kind=Kind.SEAL,
                subject=refused.gateway,
                details={
                    "epoch": refused.epoch.hex(),
                    "number": refused.number,
                    "reason": refused.reason,
                },
            )
            for refused in result.refused
        ),
    )
    ledger.passed[Kind.SEAL] += result.verified


def late(ledger: Ledger, earlier: Earlier | None, readings: int, master: Mapping[str, int]) -> None:
    """Check that nothing came after the record had been complete, and no master data changed."""
    if earlier is None:
        ledger.judge(Kind.LATE_DATA, [])
        return
    details: dict[str, Detail] = {"readings": readings - earlier.readings}
    if changed := earlier.changed(master):
        details["master"] = changed
    ledger.judge(
        Kind.LATE_DATA,
        [Item(kind=Kind.LATE_DATA, subject=earlier.content_hash, details=details)],
    )
