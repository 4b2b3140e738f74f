"""Check of what a laboratory found: a lot that did not pass a test is for a person to judge."""

from __future__ import annotations

from collections.abc import Iterable

from aggregator.model.lab_result import ResultVerdict, ResultVersion, in_force
from aggregator.model.record.exceptions import ExceptionItem as Item
from aggregator.model.record.exceptions import ExceptionKind as Kind
from aggregator.model.record.exceptions import Ledger


def results(ledger: Ledger, recorded: Iterable[ResultVersion]) -> None:
    """Check that each result in force passed; one that the laboratory has not judged is no check.

    The verdict is the laboratory's: its value is text, and is not judged here a second time.
    """
    for each in in_force(recorded):
        found = each.result
        if found.verdict is ResultVerdict.NOT_JUDGED:
            continue
        failed = Item(
            kind=Kind.FAILED_TEST,
            subject=found.test,
            start=found.time,
            details={
                "result": found.result,
                "version": each.version,
                "found": f"{found.value} {found.unit}".strip(),
                "specification": found.specification,
            },
        )
        passed = found.verdict is ResultVerdict.PASS
        ledger.judge(Kind.FAILED_TEST, [] if passed else [failed])
