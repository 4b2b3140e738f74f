"""The frozen dossiers: what each verdict was when the format was fixed, it still is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.dossier_vectors import FOLDER, PLACEMENT
from verifier.policy import read_policy
from verifier.report import Outcome, Verdict
from verifier.verify import verify

EXPECTED: dict[Path, dict[str, dict[str, Any]]] = {
    folder: json.loads(folder.joinpath("expected.json").read_text())
    for folder in (FOLDER, PLACEMENT)
}


@pytest.mark.parametrize(
    ("folder", "name"), [(folder, name) for folder in EXPECTED for name in EXPECTED[folder]]
)
def test_frozen_dossier(folder: Path, name: str) -> None:
    policy = read_policy(folder.joinpath("policy.toml").read_bytes())
    report = verify(folder.joinpath(f"{name}.dossier").read_bytes(), policy)
    expected = EXPECTED[folder][name]
    outcomes = {check.number: check.outcome for check in report.checks}
    assert report.verdict.name == expected["verdict"], report.to_text("en")
    assert [n for n, o in outcomes.items() if o is Outcome.FAILED] == expected["failed"]
    assert [n for n, o in outcomes.items() if o is Outcome.UNDECIDED] == expected["not_decidable"]
    named = [[each.signal, each.time, each.culprit] for each in report.altered]
    assert named[: len(expected["altered"])] == expected["altered"]
    assert bool(named) is bool(expected["altered"])


@pytest.mark.parametrize(
    ("folder", "true"), [(FOLDER, {"true", "private"}), (PLACEMENT, {"placed", "private"})]
)
def test_the_true_ones_alone_are_verified(folder: Path, true: set[str]) -> None:
    expected = EXPECTED[folder]
    verified = {name for name, each in expected.items() if each["verdict"] == Verdict.VERIFIED.name}
    assert verified == true
    assert {path.stem for path in folder.glob("*.dossier")} == set(expected)
