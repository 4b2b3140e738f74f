"""What every test shares: the seed, how long tests go, no silent skip, no process left."""

from __future__ import annotations

import os
import random
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from tests.leftovers import (
    pytest_sessionfinish,
    pytest_sessionstart,
    pytest_terminal_summary,
)
from tests.skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = [
    "pytest_make_collect_report",
    "pytest_runtest_makereport",
    "pytest_sessionfinish",
    "pytest_sessionstart",
    "pytest_terminal_summary",
]

SEED_VARIABLE: Final = "LOTPROOF_TEST_SEED"  # how the workers of one run share the seed
WHOLE_LINE: Final = frozenset({"bench", "e2e", "faults"})

# How long an example takes says something of the machine's load, and nothing of the code.
settings.register_profile("sample", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("full", settings.get_profile("sample"), max_examples=5000)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--seed`` and ``--full``."""
    parser.addoption("--seed", type=int, help="repeat a run whose header printed this seed")
    parser.addoption(
        "--full",
        action="store_true",
        help="every round of faults and benchmarks, as for a release; else a sample",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed once, for our own chance and for Hypothesis."""
    given = config.getoption("--seed")
    if given is not None:
        os.environ[SEED_VARIABLE] = str(given)
    seed = os.environ.setdefault(SEED_VARIABLE, str(random.SystemRandom().randrange(2**32)))
    if getattr(config.option, "hypothesis_seed", None) is None:
        config.option.hypothesis_seed = seed
    settings.load_profile("full" if config.getoption("--full") else "sample")


def pytest_report_header(config: pytest.Config) -> str:
    """Print the seed, so that a failure can be repeated."""
    return f"seed: {os.environ[SEED_VARIABLE]} (repeat with --seed)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests that start the whole line run one after another when there are workers."""
    for item in items:
        if WHOLE_LINE & set(item.nodeid.split("/")):
            item.add_marker(pytest.mark.xdist_group("whole line"))


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Seeded chance, different in each test and the same when ``--seed`` is."""
    return random.Random(f"{os.environ[SEED_VARIABLE]} {request.node.nodeid}")


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether the long tests run every round (``--full``) or a sample."""
    return bool(request.config.getoption("--full"))
