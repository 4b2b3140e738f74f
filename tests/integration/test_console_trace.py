"""The page that traces: a label leads to a drawing and the same as a table, in both languages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from aggregator.access.roles import Actor, Role
from aggregator.access.tokens import TokenKind
from aggregator.caller import COOKIE
from aggregator.service.genealogy import edges
from tests.genealogies import GTIN, edge, lot, unit
from tests.integration.api_rig import Api, running_api

QA: Final = Actor(name="qa.li", roles=frozenset({Role.QA}))


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as api:
        units = [unit(f"S{number:03}") for number in range(300)]
        new = [edge([lot("RAW")], [lot("MADE")], 0), edge([lot("MADE")], units, 9)]
        await edges.add(api.context, QA, new, why="test")
        yield api


async def page(api: Api, **query: str) -> httpx.Response:
    session = await api.token(Role.QA, kind=TokenKind.SESSION)
    return await api.http.get("/trace", params=query, headers={"Cookie": f"{COOKIE}={session}"})


@pytest.mark.req(13)
async def test_a_label_is_drawn_and_listed(api: Api) -> None:
    text = (await page(api, gs1=f"https://id.example.com/01/{GTIN}/21/S007")).text
    assert text.count("<rect") == 3
    assert text.count('class="way"') == 2
    for item in (lot("RAW"), lot("MADE"), unit("S007")):
        assert item.key in text


async def test_a_large_trace_is_drawn_in_part_and_listed_whole(api: Api) -> None:
    query = {"gs1": str(lot("RAW")), "direction": "forward"}
    text = (await page(api, **query)).text
    assert text.count("<rect") == 60
    assert "the nearest 60" in text
    assert "<dd>302</dd>" in text
    rest = (await page(api, **query, start="200")).text
    assert "<rect" not in rest
    listed = {name for name in (f"S{at:03}" for at in range(300)) if name in text + rest}
    assert len(listed) == 300


async def test_the_page_speaks_chinese_and_asks_first(api: Api) -> None:
    text = (await page(api, lang="zh-CN")).text
    assert "扫描标签" in text
    assert "<table" not in text


@pytest.mark.parametrize(
    ("asked", "status"), [("L-1", 422), ("lot:x", 422), (f"(01){GTIN}(10)NONE", 404)]
)
async def test_what_leads_nowhere_is_told(api: Api, asked: str, status: int) -> None:
    answer = await page(api, gs1=asked)
    assert answer.status_code == status
    assert 'role="alert"' in answer.text


async def test_what_was_asked_is_no_markup(api: Api) -> None:
    text = (await page(api, gs1='"><script>alert(1)</script>')).text
    assert "<script>alert" not in text
