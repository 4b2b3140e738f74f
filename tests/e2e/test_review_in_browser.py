"""Review in a real browser: keys, the dialog, what it shows and what it signs, under the policy."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Page, expect

from aggregator.model.disposition import Stage
from aggregator.model.signature import Component
from tests.e2e.browser import browsing
from tests.e2e.console_rig import log_in, log_in_by_id, served
from tests.personal import Person, cheap_passwords
from tests.recorded_plant import GTIN
from tests.reviewed_plant import opened

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]

PAGE: Final = f"/records/{GTIN}/L-1/review"


async def sign(page: Page, who: Person, reason: str) -> None:
    """Fill the dialog in, with the components that it asks for, and sign."""
    dialog = page.locator("#sign")
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("Reason").fill(reason)
    await dialog.get_by_label("Password").fill(who.password)
    code = dialog.get_by_label("One-time code")
    if await code.is_visible():
        await code.fill(who.code())
    async with page.expect_navigation():
        await dialog.get_by_role("button", name="Sign").click()


async def test_a_lot_is_decided_and_released_on_the_page(tmp_path: Path) -> None:
    async with opened(tmp_path) as floor, served(floor.context) as base, browsing() as browser:
        page = browser.page
        await log_in(page, base, floor.li)
        await page.goto(f"{base}/review")
        await page.get_by_role("link", name="L-1").click()
        async with page.expect_navigation():
            await page.get_by_role("button", name="Open the review").click()
        waiting = page.locator("td .state.warn")
        count = await waiting.count()
        assert count > 1
        for _ in range(count):
            row = page.locator("tr[data-subject]", has=page.locator(".state.warn")).first
            await row.focus()
            await page.keyboard.press("a")
            shown = page.locator('#sign [data-shown="printed_name"]')
            await expect(shown).to_have_text("Li Wei 李伟 (li.wei)")
            await sign(page, floor.li, "explained by the operator")
        await expect(waiting).to_have_count(0)
        await page.locator('button[data-sign="reviewed"]').click()
        await sign(page, floor.li, "all of it judged")
        await page.get_by_role("button", name="If I released now…").click()
        await expect(page.locator("#missing")).to_contain_text("another person")
        await page.context.clear_cookies()
        await log_in(page, base, floor.chen)
        await page.goto(base + PAGE)
        await page.locator('button[data-sign="released"]').click()
        await sign(page, floor.chen, "fit for use")
        await expect(page.locator("#review")).to_contain_text("released")
        assert browser.complaints == []
        standing = await floor.standing()
    assert standing.disposition.stage is Stage.RELEASED
    first, *_, reviewed, released = [each.signature for each in standing.signatures]
    assert first.components == released.components == (Component.PASSWORD, Component.CODE)
    assert reviewed.components == (Component.PASSWORD,)


async def test_what_the_api_refuses_is_told_in_the_language_of_the_page(tmp_path: Path) -> None:
    async with (
        opened(tmp_path) as floor,
        served(floor.context) as base,
        browsing(locale="zh-CN") as browser,
    ):
        page = browser.page
        await log_in_by_id(page, base, floor.li)
        await floor.open(await floor.li.log_in())
        await page.goto(base + PAGE)
        await page.locator("#dry").click()
        await expect(page.locator("#missing")).to_contain_text("有异常待判定")
        await page.locator('button[data-sign="reviewed"]').click()
        await expect(page.locator("#problem")).to_contain_text("批次审核中：不能签署审核")
        await page.locator('button[data-sign="held"]').click()
        dialog = page.locator("#sign")
        await expect(dialog.locator('[data-shown="meaning"]')).to_have_text("已暂停")
        await dialog.locator("#reason").fill("看一下")
        await dialog.locator("#password").fill("not the password")
        await dialog.locator("#code").fill("000000")
        await dialog.locator("button[type=submit]").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("密码或验证码不正确")


async def test_keys_move_and_refusals_are_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as floor, served(floor.context) as base, browsing() as browser:
        page = browser.page
        await log_in(page, base, floor.li)
        session = await floor.li.log_in()
        await floor.open(session)
        await page.goto(base + PAGE)
        rows = page.locator("tr[data-subject]")
        await page.keyboard.press("j")
        await expect(rows.nth(0)).to_be_focused()
        await page.keyboard.press("j")
        await expect(rows.nth(1)).to_be_focused()
        await page.keyboard.press("k")
        await page.keyboard.press("r")
        dialog = page.locator("#sign")
        await dialog.get_by_label("Reason").fill("no")
        await dialog.get_by_label("Password").fill("not the password")
        await dialog.get_by_label("One-time code").fill("000000")
        await dialog.get_by_role("button", name="Sign").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("is not right")
        await dialog.get_by_role("button", name="Cancel").click()
        await expect(dialog).to_be_hidden()
        await page.locator('button[data-sign="deviation_raised"]').first.click()
        await dialog.get_by_label("Deviation number").fill("DEV-2026-7")
        await sign(page, floor.li, "handed to quality")
        await expect(rows.nth(0)).to_contain_text("DEV-2026-7")
        assert [each for each in browser.complaints if "401" not in each] == []
