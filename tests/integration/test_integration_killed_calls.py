"""A process that is killed between an act and its answer: the call is not made twice."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from aggregator.access.roles import Role
from aggregator.service.integration.answers import UNDER_WAY_SECONDS
from aggregator.site import create_app
from tests.integration.api_rig import running_api
from tests.integration.killed_call import ACTED, BEGUN, call
from tests.personal import with_clock


async def made_and_killed(folder: Path, token: str, number: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.killed_call"),
        *(str(folder), token, str(number)),
    )
    async with asyncio.timeout(60):
        assert await process.wait() == -signal.SIGKILL


@pytest.mark.req(28)
@pytest.mark.parametrize(("number", "first", "made"), [(BEGUN, 200, 1), (ACTED, 409, 1)])
async def test_a_call_whose_process_was_killed_is_made_once_at_most(
    tmp_path: Path, number: int, first: int, made: int
) -> None:
    async with running_api(tmp_path) as api:
        token = await api.token(Role.INTEGRATION)
    await made_and_killed(tmp_path, token, number)
    async with running_api(tmp_path) as api:
        context, clock = with_clock(api.context)
        transport = httpx.ASGITransport(app=create_app(replace(context)))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            early = await call(http, token)
            assert early.status_code == 409
            assert "under way" in early.json()["detail"]
            clock.skip(UNDER_WAY_SECONDS + 1)
            for _ in range(2):
                answer = await call(http, token)
                assert answer.status_code == first, answer.text
            if first == 409:
                assert "its answer is lost" in answer.json()["detail"]
        async with context.store.read() as tx:
            entries = await tx.fetch("audit.after", sequence=-1, count=100)
    assert sum(each["act"] == "manage_master" for each in entries) == made
