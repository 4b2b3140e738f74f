"""Checks of what a lot was made of: used in time, not held, and as much out as went in."""

from __future__ import annotations

from collections.abc import Sequence

from aggregator.model.genealogy.balance import BalanceState
from aggregator.model.master.validity import Validity
from aggregator.model.record.circumstances import Consumption, Step
from aggregator.model.record.exceptions import ExceptionItem as Item
from aggregator.model.record.exceptions import ExceptionKind as Kind
from aggregator.model.record.exceptions import Ledger
from protocols.wire.dossier.instant import format_time


def consumed(ledger: Ledger, inputs: Sequence[Consumption]) -> None:
    """Check that nothing went in after its last day, or while it was held or rejected."""
    for each in inputs:
        over = each.expires is not None and each.end >= each.expires
        expired = Item(
            kind=Kind.EXPIRED,
            subject=str(each.lot),
            start=each.start,
            end=each.end,
            details={
                "edge": each.edge,
                "expires": "" if each.expires is None else format_time(each.expires),
            },
        )
        ledger.judge(Kind.EXPIRED, [expired] if over else [])
        used = Validity(start=each.start, end=each.end + 1)
        held = Item(
            kind=Kind.HELD,
            subject=str(each.lot),
            start=each.start,
            end=each.end,
            details={"edge": each.edge},
        )
        stopped = any(used.overlaps(stop) for stop in each.stopped)
        ledger.judge(Kind.HELD, [held] if stopped else [])


def balances(ledger: Ledger, steps: Sequence[Step]) -> None:
    """Check of each step that made the lot that as much came out as the tolerance allows.

    A step that nobody declared a tolerance for, or whose quantities are not all known or have
    several units, is listed with the record's balances and not judged.
    """
    for step in steps:
        balance, edge = step.balance, step.edge
        if balance.state is BalanceState.UNKNOWN or step.tolerance is None:
            continue
        outside = Item(
            kind=Kind.BALANCE,
            subject=edge.text or edge.kind.value,
            start=edge.start,
            end=edge.end,
            details={
                "edge": edge.id,
                "into": f"{balance.into:f} {balance.unit}",
                "out": f"{balance.out:f} {balance.unit}",
                "tolerance": f"{step.tolerance:f}",
            },
        )
        ledger.judge(Kind.BALANCE, [outside] if balance.state is BalanceState.OUTSIDE else [])
