"""The API called as programs call it: sent twice and done once; events as pages and as a stream."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from aggregator.access.roles import Role
from aggregator.model.integration.event import EventType
from aggregator.settings import EventSettings
from aggregator.site import create_app
from plant.ports import free_port
from tests.integration.api_rig import Api, running_api
from tests.rigs.context import running_context

GTIN = "09506000134352"
PATH = f"/api/v1/materials/{GTIN}"
TRAY = {"gtin": GTIN, "name": "Tray"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as api:
        yield api


async def put(api: Api, key: str, role: Role = Role.INTEGRATION, **more: str) -> httpx.Response:
    headers = {**await api.as_role(role), "Idempotency-Key": key}
    return await api.http.put(PATH, json={**TRAY, **more}, headers=headers)


async def acts(api: Api) -> int:
    headers = await api.as_role(Role.AUDITOR)
    items = (await api.http.get("/api/v1/audit?count=1000", headers=headers)).json()["items"]
    return sum(each["act"] == "manage_master" for each in items)


async def test_the_same_call_is_done_once_and_answered_as_before(api: Api) -> None:
    first = await put(api, '"8e03978e-40d5-43dd-bc93-6894a57f9324"')
    again = await put(api, "8e03978e-40d5-43dd-bc93-6894a57f9324")
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert first.headers["etag"] == again.headers["etag"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["x-content-type-options"] == "nosniff"
    assert await acts(api) == 1


async def test_a_key_serves_one_call_of_one_caller(api: Api) -> None:
    await put(api, "k")
    other = await put(api, "k", name="Another")
    assert other.status_code == 422
    assert "another call" in other.json()["detail"]
    stranger = await put(api, "k", role=Role.ENGINEER)
    assert stranger.status_code == 200, "it is another caller's key"
    assert "idempotency-replayed" not in stranger.headers
    assert (await put(api, "x" * 256)).status_code == 422


async def test_a_call_that_is_under_way_is_not_begun_again(api: Api) -> None:
    answers = await asyncio.gather(*(put(api, "k") for _ in range(5)))
    assert {each.status_code for each in answers} <= {200, 409}
    assert sum(each.status_code == 200 for each in answers) >= 1
    assert await acts(api) == 1


async def test_what_a_right_would_change_is_not_kept_and_a_refusal_is(api: Api) -> None:
    for _ in range(2):
        denied = await put(api, "k", role=Role.AUDITOR)
        assert denied.status_code == 403
        assert "idempotency-replayed" not in denied.headers
    wrong = [await put(api, "w", gtin="1") for _ in range(2)]
    assert [each.status_code for each in wrong] == [422, 422]
    assert wrong[1].headers["idempotency-replayed"] == "true"
    unknown = await api.http.put(PATH, json=TRAY, headers={"Idempotency-Key": "k"})
    assert unknown.status_code == 401


async def test_a_token_that_was_shown_once_is_shown_again_to_its_caller_alone(api: Api) -> None:
    headers = {**await api.as_role(Role.ADMIN), "Idempotency-Key": "t"}
    body = {"name": "mes", "roles": ["integration"], "reason": "orders"}
    first, again = [
        await api.http.post("/api/v1/tokens", json=body, headers=headers) for _ in range(2)
    ]
    assert first.content == again.content
    async with api.context.store.read() as tx:
        row = await tx.fetch_one("answers.one", caller="admin", key="t")
    assert row is not None
    assert first.content not in bytes(row["body"])


async def test_the_description_names_the_header_where_it_is_heeded(api: Api) -> None:
    paths = api.app.openapi()["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            named = {each["name"] for each in operation.get("parameters", [])}
            assert ("Idempotency-Key" in named) == (method in {"post", "put"}), (method, path)


@pytest.mark.req(37)
async def test_a_reader_is_told_of_what_it_may_read(api: Api) -> None:
    await api.put_all([(f"/materials/{GTIN}", TRAY)])
    gateway = EventType.GATEWAY_QUARANTINED

    async def types(role: Role) -> set[str]:
        answer = await api.http.get("/api/v1/events", headers=await api.as_role(role))
        assert answer.status_code == 200, answer.text
        return {each["type"] for each in answer.json()["items"]}

    assert await types(Role.ENGINEER) == {EventType.MASTER_CREATED}
    assert await types(Role.ADMIN) == set(), "who runs the system sees no batch data"
    async with api.context.store.write() as tx:
        await tx.execute(
            "events.add", type=gateway.value, subject="gateways/gw-1", record_time=1, data="{}"
        )
    assert await types(Role.ADMIN) == {gateway}


async def test_who_was_away_too_long_is_told_so(api: Api) -> None:
    await api.put_all([(f"/materials/{GTIN}", TRAY)])
    async with api.context.store.write() as tx:
        for _ in range(5):
            await tx.execute(
                "events.add", type="lotproof.lot.held", subject="x", record_time=1, data="{}"
            )
        await tx.execute("events.forget", before=2**62)
    headers = await api.as_role(Role.QA)
    page = (await api.http.get("/api/v1/events", headers=headers)).json()
    assert [each["id"] for each in page["items"]] == ["6"]
    stale = await api.http.get("/api/v1/events?after=2", headers=headers)
    assert (stale.status_code, "no longer kept" in stale.text) == (409, True)


class Stream:
    """What an EventSource reads, line by line."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def block(self) -> dict[str, str]:
        """Return the next block: an event, or a comment under the empty name."""
        found: dict[str, str] = {}
        async with asyncio.timeout(60):
            async for line in self._lines:
                if not line:
                    return found
                name, _, value = line.partition(":")
                found[name] = value.strip()
        raise EOFError


@contextlib.asynccontextmanager
async def served(folder: Path, **events: Any) -> AsyncIterator[tuple[Api, str]]:
    """Yield the application behind a real web server, and its address."""
    settings = EventSettings(poll_seconds=0.02, **events)
    async with running_context(folder) as plain:
        context = replace(plain, settings=plain.settings.model_copy(update={"events": settings}))
        app, port = create_app(context), free_port()
        server = uvicorn.Server(
            uvicorn.Config(
                app, port=port, log_config=None, timeout_graceful_shutdown=1, lifespan="off"
            )
        )
        serving = asyncio.create_task(server._serve())  # signals stay pytest's own
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            async with asyncio.timeout(60):
                while not server.started:  # noqa: ASYNC110 # it has no event for it
                    await asyncio.sleep(0.01)
            try:
                yield Api(app=app, context=context, http=http), f"http://127.0.0.1:{port}"
            finally:
                server.should_exit = True
                await serving


@contextlib.asynccontextmanager
async def following(api: Api, headers: dict[str, str] | None = None) -> AsyncIterator[Stream]:
    """Open a stream as a browser's EventSource does."""
    sent = {**await api.as_role(Role.QA), "Accept": "text/event-stream", **(headers or {})}
    async with api.http.stream("GET", "/api/v1/events", headers=sent) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


@pytest.mark.req(49)
async def test_a_stream_goes_on_where_the_reader_left_off(tmp_path: Path) -> None:
    async with served(tmp_path) as (api, _):
        async with following(api) as stream:
            assert await stream.block() == {"": "lotproof"}
            await api.put_all([(f"/materials/{GTIN}", TRAY)])
            block = await stream.block()
            assert (block["id"], block["event"]) == ("1", "lotproof.master.created")
            event = json.loads(block["data"])
            assert event["data"]["href"] == PATH
        lots = [
            (f"/lots/{GTIN}/L-{number}", {"gtin": GTIN, "lot": f"L-{number}"})
            for number in range(3)
        ]
        await api.put_all(lots)
        async with following(api, headers={"Last-Event-ID": "1"}) as stream:
            await stream.block()
            blocks = [await stream.block() for _ in range(6)]
        assert [block["id"] for block in blocks] == ["2", "3", "4", "5", "6", "7"]
        assert {json.loads(block["data"])["specversion"] for block in blocks} == {"1.0"}


async def test_a_silent_stream_says_that_it_is_there_and_only_so_many_are_open(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, heartbeat_seconds=0.05, streams_max=1) as (api, _):
        async with following(api) as stream:
            await stream.block()
            assert await stream.block() == {"": "still here"}
            headers = {**await api.as_role(Role.QA), "Accept": "text/event-stream"}
            second = await api.http.get("/api/v1/events", headers=headers)
            assert second.status_code == 503
        async with asyncio.timeout(60):
            while api.app.state.streams:  # noqa: ASYNC110 # the server notices in its own time
                await asyncio.sleep(0.01)
        async with following(api) as stream:
            assert await stream.block() == {"": "lotproof"}
