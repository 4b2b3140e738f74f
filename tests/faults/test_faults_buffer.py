"""No single failing system call loses or corrupts what the gateway has acknowledged."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests.faults.buffer_load import Load, Variant
from tests.faults.buffer_rig import Fault, Kind, Rig, Round
from tests.faults.system_calls import order_broken

BEGINNINGS: Final = ("first start", "after a crash")
COURSES: Final = (*BEGINNINGS, "epoch given up")
_WRITES_MORE: Final = 5
_AT_ONCE: Final = 6  # a lock that fails is waited for by SQLite, up to ten seconds
_CUTS_BEFORE: Final = 5

Figures = Callable[[str, object], None]


@pytest.mark.parametrize("course", COURSES)
def test_no_failing_call_loses_what_was_acknowledged(
    course: str,
    tmp_path: Path,
    chance: random.Random,
    full: bool,
    record_property: Figures,
) -> None:
    rig = make_rig(tmp_path, course)
    faults = rig.faults()
    chosen = faults if full else a_few(faults, chance)
    rounds = run(rig, chosen)
    broken = [str(round_) for round_ in rounds if round_.violations]
    record_property(
        "figures",
        f"{len(rounds)} of {len(faults)} rounds, {sum(r.struck for r in rounds)} struck, "
        f"{len({fault.call for fault in chosen})} calls, {len(broken)} violations",
    )
    assert not broken, "\n".join(broken)
    # A call late in the load may not come in every run: bodies differ by a few compressed bytes.
    assert sum(r.struck for r in rounds) >= 0.9 * len(rounds)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("mkdir", 1, Kind.EIO),  # of the data folder
        Fault("openat", 1, Kind.ENOSPC),  # of the lock
        Fault("flock", 1, Kind.EIO),
        Fault("newfstatat", 1, Kind.EIO),  # is there a buffer?
        Fault("rename", 1, Kind.ENOSPC),  # of the new buffer into its place
    ],
    ids=lambda fault: fault.call,
)
def test_a_disk_that_fails_at_the_start_is_told_as_the_agents_own_error(
    fault: Fault, tmp_path: Path
) -> None:
    round_ = make_rig(tmp_path, BEGINNINGS[0]).round(0, fault)
    assert round_.struck
    assert round_.violations == ()


def test_no_failing_read_costs_an_epoch(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, "after a crash")
    reads = [fault for fault in rig.faults([Kind.EIO]) if fault.call == "pread64"]
    assert [str(round_) for round_ in run(rig, reads) if round_.violations] == []


@pytest.mark.parametrize("course", COURSES)
def test_nothing_is_acknowledged_before_the_sync_that_covers_it(
    course: str, tmp_path: Path, record_property: Figures
) -> None:
    acknowledged, broken = ordered(make_rig(tmp_path, course))
    record_property("figures", f"{acknowledged} acknowledgements, {len(broken)} out of order")
    assert acknowledged >= 4
    assert broken == []


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_control_a_buffer_that_does_not_sync_is_caught(beginning: str, tmp_path: Path) -> None:
    _, broken = ordered(make_rig(tmp_path, beginning, Variant.UNSYNCED))
    assert "acknowledged before buffer.db-wal was synced" in broken
    assert "the log was given up before the database was synced" in broken


def test_control_an_acknowledgement_before_the_commit_is_caught(
    tmp_path: Path, chance: random.Random
) -> None:
    rig = make_rig(tmp_path, BEGINNINGS[0], Variant.HASTY)
    _, broken = ordered(rig)
    assert broken != []
    killed = [fault for fault in rig.faults([Kind.KILL]) if fault.call == "pwrite64"]
    rounds = run(rig, killed[:: len(killed) // 12])
    lost = [text for round_ in rounds for text in round_.violations]
    assert any("acknowledged and are gone" in text for text in lost)


def make_rig(folder: Path, course: str, variant: Variant = Variant.FAITHFUL) -> Rig:
    """Return a rig whose rounds begin with nothing, or with what a killed gateway left behind."""
    load = Load(folder=folder / "begin")
    if course == "epoch given up":
        load = replace(load, cuts=4, renew_after=2)
    rig = Rig(folder / "rounds", load)
    if course != "first start":
        rig.prepare(_CUTS_BEFORE)
    return rig.broken(variant)


def a_few(faults: Sequence[Fault], chance: random.Random) -> list[Fault]:
    """Return some faults of every call: two of each, and more of those that write."""
    calls = sorted({fault.call for fault in faults})
    wanted = [*calls, *calls, *(["pwrite64", "fdatasync"] * _WRITES_MORE)]
    return [chance.choice([f for f in faults if f.call == call]) for call in wanted]


def run(rig: Rig, faults: Sequence[Fault]) -> list[Round]:
    """Return what every fault showed, some rounds at a time."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(rig.round, range(len(faults)), faults))


def ordered(rig: Rig) -> tuple[int, list[str]]:
    """Return how many acknowledgements a run without a fault gave, and what was out of order."""
    ran = rig.ordered()
    return len(ran.told), order_broken(ran.calls, told=ran.pipe, database=rig.database("order"))
