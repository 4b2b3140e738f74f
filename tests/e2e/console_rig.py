"""The console as a browser finds it: served on loopback, and a person logged in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import uvicorn
from playwright.async_api import Page, expect

from aggregator.service.context import Context
from aggregator.site import create_app
from plant.ports import free_port
from tests.personal import Person


@contextlib.asynccontextmanager
async def served(context: Context) -> AsyncIterator[str]:
    """Serve the console on a free port of loopback and yield its address."""
    port = free_port()
    config = uvicorn.Config(create_app(context), port=port, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(30):
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
