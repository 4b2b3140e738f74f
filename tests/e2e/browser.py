"""Chromium as a person's browser, with everything that it complains of kept."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Page, async_playwright, expect

PATIENCE_MS = 60_000
"""Longest that a page may take over a step: a bound for what never comes, of no speed."""

# What is expected of a page has a limit of its own, by default five seconds.
expect.set_options(timeout=PATIENCE_MS)

_FLAGS = (
    "--no-sandbox",  # a test may run as root in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Browser:
    """One page, and what it complained of: script errors, refused policies, failed requests."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)  # of every request

    def listen(self) -> None:
        """Keep what the page says from now on."""
        page = self.page
        page.on(
            "console",
            lambda said: (
                self.complaints.append(said.text) if said.type in ("error", "warning") else None
            ),
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.addresses.append(request.url))
        page.on(
            "response",
            lambda response: (
                self.complaints.append(f"{response.status} {response.url}")
                if response.status >= 400
                else None
            ),
        )


@contextlib.asynccontextmanager
async def browsing(*, locale: str = "en-GB", dark: bool = False) -> AsyncIterator[Browser]:
    """Yield a fresh browser; skip where Chromium is not installed."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            page = await chromium.new_page(
                locale=locale,
                color_scheme="dark" if dark else "light",
                viewport={"width": 1280, "height": 900},
            )
            page.set_default_timeout(PATIENCE_MS)
            browser = Browser(page)
            browser.listen()
            yield browser
        finally:
            await chromium.close()
