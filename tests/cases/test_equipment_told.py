"""The cases of equipment say what they mean: read, compared, and told from a naive driver."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from protocols.wire.reading import Gap, GapReason, Kind, Reading, SignalName, Status
from tests.cases.equipment.case import (
    Case,
    CaseError,
    Expected,
    ExpectedGap,
    Naive,
    Told,
    load_case,
)
from tests.cases.equipment.compare import Outcome, Seen, differences, naive_outcome, seen_of
from tests.cases.equipment.folders import CASES, FOLDERS

PROMISED = (
    "restart",
    "hang",
    "new_certificate",
    "operation_limits",
    "short_replies",
    "wrong_unit_id",
    "bytewise_replies",
    "nan",
    "wrong_types",
    "skewed_clock",
)
GAP = Gap(subject="source", start=2, end=3, reason=GapReason.SOURCE_DOWN)
NAIVE = Naive(rule="", readings={}, gaps=())
EXPECTED = Expected(
    readings={"a": (Told(value=1), Told(value=2))},
    gaps=(
        ExpectedGap(subject="source", reason=GapReason.SOURCE_DOWN, signal="a", after=1, before=2),
    ),
    errors=("went away.*look",),
    perhaps=("slow",),
    counters={"asked": 2},
    naive=NAIVE,
)
OUTCOME = Outcome(
    readings={
        "a": [Seen(told=Told(value=1), first=1, last=1), Seen(told=Told(value=2), first=4, last=4)]
    },
    gaps=[GAP],
    errors=["it went away; look at it"],
    counters={"asked": 2},
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_case_tells_a_naive_driver_from_ours(case: Case) -> None:
    assert case.expected.naive.rule
    assert differences(case.expected, naive_outcome(case.expected), polled=False)


def test_there_are_cases_of_all_that_is_promised() -> None:
    names = " ".join(case.name for case in CASES)
    for word in PROMISED:
        assert word in names
    assert all((folder / "README.md").exists() for folder in FOLDERS)


def test_what_came_as_expected_differs_in_nothing() -> None:
    assert differences(EXPECTED, OUTCOME) == []
    slow = replace(OUTCOME, errors=[*OUTCOME.errors, *OUTCOME.errors, "slow"])
    assert differences(EXPECTED, slow) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"readings": {}}, "a: expected [1, 2]; came []"),
        (
            {"readings": {**OUTCOME.readings, "b": [Seen(told=Told(value=1), first=1, last=1)]}},
            "b: expected []; came [1]",
        ),
        ({"gaps": []}, "no gap ('source', 'SOURCE_DOWN')"),
        ({"gaps": [GAP, GAP]}, "a gap ('source', 'SOURCE_DOWN') that nobody expects"),
        ({"gaps": [replace(GAP, start=0)]}, "no gap SOURCE_DOWN of source between 1 and 2"),
        ({"gaps": [replace(GAP, end=5)]}, "no gap SOURCE_DOWN of source between 1 and 2"),
        ({"errors": []}, "nobody said 'went away.*look'"),
        ({"errors": [*OUTCOME.errors, "burnt"]}, "nobody expects 'burnt'"),
        ({"counters": {"asked": 3}}, "asked: expected 2; counted 3"),
        ({"breaches": ["a came twice in a poll"]}, "a came twice in a poll"),
    ],
)
def test_every_difference_is_told(changes: dict[str, object], said: str) -> None:
    found = differences(EXPECTED, replace(OUTCOME, **changes))  # type: ignore[arg-type]  # by case
    assert any(said in each for each in found), found


def test_polls_that_a_busy_computer_missed_are_nobodys_gap() -> None:
    overrun = Gap(subject="source", start=0, end=1, reason=GapReason.OVERRUN)
    late = replace(OUTCOME, gaps=[GAP, overrun, overrun])
    assert differences(EXPECTED, late, polled=True) == []
    assert len(differences(EXPECTED, late)) == 2
    wanted = replace(
        EXPECTED,
        gaps=(*EXPECTED.gaps, ExpectedGap(subject="source", reason=GapReason.OVERRUN)),
    )
    assert differences(wanted, late, polled=True) == []
    assert len(differences(wanted, OUTCOME, polled=True)) == 1


def test_of_a_polled_source_only_changes_count() -> None:
    def reading(value: float | None, time: int, status: Status = Status.GOOD) -> Reading:
        return Reading(SignalName("a"), Kind.FLOAT64, value, time, None, status)

    came = [reading(1.0, 1), reading(1.0, 2), reading(None, 3, Status.BAD), reading(1.0, 4)]
    polled = seen_of(came, polled=True)["a"]
    assert [(each.told.value, each.first, each.last) for each in polled] == [
        (1.0, 1, 2),
        (None, 3, 3),
        (1.0, 4, 4),
    ]
    assert len(seen_of(came, polled=False)["a"]) == 4


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("case.toml", 'says = "x"', "missing: ['equipment', 'steps']"),
        ("case.toml", 'says = "x"\nequipment = []\nsteps = []\nstep = 1', "unknown: ['step']"),
        ("case.toml", "says = ", "case.toml"),
        ("expected.toml", "readings = {}", "missing: ['naive']"),
        ("expected.toml", 'readings.a = [{ status = "FINE" }]\nnaive.rule = "x"', "GOOD"),
        ("expected.toml", 'readings.a = [{ code = "NAN" }]\nnaive.rule = "x"', "NOT_FINITE"),
        ("expected.toml", 'gaps = [{ subject = "a" }]\nreadings = {}\nnaive.rule = ""', "reason"),
    ],
)
def test_a_case_that_says_what_no_case_can_is_refused(
    tmp_path: Path, file: str, text: str, said: str
) -> None:
    folder = tmp_path / "equipment_new"
    folder.mkdir()
    (folder / "case.toml").write_text('says = "x"\nequipment = []\nsteps = []\n')
    (folder / "expected.toml").write_text('readings = {}\nnaive.rule = "x"\n')
    assert load_case(folder).expected.readings == {}
    (folder / file).write_text(text)
    with pytest.raises(CaseError) as caught:
        load_case(folder)
    assert "equipment_new" in str(caught.value)
    assert said in str(caught.value)
