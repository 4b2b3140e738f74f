"""No test is skipped in silence: where CI=true, a skip that nobody announced fails.

The one skip that is announced is that of third-party material (tests/data.py) on a machine that
does not have it; where the material is, even that skip fails.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Final

import pytest

from tests.data import SHARED

ANNOUNCED: Final = "left out: third-party material"


def refusal(reason: str, *, strict: bool, material: bool) -> str | None:
    """Return why a skip for this reason may not be, or None where it may.

    ``strict`` is whether skips are watched; ``material`` whether the third-party data is here.
    """
    if not strict or (ANNOUNCED in reason and not material):
        return None
    return f"skipped where nothing may be skipped (CI=true): {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a forbidden skip of a test into a failure."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a forbidden skip of a whole file into a failure."""
    report = yield
    if report.skipped:
        _refuse(report)
    return report


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    why = refusal(said, strict=os.environ.get("CI") == "true", material=SHARED.exists())
    if why is not None:
        report.outcome = "failed"
        report.longrepr = why
