"""What is written to the disk is measured, and held to a budget by the seal's age alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_agent.wear import FILE, Upkeep, Wear

DAY = 86_400


class Disk:
    """A counter of the kernel's that a test moves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counter = folder / "io"
        self.now, self.written = 1000.0, 0
        self.write(0)

    def wear(self, *, budget: int = 0, endurance: int = 0, bound: float = 8.0) -> Wear:
        return Wear(
            self.folder,
            budget=budget,
            endurance=endurance,
            age_bound_s=bound,
            counter=self.counter,
        )

    def write(self, count: int) -> None:
        self.written += count
        text = f"rchar: 1\nread_bytes: 2\nwrite_bytes: {self.written}\ncancelled_write_bytes: 0\n"
        self.counter.write_text(text, encoding="ascii")

    def minutes(self, wear: Wear, count: int, bytes_each: float, age_s: float = 1.0) -> Upkeep:
        found = wear.look(self.now, age_s)
        for _ in range(count):
            self.now += 60
            self.write(round(bytes_each))
            found = wear.look(self.now, age_s)
        return found


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_a_rate_takes_two_looks_a_minute_apart(disk: Disk) -> None:
    wear = disk.wear()
    assert wear.look(disk.now, 1.0).bytes_per_day is None
    disk.write(5000)
    assert wear.look(disk.now + 1, 1.0).bytes_per_day is None
    assert disk.minutes(wear, 10, 1_000_000).bytes_per_day == pytest.approx(1.44e9, rel=0.01)


def test_over_its_budget_bundles_are_cut_later_within_the_bound_and_come_back(disk: Disk) -> None:
    wear = disk.wear(budget=1_000_000_000)
    ages = [disk.minutes(wear, 2, 2_000_000).age_s for _ in range(8)]
    assert ages == sorted(ages)
    assert ages[-1] == 8.0, "the bound holds, whatever the budget says"
    quiet = [disk.minutes(wear, 20, 10_000).age_s for _ in range(8)]
    assert quiet[-1] == 1.0
    assert disk.minutes(wear, 2, 10_000, age_s=20.0).age_s == 20.0, "never sooner than configured"


def test_without_a_budget_the_age_is_as_configured(disk: Disk) -> None:
    assert disk.minutes(disk.wear(), 20, 1e9).age_s == 1.0


def test_days_left_are_reckoned_from_all_that_was_ever_written(disk: Disk) -> None:
    (disk.folder / FILE).write_text(json.dumps({"bytes_written": 40 * 1440 * 10**6}))
    wear = disk.wear(endurance=100 * 1440 * 10**6)
    found = disk.minutes(wear, 1440, 10**6)
    assert found.bytes_written == 41 * 1440 * 10**6
    assert found.days_left == pytest.approx(59, abs=0.5)
    wear.remember()
    assert disk.wear().look(0, 1.0).bytes_written >= 41 * 1440 * 10**6


def test_where_nobody_counts_nothing_is_claimed(tmp_path: Path) -> None:
    wear = Wear(tmp_path, budget=1, endurance=1, age_bound_s=9, counter=tmp_path / "none")
    assert wear.look(0, 1.0) == Upkeep(
        bytes_per_day=None, bytes_written=0, age_s=1.0, days_left=None
    )


def test_a_memory_that_cannot_be_read_is_begun_anew(disk: Disk) -> None:
    (disk.folder / FILE).write_text("not JSON")
    assert disk.wear().look(0, 1.0).bytes_written == 0
