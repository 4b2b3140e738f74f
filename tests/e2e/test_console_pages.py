"""Every page that a person works with: on a phone, in both languages, light and dark, readable."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Page, expect

from aggregator.model.integration.event import EventType
from aggregator.service.binding import unended
from aggregator.service.integration import misfits
from aggregator.service.integration.misfits import MisfitState
from tests.e2e.browser import browsing
from tests.e2e.console_rig import log_in, log_in_by_id, look, served
from tests.personal import cheap_passwords
from tests.recorded_plant import GTIN, QA
from tests.rigs.busy_plant import BusyPlant, busy_plant

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]

WIDE: Final = {"width": 1280, "height": 900}
PHONE: Final = {"width": 400, "height": 800}
LOT: Final = f"lot:(01){GTIN}(10)L-1"


def pages_of(plant: BusyPlant) -> tuple[tuple[str, str], ...]:
    """Return the name and the address of each page that QA works with."""
    times = "start=2026-09-21T14:13:20&end=2026-09-21T14:16:00"
    return (
        ("overview", "/"),
        ("record", f"/records/{GTIN}/L-1"),
        ("review", f"/records/{GTIN}/L-1/review"),
        ("lanes", "/review"),
        ("trace", f"/trace?gs1={LOT}"),
        ("misfits", "/misfits"),
        ("misfit", f"/misfits/{plant.misfit}"),
        ("proposals", "/proposals"),
        ("bindings", f"/bindings?{times}"),
        ("no-right", "/receivers"),
    )


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
async def test_every_page_holds_and_can_be_read(
    tmp_path: Path, locale: str, dark: bool, size: dict[str, int]
) -> None:
    async with (
        busy_plant(tmp_path) as plant,
        served(plant.context) as base,
        browsing(locale=locale, dark=dark) as browser,
    ):
        page = browser.page
        await page.set_viewport_size({"width": size["width"], "height": size["height"]})
        kind = f"{locale}-{'dark' if dark else 'light'}-{size['width']}"
        await log_in_by_id(page, base, plant.site.floor.li)
        for name, address in pages_of(plant):
            await page.goto(base + address)
            await unfold(page)
            await look(page, f"{name}-{kind}")
            assert await faults(page) == [], name
        await page.context.clear_cookies()
        await log_in_by_id(page, base, plant.site.root)
        for name, address in (
            ("receivers", "/receivers"),
            ("receiver", f"/receivers/{plant.receiver}"),
        ):
            await page.goto(base + address)
            await unfold(page)
            await look(page, f"{name}-{kind}")
            assert await faults(page) == [], name
        assert [each for each in browser.complaints if "403" not in each] == []


async def unfold(page: Page) -> None:
    """Open whatever a page keeps folded, so that it is looked at too."""
    await page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")


async def faults(page: Page) -> Sequence[str]:
    """Return what of a page a screen reader or a keyboard would stumble over.

    After the rules of axe-core that can be told without it: names, ids, headings, language.
    """
    found: list[str] = await page.evaluate(_FAULTS)
    return found


_FAULTS: Final = """() => {
    const every = (what) => [...document.querySelectorAll(what)];
    const ids = every("[id]").map((each) => each.id);
    const named = (each) => each.textContent.trim() || each.getAttribute("aria-label");
    const rules = {
        "stands twice": every("[id]").filter((each, at) => ids.indexOf(each.id) !== at),
        "has no label": every("input:not([type=hidden]), select, textarea")
            .filter((each) => !each.labels.length || !named(each.labels[0])),
        "has no name": every("button, a, summary").filter((each) => !named(each)),
        "is named by nothing": every("[aria-labelledby]")
            .filter((each) => !ids.includes(each.getAttribute("aria-labelledby"))),
        "is a picture without words": every("img:not([alt])"),
        "is no language": every("html:not([lang])"),
        "has no heading": every("main:not(:has(h1))"),
    };
    return Object.entries(rules)
        .flatMap(([rule, found]) => found.map((each) => `${each.outerHTML.slice(0, 200)} ${rule}`));
}"""


async def test_a_misfit_is_corrected_in_the_browser(tmp_path: Path) -> None:
    async with busy_plant(tmp_path) as plant, served(plant.context) as base, browsing() as browser:
        page = browser.page
        await log_in(page, base, plant.site.floor.li)
        await page.get_by_role("link", name="Misfits").click()
        await page.get_by_role("link", name="Look at it").click()
        document = page.locator("#document")
        raw = await document.input_value()
        await document.fill(raw.replace("09506000134353", GTIN))
        await page.locator("#take-reason").fill("a slip of the pen, says planning")
        await page.get_by_role("button", name="Take it").click()
        await expect(page.locator("main")).to_contain_text("None.")
        found = await misfits.get(plant.context, QA, plant.misfit)
        assert found.state is MisfitState.TAKEN
        assert browser.complaints == []


async def test_a_job_is_ended_and_a_receiver_added_in_the_browser(tmp_path: Path) -> None:
    async with busy_plant(tmp_path) as plant, served(plant.context) as base, browsing() as browser:
        page, li = browser.page, plant.site.floor.li
        await log_in(page, base, li)
        await page.get_by_role("link", name="Proposals").click()
        await page.locator("summary", has_text="Sign this end").click()
        form = page.locator("form", has=page.get_by_role("button", name="Sign this end"))
        await form.get_by_label("Reason").fill("it was out when L-4 came")
        await form.get_by_label("Password").fill(li.password)
        await form.get_by_label("One-time code").fill(li.code())
        await form.get_by_role("button").click()
        await expect(page.locator("section", has=page.locator("#jobs")).first).to_contain_text(
            "None."
        )
        assert await unended.unended(plant.context, QA) == []
        await page.context.clear_cookies()
        await log_in(page, base, plant.site.root)
        await page.get_by_role("link", name="Receivers").click()
        await page.get_by_label("Name").fill("LIMS")
        await page.get_by_label("Address").fill("https://lims.example/hook")
        await page.get_by_text("Only these types of events").click()
        await page.get_by_label(EventType.LOT_HELD.value).check()
        await page.get_by_label("Reason").fill("it holds its samples then")
        await page.get_by_role("button", name="Ask for it").click()
        await expect(page.locator("main")).to_contain_text("https://lims.example/hook")
        await expect(page.locator("main")).to_contain_text(EventType.LOT_HELD.value)
        assert browser.complaints == []
