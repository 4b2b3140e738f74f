"""The worked example of docs/specs/record.md is what the code makes of its case."""

from __future__ import annotations

import json
import re
from pathlib import Path

from aggregator.model.record.assemble import assemble
from aggregator.model.record.document import encode_record
from aggregator.model.record.exceptions import ExceptionKind
from tests.cases.record_case import load_case

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "specs" / "record.md").read_text(encoding="utf-8")


def test_the_example_is_what_the_case_gives() -> None:
    shown = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    _, _, inputs = load_case(ROOT / "tests" / "cases" / "record_status_respected")
    assert json.loads(shown[1]) == json.loads(encode_record(assemble(inputs)))


def test_every_kind_is_specified() -> None:
    for kind in ExceptionKind:
        assert f"`{kind.value}`" in PAGE
