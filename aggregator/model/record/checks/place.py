"""Checks of where a lot was: its windows, the facts that say so, carriers, and doubtful bounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from aggregator.model.binding.bind import Binding
from aggregator.model.binding.fact import FOREVER, Fact
from aggregator.model.binding.locate import touching
from aggregator.model.binding.occupancy import Conflict, Window
from aggregator.model.binding.presence import DoubtedCarrier, Dwell, WhyDoubted
from aggregator.model.binding.rule import Rule
from aggregator.model.master.equipment import SignalSpec
from aggregator.model.master.lot import LotKey
from aggregator.model.record.exceptions import ExceptionItem as Item
from aggregator.model.record.exceptions import ExceptionKind as Kind
from aggregator.model.record.exceptions import Ledger
from protocols.wire.reading import Nanoseconds


def windows(ledger: Ledger, lot: LotKey, found: Sequence[Window], rule: Rule) -> None:
    """Check that every window has ended, has a length, and can be of one making of the lot."""
    if not found:
        ledger.judge(Kind.OPEN_WINDOW, [Item(kind=Kind.OPEN_WINDOW, subject=str(lot))])
    for window in found:
        start, end = window.start.time, window.end.time
        still = Item(kind=Kind.OPEN_WINDOW, subject=window.equipment, start=start)
        empty = Item(kind=Kind.EMPTY_WINDOW, subject=window.equipment, start=start)
        ledger.judge(Kind.OPEN_WINDOW, [still] if end == FOREVER else [])
        ledger.judge(Kind.EMPTY_WINDOW, [empty] if end == start else [])
    ordered = sorted(
        (window for window in found if window.origin is None),
        key=lambda window: window.start.time,
    )
    ledger.judge(
        Kind.LOT_REUSED,
        (
            Item(
                kind=Kind.LOT_REUSED,
                subject=str(lot),
                start=earlier.end.time,
                end=later.start.time,
            )
            for earlier, later in pairwise(ordered)
            if later.start.time - earlier.end.time > rule.reuse_after
        ),
    )


def facts(
    ledger: Ledger,
    lot: LotKey,
    own: Sequence[Window],
    conflicts: Sequence[Conflict],
    known: Iterable[Fact],
) -> None:
    """Check that no fact contradicts another over the lot's windows, or leaves the lot in doubt."""
    touched = touching(own, conflicts)
    ledger.judge(
        Kind.CONFLICT,
        (
            Item(
                kind=Kind.CONFLICT,
                subject=conflict.equipment,
                start=conflict.start,
                end=_until(conflict.end),
                details={
                    "bound_to": tuple(map(str, conflict.lots)),
                    "overruled": tuple(map(str, conflict.others)),
                    "facts": conflict.facts,
                },
            )
            for conflict in touched
        ),
    )
    ledger.judge(
        Kind.AMBIGUOUS_LOT,
        (
            Item(
                kind=Kind.AMBIGUOUS_LOT,
                subject=fact.equipment or "",
                start=fact.start,
                end=fact.end,
                details={"said": fact.text, "by": fact.source},
            )
            for fact in known
            if fact.lot is None and fact.text == lot.lot
        ),
    )


def carriers(
    ledger: Ledger, own: Sequence[Window], unknown: Iterable[tuple[SignalSpec, Dwell]]
) -> None:
    """Check that every carrier seen where and while the lot was there holds a lot."""
    ledger.judge(
        Kind.UNKNOWN_CARRIER,
        (
            Item(
                kind=Kind.UNKNOWN_CARRIER,
                subject=spec.key.signal,
                start=dwell.start,
                end=dwell.end,
                details={"carrier": dwell.carrier, "reads": dwell.reads},
            )
            for spec, dwell in unknown
            if any(
                window.equipment == spec.equipment
                and dwell.start < window.end.time
                and (dwell.end is None or window.start.time <= dwell.end)
                for window in own
            )
        ),
    )


def doubted(ledger: Ledger, own: Sequence[Window], carriers: Iterable[DoubtedCarrier]) -> None:
    """Check that no carrier was in two places at once, where the lot was in one of them."""
    near = [
        each
        for each in carriers
        if any(
            window.equipment in each.places
            and each.start < window.end.time
            and window.start.time <= each.end
            for window in own
        )
    ]
    for kind, why in (
        (Kind.AMBIGUOUS_CARRIER, WhyDoubted.TWO_PLACES),
        (Kind.IMPLAUSIBLE_TRAVEL, WhyDoubted.TOO_FAST),
    ):
        ledger.judge(
            kind,
            (
                Item(
                    kind=kind,
                    subject=each.places[0],
                    start=each.start,
                    end=each.end,
                    details={"carrier": each.carrier, "other": each.places[1]},
                )
                for each in near
                if each.why is why
            ),
        )


def boundaries(ledger: Ledger, own: Sequence[Window], bindings: Iterable[Binding]) -> None:
    """Check that no reading of any signal is so near to a bound that the clocks do not decide.

    A bound is one of a window, or of a phase within one.
    """
    near: dict[Nanoseconds, dict[str, int]] = {}
    for binding in bindings:
        for part in binding.slices:
            for bound, rows in ((part.span.start, part.head), (part.span.end, part.tail)):
                signals = near.setdefault(bound.time, {})
                if len(rows):
                    signals[binding.series.key.signal] = len(rows)
    places = {bound.time: each.equipment for each in own for bound in (each.start, each.end)}
    within = {
        time: each.equipment
        for time in near.keys() - places.keys()
        for each in own
        if each.start.time < time < each.end.time
    }
    for time, found in sorted(near.items()):
        item = Item(
            kind=Kind.BOUNDARY,
            subject=places.get(time, within.get(time, "")),
            start=time,
            details={"readings": sum(found.values()), "signals": tuple(sorted(found))},
        )
        ledger.judge(Kind.BOUNDARY, [item] if found else [])


def _until(end: Nanoseconds) -> Nanoseconds | None:
    return None if end == FOREVER else end
