"""One demo for the tests that look at it while it runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.demo_rig import RunningDemo, running_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """Run the demo as a person does, until its console is open."""
    with running_demo(tmp_path_factory.mktemp("demo") / "out") as running:
        yield running
