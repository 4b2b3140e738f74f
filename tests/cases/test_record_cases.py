"""Each folder ``record_*`` is one way in which records go wrong, and what ours says instead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aggregator.model.record.assemble import assemble
from aggregator.model.record.document import encode_record
from tests.cases.naive import RULES
from tests.cases.record_case import load_case, look_up

CASES = sorted(Path(__file__).parent.glob("record_*/case.json"))


@pytest.mark.parametrize("path", CASES, ids=[path.parent.name for path in CASES])
def test_a_record_says_what_the_case_says(path: Path) -> None:
    case, _, inputs = load_case(path.parent)
    document = json.loads(encode_record(assemble(inputs)))
    found = {where: look_up(document, where) for where in case["expected"]}
    assert found == case["expected"], case["says"]


@pytest.mark.parametrize("path", CASES, ids=[path.parent.name for path in CASES])
def test_the_case_tells_the_naive_rule_from_ours(path: Path) -> None:
    case, readings, inputs = load_case(path.parent)
    naive = case["naive"]
    document = json.loads(encode_record(assemble(inputs)))
    said = RULES[naive["rule"]](case, readings)
    assert said == pytest.approx(naive["gives"]), "the case states what the naive rule gives"
    assert said != pytest.approx(look_up(document, naive["instead_of"]))


def test_there_are_cases() -> None:
    assert len(CASES) >= 14
