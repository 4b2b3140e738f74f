"""Accounts and approvals in a real browser: two persons, no script, both languages and widths."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Page, expect

from aggregator.access import second_factor
from tests.approving_plant import Site, site_of
from tests.e2e.browser import Browser, browsing
from tests.e2e.console_rig import log_in, log_in_by_id, look, served
from tests.personal import Person, cheap_passwords
from tests.recorded_plant import GTIN

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]


async def log_out(page: Page) -> None:
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()


async def approve(page: Page, base: str, who: Person, site: Site) -> None:
    """Log another person in, who approves the one request that waits."""
    await log_in(page, base, who)
    await page.get_by_role("link", name="Approvals").click()
    await page.get_by_label("Reason").fill("as agreed")
    await page.get_by_label("Password, to approve").fill(who.password)
    await look(page, "approvals-to-decide")
    await page.get_by_role("button", name="Approve").click()


async def test_an_account_is_made_by_two_and_opened_by_its_person(tmp_path: Path) -> None:
    async with (
        site_of(tmp_path) as site,
        served(site.context) as base,
        browsing() as browser,
    ):
        page = browser.page
        await log_in(page, base, site.root)
        await page.get_by_role("link", name="Accounts").click()
        await look(page, "accounts")
        made = page.locator("section", has=page.get_by_role("heading", name="Make an account"))
        await made.get_by_label("User").fill("zhao.min")
        await made.get_by_label("Name, as it is printed").fill("Zhao Min 赵敏")
        await made.get_by_label("releaser").check()
        await made.get_by_label("Reason").fill("joined")
        await made.get_by_role("button").click()
        await expect(page.locator("main")).to_contain_text("zhao.min")
        await expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        await log_out(page)
        await approve(page, base, site.anna, site)
        password = await page.locator("#issued").inner_text()
        await look(page, "handed")
        (secret,) = parse_qs(urlsplit(await page.locator("p.hash").inner_text()).query)["secret"]
        await log_out(page)
        zhao = Person(
            context=site.context,
            clock=site.floor.clock,
            user="zhao.min",
            secret=base64.b32decode(secret),
            password=password,
        )
        await page.get_by_label("User").fill("zhao.min")
        await page.get_by_label("Password").fill(password)
        await page.get_by_label("One-time code").fill(zhao.code())
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_label("New password")).to_be_visible()
        await page.get_by_label("Password", exact=True).fill(password)
        await page.get_by_label("One-time code").fill(zhao.code())
        await page.get_by_label("New password").fill("the kiln hums at dusk")
        await page.get_by_role("button", name="Change the password").click()
        await expect(page.get_by_role("button", name="Log in")).to_be_visible()
        zhao.password = "the kiln hums at dusk"
        await log_in(page, base, zhao)
        assert [each for each in browser.complaints if "401" not in each] == []


async def test_one_s_own_account_is_kept_on_its_page(tmp_path: Path) -> None:
    async with (
        site_of(tmp_path) as site,
        served(site.context) as base,
        browsing() as browser,
    ):
        page, li = browser.page, site.floor.li
        await li.log_in()
        await log_in(page, base, li)
        await page.locator(".actor").click()
        await look(page, "account")
        rows = page.locator("section", has_text="Sessions").locator("tbody tr")
        await expect(rows).to_have_count(2)
        await rows.filter(has_not_text="this one").get_by_role("button", name="End").click()
        await expect(rows).to_have_count(1)
        await page.get_by_label("User").fill("chen.jie")
        await page.get_by_label("Reason").fill("on leave")
        await page.get_by_role("button", name="Name the delegate").click()
        await expect(page.locator("td", has_text="chen.jie")).to_be_visible()
        await page.get_by_role("link", name="Replace the authenticator").click()
        await look(page, "authenticator")
        (text,) = parse_qs(urlsplit(await page.locator("p.hash").inner_text()).query)["secret"]
        fresh = base64.b32decode(text)
        await page.get_by_label("Code of the new").fill("000000")
        await page.get_by_label("Password").fill(li.password)
        await page.get_by_label("Code of the old").fill(li.code())
        await page.get_by_role("button", name="Put it in force").click()
        await expect(page.get_by_role("alert")).to_contain_text("new authenticator is not right")
        (text,) = parse_qs(urlsplit(await page.locator("p.hash").inner_text()).query)["secret"]
        fresh = base64.b32decode(text)
        old = li.code()
        step = second_factor.step_at(site.floor.clock.now())
        await page.get_by_label("Code of the new").fill(second_factor.code_at(fresh, step))
        await page.get_by_label("Password").fill(li.password)
        await page.get_by_label("Code of the old").fill(old)
        await page.get_by_role("button", name="Put it in force").click()
        await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        li.secret = fresh
        await log_in(page, base, li)
        assert [each for each in browser.complaints if "422" not in each] == []


async def test_a_confidential_record_is_asked_for_approved_and_taken(tmp_path: Path) -> None:
    async with (
        site_of(tmp_path) as site,
        served(site.context) as base,
        browsing() as browser,
    ):
        page = browser.page
        await log_in(page, base, site.floor.li)
        await page.goto(f"{base}/records/{GTIN}/L-1")
        await page.get_by_text("Confidential: it leaves").click()
        await look(page, "record-confidential")
        await page.get_by_label("Form").select_option("json")
        await page.get_by_label("Reason").fill("the notified body asks")
        await page.get_by_role("button", name="Ask for it").click()
        await expect(page.locator("main")).to_contain_text("waiting")
        await log_out(page)
        await approve(page, base, site.floor.chen, site)
        await expect(page.locator("main")).to_contain_text("approved")
        await log_out(page)
        await log_in(page, base, site.floor.li)
        await page.get_by_role("link", name="Approvals").click()
        async with page.expect_download() as taking:
            await page.get_by_role("link", name="Take it out, once").click()
        data = Path(await (await taking.value).path()).read_bytes()
        assert hashlib.sha256(data).hexdigest() == await site.hash()
        await page.reload()
        await expect(page.locator("main")).to_contain_text("done")
        await expect(page.get_by_role("link", name="Take it out, once")).to_have_count(0)
        assert browser.complaints == []


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_the_pages_fit_a_phone_in_both_languages(
    tmp_path: Path, locale: str, dark: bool
) -> None:
    async with (
        site_of(tmp_path) as site,
        served(site.context) as base,
        browsing(locale=locale, dark=dark) as browser,
    ):
        page = browser.page
        await page.set_viewport_size({"width": 400, "height": 800})
        await log_in_by_id(page, base, site.root)
        for path in ("accounts", "approvals", "account", "account/authenticator"):
            await page.goto(f"{base}/{path}")
            await look(page, f"{path.replace('/', '-')}-{locale}-{'dark' if dark else 'light'}-400")
            heading = await page.locator("h1").first.inner_text()
            assert heading.isascii() is (locale == "en-GB"), heading
        assert complaints(browser) == []


def complaints(browser: Browser) -> list[str]:
    """Return what the browser complained of: no refused style, script or request among it."""
    return browser.complaints
