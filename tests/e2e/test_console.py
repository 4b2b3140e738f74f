"""The console in a real browser: live, honest when the server dies, in two languages, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Page, expect

from plant.demo.orders import GTIN, LOTS
from plant.site import Site
from tests.e2e.browser import Browser, browsing
from tests.e2e.demo_rig import RunningDemo

READINGS: Final = "#gateway-gw-1 .chips div:nth-child(2) dd"

_session: dict[str, str] = {}  # the cookie that the demo's one link gave


async def log_in(browser: Browser, demo: RunningDemo) -> None:
    """Open the console by the demo's link, which serves once; later by the session it gave."""
    page = browser.page
    if _session:
        await page.context.add_cookies([{**_session, "url": demo.base}])  # type: ignore[typeddict-item]  # name and value
        await page.goto(demo.base)
    else:
        await page.goto(demo.link)
        await page.get_by_role("button", name="Open the console").click()
    await expect(page.locator("#live")).to_be_visible()
    (cookie,) = await page.context.cookies()
    _session.update(name=str(cookie["name"]), value=str(cookie["value"]))


def assert_clean(browser: Browser, base: str) -> None:
    """Assert that nothing was complained of and nothing was asked of anybody else."""
    assert browser.complaints == []
    assert [address for address in browser.addresses if not address.startswith(base)] == []


async def test_the_overview_is_live(demo: RunningDemo) -> None:
    async with browsing() as browser:
        await log_in(browser, demo)
        page = browser.page
        await expect(page.get_by_role("heading", name="Gateways")).to_be_visible()
        for source in ("press-1", "cleanroom-1", "portal-1"):
            await expect(page.locator("#live")).to_contain_text(source)
        for lot in LOTS:
            await expect(page.get_by_role("link", name=lot)).to_be_visible()
        await page.evaluate("window.sameDocument = true")
        shown = await page.locator(READINGS).inner_text()
        await expect(page.locator(READINGS)).not_to_have_text(shown)
        assert await page.evaluate("window.sameDocument"), "without a reload"
        await expect(page.locator("#stale")).to_be_hidden()
        assert_clean(browser, demo.base)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_a_record_shows_its_verdict_and_charts(demo: RunningDemo, dark: bool) -> None:
    async with browsing(dark=dark) as browser:
        await log_in(browser, demo)
        page = browser.page
        await page.get_by_role("link", name=LOTS[1]).click()
        await expect(page.locator(".verdict")).to_contain_text("need a decision")
        charts = page.locator(".plot")
        await expect(charts.locator("canvas")).to_have_count(await charts.count())
        assert await charts.count() == 3
        assert await painted(page), "a chart is more than an empty canvas"
        await expect(page.locator("#exceptions + .sheet")).to_contain_text("high action limit")
        await expect(page.get_by_role("link", name="Dossier", exact=True)).to_have_attribute(
            "href", f"/api/v1/records/{GTIN}/{LOTS[1]}.dossier"
        )
        assert_clean(browser, demo.base)


async def test_the_console_speaks_chinese_where_the_browser_does(demo: RunningDemo) -> None:
    async with browsing(locale="zh-CN") as browser:
        await log_in_chinese(browser, demo)
        page = browser.page
        await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
        await expect(page.get_by_role("heading", name="网关")).to_be_visible()
        await page.get_by_role("link", name=LOTS[1]).click()
        await expect(page.locator("#exceptions + .sheet")).to_contain_text("超限")
        await expect(page.locator("#exceptions + .sheet")).to_contain_text("行动上限")
        await page.get_by_role("link", name="English").click()
        await expect(page.locator("html")).to_have_attribute("lang", "en")
        await page.goto(demo.base)
        await expect(page.get_by_role("heading", name="Gateways")).to_be_visible()
        assert_clean(browser, demo.base)


async def test_the_api_is_described_without_the_internet(demo: RunningDemo) -> None:
    async with browsing() as browser:
        page = browser.page
        await page.goto(f"{demo.base}/docs")
        await expect(page.get_by_text("List every equipment")).to_be_visible()
        await expect(page.get_by_role("button", name="Authorize")).to_be_visible()
        assert_clean(browser, demo.base)


async def test_a_link_that_was_used_is_told_so(demo: RunningDemo) -> None:
    async with browsing() as browser:
        await log_in(browser, demo)
        await browser.page.context.clear_cookies()
        await browser.page.goto(demo.link)
        await browser.page.get_by_role("button", name="Open the console").click()
        await expect(browser.page.get_by_role("alert")).to_contain_text("token")


async def test_the_badge_tells_that_the_server_died_and_came_back(tmp_path: Path) -> None:
    async with Site(tmp_path) as site, browsing() as browser:
        await site.set_up("")
        await site.aggregator.start()
        await site.client.until("/lots", lambda answer: answer, timeout_s=90)
        page = browser.page
        await page.goto(await site.login_link("visitor", "qa"))
        await page.get_by_role("button", name="Open the console").click()
        await expect(page.locator("#live")).to_contain_text("never seen")
        await expect(page.locator("#stale")).to_be_hidden()
        await site.aggregator.kill()
        await expect(page.locator("#stale")).to_contain_text("No news")
        await site.aggregator.start()
        await expect(page.locator("#stale")).to_be_hidden()


async def log_in_chinese(browser: Browser, demo: RunningDemo) -> None:
    """Log in where the button is Chinese: by a session that another test has, or anew."""
    if not _session:
        async with browsing() as other:
            await log_in(other, demo)
    await log_in(browser, demo)


async def painted(page: Page) -> bool:
    """Tell whether the first chart holds more than one colour."""
    found: bool = await page.locator(".plot canvas").first.evaluate(
        """canvas => {
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return new Set(new Uint32Array(data.buffer)).size > 3;
        }"""
    )
    return found
