"""The pages of review and login, as a browser asks for them; no script is needed to read them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from aggregator.access.roles import Role
from aggregator.model.lab_result import LabResult, ResultVerdict
from aggregator.service import assemble_record
from aggregator.service.access import accounts
from aggregator.service.integration import results
from aggregator.site import create_app
from tests.personal import ADMIN, PASSWORD, Person, cheap_passwords, secret_of
from tests.recorded_plant import GTIN, QA
from tests.reviewed_plant import LOT, Floor, opened
from tests.sealed import START

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]

PAGE: Final = f"/records/{GTIN}/L-1/review"


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    async with opened(tmp_path) as found:
        yield found


@pytest.fixture
async def browser(floor: Floor) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(floor.context))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


async def log_in(browser: httpx.AsyncClient, who: Person) -> httpx.Response:
    fields = {"user": who.user, "password": who.password, "code": who.code()}
    return await browser.post("/login/person", data=fields)


async def test_a_person_logs_in_and_out_on_the_page(
    floor: Floor, browser: httpx.AsyncClient
) -> None:
    assert (await log_in(browser, floor.li)).headers["Location"] == "/"
    assert "li.wei" in (await browser.get("/review")).text
    refused = await browser.post("/logout", headers={"Origin": "http://evil.example"})
    assert refused.status_code == 401
    out = await browser.post("/logout", headers={"Origin": "http://test"})
    assert out.headers["Location"] == "/login"
    assert (await browser.get("/api/v1/reviews")).status_code == 401


async def test_a_wrong_code_is_told_on_the_page(floor: Floor, browser: httpx.AsyncClient) -> None:
    fields = {"user": "li.wei", "password": floor.li.password, "code": "000000"}
    answer = await browser.post("/login/person", data=fields)
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert 'value="li.wei"' in answer.text
    assert floor.li.password not in answer.text


async def test_the_first_login_asks_for_a_password_of_ones_own(
    floor: Floor, browser: httpx.AsyncClient
) -> None:
    issued = await accounts.create(
        floor.context, ADMIN, "zhao.min", "Zhao Min", frozenset({Role.QA}), why="joined"
    )
    zhao = Person(
        context=floor.context,
        clock=floor.clock,
        user="zhao.min",
        secret=secret_of(issued),
        password=issued.password,
    )
    asked = await log_in(browser, zhao)
    assert 'name="new_password"' in asked.text
    fields = {"user": "zhao.min", "password": issued.password, "code": zhao.code()}
    weak = await browser.post("/login/person", data={**fields, "new_password": "short"})
    assert 'name="new_password"' in weak.text
    changed = await browser.post("/login/person", data={**fields, "new_password": PASSWORD})
    assert changed.status_code == 200
    assert 'name="new_password"' not in changed.text
    zhao.password = PASSWORD
    assert (await log_in(browser, zhao)).status_code == 303


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_the_pages_show_lanes_and_signatures(
    floor: Floor, browser: httpx.AsyncClient, language: str
) -> None:
    await log_in(browser, floor.wang)
    browser.headers["Accept-Language"] = language
    lanes = (await browser.get("/review")).text
    assert PAGE in lanes
    assert ("Needs a decision" if language == "en" else "待判定") in lanes
    page = await browser.get(PAGE)
    assert page.status_code == 200
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert not re.findall(r"<script(?! src=)|\son[a-z]+=", page.text)
    assert 'id="open"' in page.text
    await floor.release()
    signed = (await browser.get(PAGE)).text
    for each in (await floor.standing()).signatures:
        assert each.signature.printed_name in signed
    assert ("Released" if language == "en" else "已放行") in signed
    assert 'data-sign="held"' in signed
    assert 'data-sign="released"' not in signed


@pytest.mark.req(5)
async def test_the_page_shows_what_a_laboratory_found(
    floor: Floor, browser: httpx.AsyncClient
) -> None:
    for version, (value, verdict) in enumerate((("1.50 <b>", "pass"), ("1.40", "fail"))):
        found = LabResult(
            lot=LOT,
            result="LIMS-77",
            test="peel strength",
            value=value,
            verdict=ResultVerdict(verdict),
            time=START,
        )
        async with floor.context.store.write() as tx:
            await results.record(
                floor.context, tx, QA, found, expected_version=version, why="measured"
            )
    await assemble_record.assemble_record(floor.context, QA, GTIN, "L-1")
    await log_in(browser, floor.li)
    page = re.sub(r"\s+", " ", (await browser.get(PAGE)).text)
    assert "<del>1.50 &lt;b&gt; </del>" in page, "what it said before stays, marked"
    assert '<span class="state warn">▲ failed</span>' in page
    assert "found 1.40; specified: – (result LIMS-77, version 2)" in page


async def test_who_has_not_logged_in_is_asked_to(browser: httpx.AsyncClient) -> None:
    for page in ("/review", PAGE):
        answer = await browser.get(page, headers={"Accept": "text/html"})
        assert answer.headers["Location"] == "/login"
