"""The frozen dossiers: what each verdict was when the format was fixed, it still is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.dossier_vectors import FOLDER
from verifier.policy import read_policy
from verifier.report import Outcome, Verdict
from verifier.verify import verify

EXPECTED: dict[str, dict[str, Any]] = json.loads(FOLDER.joinpath("expected.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_frozen_dossier(name: str) -> None:
    policy = read_policy(FOLDER.joinpath("policy.toml").read_bytes())
    report = verify(FOLDER.joinpath(f"{name}.dossier").read_bytes(), policy)
    expected = EXPECTED[name]
    outcomes = {check.number: check.outcome for check in report.checks}
    assert report.verdict.name == expected["verdict"], report.to_text("en")
    assert [n for n, o in outcomes.items() if o is Outcome.FAILED] == expected["failed"]
    assert [n for n, o in outcomes.items() if o is Outcome.UNDECIDED] == expected["not_decidable"]
    named = [[each.signal, each.time, each.culprit] for each in report.altered]
    assert named[: len(expected["altered"])] == expected["altered"]
    assert bool(named) is bool(expected["altered"])


def test_the_true_ones_alone_are_verified() -> None:
    verified = {name for name, each in EXPECTED.items() if each["verdict"] == Verdict.VERIFIED.name}
    assert verified == {"true", "private"}
    assert {path.stem for path in FOLDER.glob("*.dossier")} == set(EXPECTED)
