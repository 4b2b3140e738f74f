"""The console as a browser finds it: served on loopback, and a person logged in."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import uvicorn
from playwright.async_api import Page, expect

from aggregator.service.context import Context
from aggregator.site import create_app
from plant.ports import free_port
from tests.personal import Person

PICTURES: Final = os.environ.get("LOTPROOF_TEST_PICTURES", "")
"""Folder for pictures of the pages, for people to look at."""


@contextlib.asynccontextmanager
async def served(context: Context) -> AsyncIterator[str]:
    """Serve the console on a free port of loopback and yield its address."""
    port = free_port()
    config = uvicorn.Config(create_app(context), port=port, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(60):
            while not server.started:  # noqa: ASYNC110 # uvicorn tells by this flag alone
                await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


async def log_in(page: Page, base: str, who: Person) -> None:
    """Log a person in, and wait for the overview."""
    await page.goto(f"{base}/login")
    await page.get_by_label("User").fill(who.user)
    await page.get_by_label("Password").fill(who.password)
    await page.get_by_label("One-time code").fill(who.code())
    await page.get_by_role("button", name="Log in").click()
    await expect(page.locator(".actor")).to_have_text(who.user)


async def log_in_by_id(page: Page, base: str, who: Person) -> None:
    """Log in whatever the page's language is."""
    await page.goto(f"{base}/login")
    await page.locator("#user").fill(who.user)
    await page.locator("#password").fill(who.password)
    await page.locator("#code").fill(who.code())
    await page.locator("form[action='/login/person'] button").click()
    await expect(page.locator(".actor")).to_have_text(who.user)


async def look(page: Page, name: str) -> None:
    """Hold a page against the width of the window; keep a picture where one is wanted."""
    wide, seen = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= seen, f"{name} is {wide} pixels wide in a window of {seen}"
    if PICTURES:
        await page.screenshot(path=str(Path(PICTURES) / f"{name}.png"), full_page=True)
