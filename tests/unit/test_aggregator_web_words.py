"""The catalogues are whole: what a page or a record may say in English, it says in Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from aggregator.access.roles import Role
from aggregator.export.words import ENGLISH
from aggregator.export.words_zh import CHINESE
from aggregator.model.approval import State as ApprovalState
from aggregator.model.disposition import Stage
from aggregator.model.genealogy.edge import EdgeKind
from aggregator.model.genealogy.item import ItemKind
from aggregator.model.record.batch_record import RecordState
from aggregator.model.record.exceptions import ExceptionKind
from aggregator.model.rollout import VersionState
from aggregator.model.signature import Meaning
from aggregator.ops.gateways import GatewayState
from aggregator.service.approval.sensitive import (
    AddKey,
    AddReceiver,
    ApplySettings,
    ApproveEpoch,
    CreateAccount,
    ExportRecord,
    GiveToken,
    OpenExchange,
    RevokeKey,
)
from aggregator.service.master.documents import EntityKind
from aggregator.web import pages, receivers
from aggregator.web.access import KINDS
from aggregator.web.bindings import CAME
from aggregator.web.misfits import STATES
from aggregator.web.proposals import EVIDENCE
from aggregator.web.review import BUTTONS
from aggregator.web.words import catalogue, translator
from protocols.wire.life import SourceState

WEB = Path(pages.__file__).parent
PAGES = {path.name: path.read_text(encoding="utf-8") for path in WEB.glob("templates/*.html")}
SENSITIVE = (
    AddKey,
    AddReceiver,
    ApplySettings,
    ApproveEpoch,
    CreateAccount,
    ExportRecord,
    GiveToken,
    OpenExchange,
    RevokeKey,
)  # they have every field


def used() -> Iterator[str]:
    """Yield every text that a template or its code asks the catalogue for."""
    for text in (*PAGES.values(), Path(pages.__file__).read_text(encoding="utf-8")):
        for quote in ("'", '"'):
            yield from re.findall(rf"\b(?:t|translate)\(\s*{quote}([^{quote}]+){quote}", text)
    # States are asked for by name, and ages by the unit that fits.
    yield from re.findall(r'"(\{count\} \w+ ago)"', Path(pages.__file__).read_text())
    for state in (*GatewayState, *SourceState):
        yield state.name.lower().replace("_", " ")
    yield from (state.value for state in RecordState)
    yield from (stage.value.replace("_", " ") for stage in Stage)
    yield from (kind.value.replace("_", " ") for kind in (*ItemKind, *EdgeKind))
    yield from (state.value for state in ApprovalState)
    for said in (KINDS, STATES, EVIDENCE, CAME, BUTTONS):
        yield from said.values()
    yield from receivers.STATES
    yield from (state.value.replace("_", " ") for state in VersionState if state != "in_force")
    yield from (kind.value.replace("_", " ") for kind in EntityKind)
    yield from (role.value for role in Role)
    for act in SENSITIVE:
        yield from (name.replace("_", " ") for name in act.model_fields if name != "kind")


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_the_texts_of_the_pages_are_found() -> None:
    found = set(used())
    assert {"Overview", "Critical parameters", "{count} s ago", "never seen", "complete"} <= found
    assert len(found) > 50


@pytest.mark.parametrize("text", sorted(set(used())))
def test_every_text_stands_in_chinese(text: str) -> None:
    chinese = catalogue("zh-CN")
    assert text in chinese, f"zh-CN.json lacks {text!r}"
    assert fields(chinese[text]) == fields(text)


def test_no_translation_is_left_over() -> None:
    assert set(catalogue("zh-CN")) - set(used()) == set()


def test_the_record_says_the_same_in_both_languages() -> None:
    assert set(CHINESE) == set(ENGLISH)
    for key, text in ENGLISH.items():
        assert fields(CHINESE[key]) == fields(text), key
    assert {f"kind.{kind.value}" for kind in ExceptionKind} <= set(CHINESE)
    assert {f"meaning.{meaning.value}" for meaning in Meaning} <= set(CHINESE)


def test_a_text_is_filled_in() -> None:
    assert translator("zh-CN")("{count} s ago", count=3) == "3 秒前"
    assert translator("en")("{count} s ago", count=3) == "3 s ago"
