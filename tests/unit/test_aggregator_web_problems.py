"""What errors say in Chinese: every text that a person of the console can meet, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.access.roles import Act, Actor, Role, require
from aggregator.errors import DeniedError
from aggregator.model import approval, disposition
from aggregator.model.disposition import Hindrance, sentence
from aggregator.model.genealogy import item
from aggregator.service.access import second_person
from aggregator.web import words
from tests.arch.sources import ROOT

MET: Final = (
    "access",
    "audit.py",
    "caller.py",
    "model/approval.py",
    "model/binding/fact.py",
    "model/disposition.py",
    "model/genealogy/edge.py",
    "model/genealogy/item.py",
    "model/integration",
    "model/lab_result.py",
    "model/master/lot.py",
    "model/signature.py",
    "service/access",
    "service/approval",
    "service/assemble_record.py",
    "service/binding/coverage.py",
    "service/binding/unended.py",
    "service/facts.py",
    "service/genealogy/edges.py",
    "service/genealogy/forms.py",
    "service/genealogy/trace_lot.py",
    *(f"service/integration/{name}.py" for name in ("adapters", "imports", "items", "misfits")),
    *(f"service/integration/{name}.py" for name in ("receivers", "results")),
    "service/lots.py",
    "service/master/master_data.py",
    "service/review",
    "web",
)
"""Where the errors are raised that a person can meet in the console."""

CHINESE: Final = words.problems("zh-CN")


def texts_of(said: ast.expr) -> Iterator[str]:
    """Yield every text that an expression can be, with numbers for what fills it in."""
    if isinstance(said, ast.IfExp):
        yield from texts_of(said.body)
        yield from texts_of(said.orelse)
        return
    parts: list[ast.expr] = [said]
    while isinstance(parts[0], ast.BinOp):
        parts[:1] = [parts[0].left, parts[0].right]
    text, count = "", 0
    for part in parts:
        for value in part.values if isinstance(part, ast.JoinedStr) else [part]:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                text += value.value
            else:
                text += f"{{{count}}}"
                count += 1
    yield text


@cache
def raised() -> frozenset[str]:
    """Return every message and hint of an error that a person can meet."""
    found: set[str] = set()
    for place in MET:
        path = ROOT / "aggregator" / place
        for source in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for call in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and _is_error(call.func):
                    hints = [each.value for each in call.keywords if each.arg == "hint"]
                    for each in (*call.args, *hints):
                        found |= {text for text in texts_of(each) if says_something(text)}
    return frozenset(found)


def _is_error(called: ast.expr) -> bool:
    return isinstance(called, ast.Name) and called.id.endswith("Error") and called.id != "TypeError"


def says_something(text: str) -> bool:
    """Tell whether a text has words of its own, not only what fills it in."""
    return any(letter.isalpha() for letter in text) and text != "is"


def within() -> set[str]:
    """Return what fills errors in, or stands in the place of one."""
    return {
        *(sentence(each) for each in Hindrance),
        *(act.value.replace("_", " ") for act in Act),
        *(event.value.replace("_", " ") for event in (*disposition.Event, *approval.Event)),
        *GUARDED,
        *HINTS,
        *MISSING,
    }


GUARDED: Final = {
    *("a new receiver of events", "a new account", "what opens an account"),
    *("the end of an account", "a token", "taking a lock off", "a change of roles"),
}
"""What takes a second person, as its guard is told."""

HINTS: Final = {second_person.ASK, *item.FORMS.values()}

MISSING: Final = {
    "a lot that went into it is held or rejected",
    "data or facts have come since the newest version: assemble the record again",
}
"""What the dry run lists besides the hindrances."""


def test_the_texts_of_errors_are_found() -> None:
    assert {
        "there is no misfit {0}",
        "the lot is {0}: it cannot {1} ({2})",
        "look at it again, then sign what you see",
        "there is no record of {0}{1}",
    } <= raised()
    assert len(raised()) > 200


@pytest.mark.parametrize("text", sorted(raised() | within()))
def test_every_error_that_a_person_meets_is_said_in_chinese(text: str) -> None:
    assert text in CHINESE, f"zh-CN.problems.json lacks {text!r}"
    fields = re.compile(r"\{\d+\}")
    assert sorted(fields.findall(CHINESE[text])) == sorted(fields.findall(text))


def test_no_translation_of_an_error_is_left_over() -> None:
    assert set(CHINESE) - raised() - within() == set()


@pytest.mark.parametrize("place", ["service/access", "service/review", "service/approval"])
def test_what_a_guard_is_told_is_in_the_list(place: str) -> None:
    folder = ROOT / "aggregator" / place
    sources = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    found = set(re.findall(r'guard_\w+\(context, tx, "([^"]+)"', sources))
    said = set(re.findall(r'text = "([^"]+)"', sources))
    assert found <= GUARDED
    assert said <= MISSING


def test_an_error_is_told_with_what_filled_it_in() -> None:
    explain = words.explainer("zh-CN")
    with pytest.raises(DeniedError) as denied:
        require(Actor(name="li.wei", roles=frozenset({Role.QA})), Act.DECIDE_LOT)
    assert explain(denied.value) == "li.wei 无权限：放行或拒绝批次"
    assert explain(denied.value.hint) == "现有角色：质量审核员；有权限的角色：放行人"
    assert explain("the check digit of GTIN 09506000134353 is wrong") == (
        "GTIN 09506000134353 的校验位有误"
    )
    assert explain("the lot is held: it cannot release (it is not at the stage for it)") == (
        "批次已暂停：不能放行（尚未处于相应阶段）"
    )
    assert words.explainer("en")(denied.value) == "li.wei may not decide lot"


def test_what_is_not_known_stays_as_it_is_however_long() -> None:
    explain = words.explainer("zh-CN")
    for text in ("the moon is full", "there is no lot " + "x" * 5_000, "{0} {1}", ""):
        assert explain(text) == text


@given(st.text(alphabet="abc ,;:'(){}01", max_size=200))
def test_no_text_makes_the_search_fail(text: str) -> None:
    assert words.explainer("zh-CN")(f"there is no {text}")
