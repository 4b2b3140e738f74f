"""Genealogy, trace and recall as a developer meets them over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from aggregator.access.roles import Role
from tests.integration.api_rig import Api, running_api

GTIN: Final = "09506000134352"
RAW, MADE, UNIT = f"lot:(01){GTIN}(10)R-1", f"lot:(01){GTIN}(10)L-1", f"unit:(01){GTIN}(21)S-1"
STEPS: Final = [
    {
        "kind": "transformation",
        "start": 1_000,
        "end": 2_000,
        "inputs": [{"item": RAW, "quantity": "10.0", "unit": "kg"}],
        "outputs": [{"item": MADE, "quantity": "9.5", "unit": "kg"}],
        "tolerance": "0.02",
        "text": "mixing",
    },
    {"kind": "split", "start": 3_000, "inputs": [{"item": MADE}], "outputs": [{"item": UNIT}]},
]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as api:
        yield api


async def post(api: Api, path: str, body: dict[str, Any]) -> httpx.Response:
    headers = await api.as_role(Role.QA)
    return await api.http.post(f"/api/v1{path}", json=body, headers=headers)


async def get(api: Api, path: str, **query: Any) -> httpx.Response:
    return await api.http.get(
        f"/api/v1{path}", params=query, headers=await api.as_role(Role.AUDITOR)
    )


async def said(api: Api) -> list[dict[str, Any]]:
    answer = await post(api, "/genealogy/edges", {"edges": STEPS, "reason": "import"})
    assert answer.status_code == 201, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.mark.req(14)
async def test_a_label_is_traced_back(api: Api) -> None:
    made, split = await said(api)
    link = f"https://id.example.com/01/{GTIN}/21/S-1"
    for asked in ({"gs1": link}, {"gs1": f"(01){GTIN}(21)S-1"}, {"item": UNIT}):
        found = (await get(api, "/trace", **asked)).json()
        assert (found["total"], found["depth"], found["edges"]) == (3, 2, 2)
        assert [each["item"] for each in found["items"]] == [UNIT, MADE, RAW]
        assert [each["edge"] for each in found["items"]] == [None, split["id"], made["id"]]
    way = (await get(api, "/trace/way", item=UNIT, to=RAW)).json()["steps"]
    assert [(each["from"], each["to"]) for each in way] == [(UNIT, MADE), (MADE, RAW)]
    assert way[1]["edge"]["text"] == "mixing"


async def test_a_balance_outside_its_tolerance_is_shown(api: Api) -> None:
    made, _ = await said(api)
    assert made["balance"] == {
        "state": "outside", "unit": "kg", "into": "10.0", "out": "9.5", "difference": "0.5"
    }  # fmt: skip


async def test_a_page_of_a_trace_says_how_much_there_is(api: Api) -> None:
    await said(api)
    query = {"item": RAW, "direction": "forward", "start": 1, "count": 1}
    found = (await get(api, "/trace", **query)).json()
    assert (found["total"], found["start"], len(found["items"])) == (3, 1, 1)
    assert found["items"][0]["from"] == RAW


async def test_a_wrong_edge_is_corrected_and_a_circle_refused(api: Api) -> None:
    made, _ = await said(api)
    body: dict[str, Any] = {"reason": "it was another drum", "right": None}
    answer = await post(api, f"/genealogy/edges/{made['id']}/corrections", body)
    assert answer.status_code == 201
    assert answer.json()["supersedes"] == made["id"]
    assert (await get(api, "/trace", item=UNIT)).json()["total"] == 2
    back = {"kind": "merge", "start": 9, "inputs": [{"item": UNIT}], "outputs": [{"item": MADE}]}
    answer = await post(api, "/genealogy/edges", {"edges": [back], "reason": "x"})
    assert answer.status_code == 422
    assert "back to itself" in answer.json()["detail"]
    assert "rework" in answer.json()["hint"]


@pytest.mark.parametrize(
    "query",
    [{}, {"item": RAW, "gs1": "x"}, {"item": "L-1"}, {"gs1": "L-1"}, {"item": RAW, "count": 0}],
)
async def test_a_question_that_is_none_is_told_how_to_ask(api: Api, query: dict[str, Any]) -> None:
    answer = await get(api, "/trace", **query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["hint"]


@pytest.mark.req(15)
async def test_a_recall_over_the_api(api: Api) -> None:
    await said(api)
    opened = (await post(api, "/recalls", {"item": RAW, "reason": "complaint 17"})).json()
    case = f"/recalls/{opened['id']}"
    located = (await post(api, f"{case}/locate", {"reason": "scope"})).json()
    assert (located["state"], located["located"]) == ("located", 3)
    items = (await get(api, f"{case}/items")).json()["items"]
    assert [each["item"] for each in items] == [RAW, MADE, UNIT]
    early = await post(api, f"{case}/acts", {"act": "close", "reason": "x"})
    assert (early.status_code, early.json()["type"]) == (409, "/problems/conflict")
    told = {"act": "publish", "reason": "told", "details": {"customer": "Hospital 3"}}
    assert (await post(api, f"{case}/acts", told)).json()["state"] == "published"
    fates = {"items": [RAW, MADE, UNIT], "fate": "destroyed", "reason": "burnt"}
    assert (await post(api, f"{case}/fates", fates)).json()["accounted"] == 3
    closed = (await post(api, f"{case}/acts", {"act": "close", "reason": "done"})).json()
    assert closed["state"] == "closed"
    timeline = (await get(api, case)).json()["timeline"]
    assert [each["event"] for each in timeline] == ["open", "locate", "publish", "account", "close"]
    assert [each["id"] for each in (await get(api, "/recalls")).json()["items"]] == [opened["id"]]


@pytest.mark.req(48)
async def test_a_drill_over_the_api_says_its_time(api: Api) -> None:
    assert (await post(api, "/recalls/drills", {})).status_code == 404
    await said(api)
    found = (await post(api, "/recalls/drills", {"seed": "x"})).json()
    assert found["case"]["kind"] == "drill"
    assert found["lots"] == 2
    assert 0 < found["seconds"] < 60
    text = (await api.http.get("/metrics", headers=await api.as_role(Role.ADMIN))).text
    assert "lotproof_aggregator_recall_drill_seconds_count" in text
