"""No process outlives the tests that started it: what is left at the end fails the run.

Every process inherits the environment of the one that started it, also where it became a daemon
(PostgreSQL) and is nobody's child any more: a mark in it tells whose it is.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Final

import psutil  # type: ignore[import-untyped]  # it has no types
import pytest

MARK: Final = "LOTPROOF_TEST_PROCESS"
_GRACE_S: Final = 20.0  # for what was told to end and is about to
_OWN: Final = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""Python's own, which end when the process does that they serve."""


def pytest_sessionstart(session: pytest.Session) -> None:
    """Mark this process, so that all that it starts can be told from others, workers and theirs."""
    if not _works_for_another(session):
        os.environ[MARK] = uuid.uuid4().hex


@pytest.hookimpl(trylast=True)  # the workers have been told to end then
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what is left, and let the run fail for it."""
    if _works_for_another(session):
        return
    _, living = psutil.wait_procs(list(left_over(os.environ[MARK])), timeout=_GRACE_S)
    names = session.config.stash.setdefault(LEFT, [])
    for process in living:
        names.append(f"{process.pid}: {' '.join(process.info['cmdline'] or ())}")
        process.kill()
    psutil.wait_procs(living, timeout=_GRACE_S)
    if names:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what outlived its test."""
    for text in terminalreporter.config.stash.get(LEFT, []):
        terminalreporter.line(f"a process outlived its test: {text}", red=True)


def left_over(mark: str) -> Iterator[psutil.Process]:
    """Yield the processes that bear a mark, but this one."""
    for process in psutil.process_iter(["cmdline"]):
        try:
            bears_it = process.environ().get(MARK) == mark
        except psutil.Error:
            continue  # it ended meanwhile, or is another user's
        command = " ".join(process.info["cmdline"] or ())
        if bears_it and process.pid != os.getpid() and not any(own in command for own in _OWN):
            yield process


def _works_for_another(session: pytest.Session) -> bool:
    """Tell whether this is a worker of pytest-xdist: the process that started it looks."""
    return hasattr(session.config, "workerinput")


LEFT: Final = pytest.StashKey[list[str]]()
