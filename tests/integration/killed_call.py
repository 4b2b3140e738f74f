"""A process that makes one call with an Idempotency-Key, and kills itself before a given commit.

``python -m tests.integration.killed_call <folder> <token> <which of its writing transactions>``
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from aggregator.site import create_app
from aggregator.store.base import Store, Transaction
from tests.rigs.context import running_context

MATERIAL = {"gtin": "09506000134352", "name": "Tray"}
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
BEGUN, ACTED = 2, 3
"""The transactions before which it ends: that of the act, and that of the answer."""


class Killing:
    """A store whose process is killed as its n-th writing transaction begins."""

    def __init__(self, inner: Store, number: int) -> None:
        self._inner, self._left = inner, number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)
        async with self._inner.write() as tx:
            yield tx


async def call(http: httpx.AsyncClient, token: str) -> httpx.Response:
    """Put the material, with the key."""
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": KEY}
    return await http.put(f"/api/v1/materials/{MATERIAL['gtin']}", json=MATERIAL, headers=headers)


async def main(folder: Path, token: str, number: int) -> None:
    """Make the call, and be killed."""
    async with running_context(folder) as context:
        killing = replace(context, store=Killing(context.store, number))
        transport = httpx.ASGITransport(app=create_app(killing))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            await call(http, token)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
