"""One Chinese word each: what docs/reference/words.md rejects is said nowhere that people look."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

import pytest

from aggregator.export.words_zh import CHINESE
from aggregator.web.words import catalogue, problems
from tests.arch.sources import ROOT

TABLE: Final = re.findall(
    r"^\| ([a-z][^|]*) \| ([^|]*[\u4e00-\u9fff][^|]*) \| ([^|]*)\|$",
    ROOT.joinpath("docs/reference/words.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)
REJECTED: Final = {
    word: right for _, right, wrong in TABLE for word in re.split("[，；]", wrong.strip()) if word
}
SAID: Final = (
    *("aggregator/export/words_zh.py", "verifier/texts.py", "README.zh-CN.md"),
    *("aggregator/web/locale/zh-CN.json", "aggregator/web/locale/zh-CN.problems.json"),
    *("verifier/page/page.html", "verifier/page/scripts/page.js"),
    *("verifier/page/scripts/report.js", "verifier/page/scripts/chinese.js"),
)
"""The files that hold what is shown in Chinese."""


def chosen() -> Iterator[str]:
    """Yield the chosen words, one by one."""
    for _, right, _ in TABLE:
        yield from re.split("[，；：]", right.strip())


def test_the_table_is_read() -> None:
    assert len(TABLE) > 25
    assert {"证据包", "数据束", "密封"} <= REJECTED.keys()
    assert not set(chosen()) & REJECTED.keys()


@pytest.mark.parametrize("name", SAID)
def test_no_rejected_word_is_shown(name: str) -> None:
    text = ROOT.joinpath(name).read_text(encoding="utf-8")
    assert re.search("[\u4e00-\u9fff]", text), "it is a file that speaks Chinese"
    assert [f"{word}: say {right}" for word, right in REJECTED.items() if word in text] == []


@pytest.mark.parametrize("word", sorted(set(chosen()) - {"回执"}))
def test_every_chosen_word_is_said(word: str) -> None:
    """A word of the table that nothing shows would be a rule about nothing."""
    shown = [*CHINESE.values(), *catalogue("zh-CN").values(), *problems("zh-CN").values()]
    files = [ROOT.joinpath(name).read_text(encoding="utf-8") for name in SAID]
    assert word in json.dumps([shown, files], ensure_ascii=False)
