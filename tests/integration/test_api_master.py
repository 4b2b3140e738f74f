"""Master data by the API: proposed by one, approved by another; tables; the dictionary."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from aggregator.access.roles import POLICY, Act, Role
from aggregator.api.master.entities import PATHS
from aggregator.service.master.documents import EntityKind
from aggregator.settings import MasterKind
from tests.integration.api_rig import Api, running_api
from tests.personal import PASSWORD, cheap_passwords, person, with_clock
from tests.rigs.master_documents import DOCUMENTS_OF, table_of

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]

KEY, RECIPE = DOCUMENTS_OF[EntityKind.RECIPE]
ADDRESS: Final = f"/api/v1/recipes/{KEY}"
VERSIONS: Final = f"/api/v1/master/recipe/{KEY}/versions"
TABLE: Final = "/api/v1/master/equipment.csv"
EQUIPMENT: Final = EntityKind.EQUIPMENT
HEAD: Final = table_of(EQUIPMENT)
PRESS: Final = {"path": "demo/press-1", "name": "Press"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path, approval=(MasterKind.RECIPE,)) as api:
        yield api


async def session_of(api: Api, user: str, role: Role) -> dict[str, str]:
    """Return the headers of a person who has logged in."""
    context, clock = with_clock(api.context)
    who = await person(context, clock, user, user.title(), role)
    return {"Authorization": f"Bearer {await who.token()}"}


async def decide(api: Api, headers: dict[str, str], version: int, what: str) -> httpx.Response:
    body: dict[str, Any] = {"reason": "as agreed"}
    if what == "approve":
        body["password"] = PASSWORD
    return await api.http.post(f"{VERSIONS}/{version}/{what}", json=body, headers=headers)


async def proposed(api: Api, document: object = RECIPE) -> httpx.Response:
    material = DOCUMENTS_OF[EntityKind.MATERIAL]
    await api.put_all([(f"/materials/{material[0]}", material[1])])
    headers = await api.as_role(Role.INTEGRATION)
    answer = await api.http.put(ADDRESS, json=document, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.req(25)
async def test_a_recipe_takes_two_persons(api: Api) -> None:
    put = await proposed(api)
    assert (put.headers["ETag"], put.json()["state"]) == ('"1"', "proposed")
    service = await api.as_role(Role.QA)
    assert (await api.http.get(ADDRESS, headers=service)).status_code == 404
    waiting = (await api.http.get("/api/v1/master/proposals", headers=service)).json()["items"]
    assert [(each["kind"], each["key"], each["version"]) for each in waiting] == [
        ("recipe", KEY, 1)
    ]
    assert (await decide(api, service, 1, "approve")).status_code == 403, "a service is no person"
    chen = await session_of(api, "chen.jie", Role.RELEASER)
    approved = await decide(api, chen, 1, "approve")
    assert approved.status_code == 200, approved.text
    assert approved.json()["decided_by"] == "chen.jie"
    again = await decide(api, chen, 1, "reject")
    assert again.status_code == 409
    found = (await api.http.get(ADDRESS, headers=service)).json()
    assert found["document"]["procedure"] == RECIPE["procedure"]
    assert (await api.http.get("/api/v1/master/proposals", headers=service)).json()["items"] == []


@pytest.mark.clause("21 CFR 11.10(d)")
@pytest.mark.parametrize("role", Role)
async def test_each_role_approves_what_the_policy_says_and_nothing_else(
    api: Api, role: Role
) -> None:
    await proposed(api)
    headers = await session_of(api, "li.wei", role)
    allowed = Act.APPROVE_MASTER in POLICY[role]
    rejected = await decide(api, headers, 1, "reject")
    assert rejected.status_code == (200 if allowed else 403), rejected.text
    approved = await decide(api, headers, 1, "approve")
    assert approved.status_code == (409 if allowed else 403), approved.text


async def test_the_history_shows_what_was_rejected_too(api: Api) -> None:
    await proposed(api)
    li = await session_of(api, "li.wei", Role.QA)
    assert (await decide(api, li, 1, "reject")).json()["state"] == "rejected"
    await proposed(api, RECIPE | {"name": "other"})
    items = (await api.http.get(VERSIONS, headers=li)).json()["items"]
    assert [(each["version"], each["state"]) for each in items] == [
        (2, "proposed"),
        (1, "rejected"),
    ]


async def test_times_are_given_for_kinds_that_have_them(api: Api) -> None:
    headers = await api.as_role(Role.ENGINEER)
    material = DOCUMENTS_OF[EntityKind.MATERIAL]
    address = f"/api/v1/materials/{material[0]}"
    times = {"effective_from": 1_000, "effective_to": 2_000}
    put = await api.http.put(address, json=material[1], params=times, headers=headers)
    assert {name: put.json()[name] for name in times} == times
    gone = await api.http.get(address, headers=headers)
    assert gone.status_code == 404
    assert "may not be in force now" in gone.json()["hint"]
    assert (await api.http.get(f"{address}?version=1", headers=headers)).status_code == 200
    described = api.app.openapi()["paths"]
    dated = {
        path.split("/")[3]
        for path, methods in described.items()
        if "put" in methods
        and any(each["name"] == "effective_from" for each in methods["put"]["parameters"])
    }
    assert dated == {"equipment", "signals", "materials", "limits"}


async def test_every_kind_is_put_and_read_at_its_address(api: Api) -> None:
    headers = await api.as_role(Role.INTEGRATION)
    for kind, (key, data) in DOCUMENTS_OF.items():
        # The recipe of the phase waits for its approval.
        document = data | {"phase": ""} if kind is EntityKind.LIMIT else data
        address = f"/api/v1/{PATHS[kind]}/{quote(key)}"
        put = await api.http.put(address, json=document, headers=headers)
        assert put.status_code == 200, put.text
        assert put.json()["key"] == key
        if kind is not EntityKind.RECIPE:
            assert (await api.http.get(address, headers=headers)).json() == put.json()


async def test_tables_go_out_and_in(api: Api) -> None:
    headers = await api.as_role(Role.ENGINEER)
    table = table_of(EQUIPMENT, PRESS)
    tried = await api.http.post(f"{TABLE}?dry_run=true", content=table, headers=headers)
    assert tried.json() == {
        "kind": "equipment",
        "applied": False,
        "rows": 1,
        "unchanged": 0,
        "approved": 1,
        "proposed": 0,
        "faults": [],
    }
    empty = await api.http.get(TABLE, headers=headers)
    assert empty.text == HEAD
    assert empty.headers["content-type"].startswith("text/csv")
    done = await api.http.post(
        TABLE, content=table, headers=headers | {"X-Reason": "line 2 is built"}
    )
    assert (done.status_code, done.json()["applied"]) == (200, True)
    out = await api.http.get(TABLE, headers=headers)
    kept = {"version": "1", **PRESS, "occupancy": "exclusive", "spread_s": "0.0"}
    assert out.text == table_of(EQUIPMENT, kept)


async def test_the_faults_of_a_table_are_a_problem_with_pointers(api: Api) -> None:
    headers = await api.as_role(Role.ENGINEER)
    oven = {"path": "demo/oven", "name": "Oven", "occupancy": "crowded"}
    table = table_of(EQUIPMENT, PRESS | {"path": "demo//press"}, oven)
    answer = await api.http.post(TABLE, content=table, headers=headers)
    assert answer.status_code == 422
    told = answer.json()
    assert told["detail"] == "the table has 2 faults, and nothing was changed"
    assert [each["pointer"] for each in told["errors"]] == ["/2/", "/3/occupancy"]
    assert "single slashes" in told["errors"][0]["hint"]
    listed = await api.http.get("/api/v1/equipment", headers=headers)
    assert listed.json()["items"] == []


async def test_a_table_that_is_too_large_is_not_read_to_its_end(api: Api) -> None:
    headers = await api.as_role(Role.ENGINEER)
    limit = api.context.settings.imports.bytes_max
    answer = await api.http.post(TABLE, content=b"x" * (limit + 1), headers=headers)
    assert answer.status_code == 422
    assert f"{limit} bytes at most" in answer.json()["detail"]


@pytest.mark.req(3)
async def test_the_dictionary_is_served(api: Api) -> None:
    answer = await api.http.get("/api/v1/dictionary", headers=await api.as_role(Role.AUDITOR))
    said = answer.json()
    by_name = {field["name"]: field for field in said["fields"]}
    assert said["version"] >= 1
    assert by_name["action_high"]["classification"] == "critical"
    assert by_name["lot"]["b2mml"] == "MaterialLotID"
    assert set(by_name["gap_max_s"]) >= {"zh", "meaning", "type", "unit", "rule", "erp", "epcis"}
