"""The API as a developer meets it: problems, versions, pages, sessions and its own description."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from aggregator import metrics
from aggregator.access.roles import Role
from aggregator.access.tokens import TokenKind
from aggregator.caller import COOKIE
from tests.integration.api_rig import Api, running_api

GTIN = "09506000134352"
PRESS = "/equipment/demo/press-1"
PRESS_DOCUMENT: dict[str, object] = {"path": "demo/press-1", "name": "Sealing press"}
MATERIAL: dict[str, object] = {"gtin": GTIN, "name": "Tray"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as api:
        yield api


def assert_problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """Assert that the answer is a problem document and return it (RFC 9457 section 3)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["status"] == status
    assert told["type"] == kind
    assert told["title"]
    assert told["detail"]
    return told


async def test_nobody_is_told_how_to_log_in(api: Api) -> None:
    answer = await api.http.get("/api/v1/lots")
    told = assert_problem(answer, 401, "/problems/access")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "Bearer" in told["hint"]


async def test_who_may_not_is_told_who_may(api: Api) -> None:
    answer = await api.http.get("/api/v1/audit", headers=await api.as_role(Role.OPERATOR))
    told = assert_problem(answer, 403, "/problems/denied")
    assert "operator may not read audit" in told["detail"]
    assert "auditor" in told["hint"]


async def test_what_is_not_there_is_named(api: Api) -> None:
    headers = await api.as_role(Role.ENGINEER)
    answer = await api.http.get("/api/v1/equipment/demo/nowhere", headers=headers)
    told = assert_problem(answer, 404, "/problems/notfound")
    assert "demo/nowhere" in told["detail"]


async def test_no_such_address_and_no_such_method_are_problems(api: Api) -> None:
    assert_problem(await api.http.get("/api/v1/nothing"), 404, "about:blank")
    assert_problem(await api.http.patch(f"/api/v1{PRESS}"), 405, "about:blank")


async def test_a_request_of_another_form_names_each_field(api: Api) -> None:
    headers = await api.as_role(Role.ENGINEER)
    wrong = {"path": "demo/press-1", "occupancy": "crowded", "colour": "red"}
    answer = await api.http.put(f"/api/v1{PRESS}", json=wrong, headers=headers)
    told = assert_problem(answer, 422, "/problems/invalid")
    assert {each["pointer"] for each in told["errors"]} == {"/body/occupancy", "/body/colour"}


async def test_a_document_that_contradicts_the_rules_is_told_the_remedy(api: Api) -> None:
    headers = await api.as_role(Role.ENGINEER)
    answer = await api.http.put(
        "/api/v1/materials/09506000134353",
        json={"gtin": "09506000134353", "name": "Tray"},
        headers=headers,
    )
    told = assert_problem(answer, 422, "/problems/invalid")
    assert "would be 2" in told["hint"]


async def test_an_address_and_its_document_must_agree(api: Api) -> None:
    headers = await api.as_role(Role.ENGINEER)
    answer = await api.http.put("/api/v1/equipment/other", json=PRESS_DOCUMENT, headers=headers)
    assert_problem(answer, 422, "/problems/invalid")


async def test_a_reference_must_be_there_first(api: Api) -> None:
    headers = await api.as_role(Role.INTEGRATION)
    answer = await api.http.put(
        f"/api/v1/lots/{GTIN}/L-1", json={"gtin": GTIN, "lot": "L-1"}, headers=headers
    )
    told = assert_problem(answer, 422, "/problems/invalid")
    assert told["hint"] == "put the material first"


async def test_a_store_that_is_locked_is_a_problem_that_may_pass(tmp_path: Path) -> None:
    async with running_api(tmp_path, timeout_seconds=0.2) as api:
        headers = await api.as_role(Role.ENGINEER)
        with closing(sqlite3.connect(tmp_path / "aggregator.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            answer = await api.http.put(f"/api/v1{PRESS}", json=PRESS_DOCUMENT, headers=headers)
            assert_problem(answer, 503, "/problems/storeunavailable")
            other.rollback()
        answer = await api.http.put(f"/api/v1{PRESS}", json=PRESS_DOCUMENT, headers=headers)
        assert answer.status_code == 200


async def test_a_change_names_the_version_that_it_changes(api: Api) -> None:
    await api.put_all([(PRESS, PRESS_DOCUMENT)])
    headers = await api.as_role(Role.ENGINEER) | {"X-Reason": "two lots at once"}
    path, changed = f"/api/v1{PRESS}", PRESS_DOCUMENT | {"occupancy": "shared"}
    unseen = await api.http.put(path, json=changed, headers=headers)
    assert_problem(unseen, 409, "/problems/conflict")
    etag = (await api.http.get(path, headers=headers)).headers["etag"]
    assert etag == '"1"'
    put = await api.http.put(path, json=changed, headers=headers | {"If-Match": etag})
    assert (put.status_code, put.headers["etag"], put.json()["version"]) == (200, '"2"', 2)
    late = await api.http.put(path, json=PRESS_DOCUMENT, headers=headers | {"If-Match": etag})
    assert_problem(late, 409, "/problems/conflict")
    again = await api.http.put(path, json=changed, headers=headers)
    assert again.json()["version"] == 2, "the same document again is no change"
    garbage = await api.http.put(path, json=changed, headers=headers | {"If-Match": '"x"'})
    assert_problem(garbage, 422, "/problems/invalid")
    old = await api.http.get(path, params={"version": 1}, headers=headers)
    assert old.json()["document"]["occupancy"] == "exclusive"


async def test_every_change_is_in_the_audit_trail_with_its_reason(api: Api) -> None:
    headers = await api.as_role(Role.ENGINEER)
    reason = {"X-Reason": "new press"}
    await api.http.put(f"/api/v1{PRESS}", json=PRESS_DOCUMENT, headers=headers | reason)
    answer = await api.http.get("/api/v1/audit", headers=await api.as_role(Role.AUDITOR))
    (entry,) = [each for each in answer.json()["items"] if each["what"].startswith("equipment")]
    assert (entry["who"], entry["why"], entry["before"]) == ("engineer", "new press", None)
    assert entry["after"]["name"] == "Sealing press"


async def test_pages_follow_each_other_without_loss(api: Api) -> None:
    names = [f"L-{number:02}" for number in range(7)]
    await api.put_all(
        [
            (f"/materials/{GTIN}", MATERIAL),
            *((f"/lots/{GTIN}/{name}", {"gtin": GTIN, "lot": name}) for name in names),
        ]
    )
    headers = await api.as_role(Role.INTEGRATION)
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        answer = await api.http.get(
            "/api/v1/lots", params={"count": 3, "after": after}, headers=headers
        )
        page = answer.json()
        assert len(page["items"]) <= 3
        found += [each["document"]["lot"] for each in page["items"]]
        after = page["after"]
    assert found == names
    too_many = await api.http.get("/api/v1/lots", params={"count": 1001}, headers=headers)
    assert_problem(too_many, 422, "/problems/invalid")


async def test_a_fact_may_be_said_twice_and_corrected_once(api: Api) -> None:
    await api.put_all(
        [
            (PRESS, PRESS_DOCUMENT),
            (f"/materials/{GTIN}", MATERIAL),
            (f"/lots/{GTIN}/L-1", {"gtin": GTIN, "lot": "L-1"}),
        ]
    )
    headers = await api.as_role(Role.QA)
    fact = {
        "kind": "occupancy",
        "equipment": "demo/press-1",
        "lot": {"gtin": GTIN, "lot": "L-1"},
        "start": 1_790_000_000_000_000_000,
        "end": 1_790_000_060_000_000_000,
        "reason": "by the shift book",
    }
    first = await api.http.post("/api/v1/facts", json=fact, headers=headers)
    again = await api.http.post("/api/v1/facts", json=fact, headers=headers)
    assert first.status_code == again.status_code == 201, first.text
    assert first.json()["id"] == again.json()["id"]
    path = f"/api/v1/facts/{first.json()['id']}/corrections"
    wrong = {"reason": "it was another press"}
    assert (await api.http.post(path, json=wrong, headers=headers)).status_code == 201
    assert_problem(
        await api.http.post(path, json=wrong, headers=headers), 409, "/problems/conflict"
    )
    answer = await api.http.get(
        "/api/v1/facts", params={"gtin": GTIN, "lot": "L-1"}, headers=headers
    )
    assert [each["kind"] for each in answer.json()["items"] if each["kind"] == "occupancy"] == []


async def test_a_session_reads_and_changes_nothing(api: Api) -> None:
    link = await api.token(Role.QA, kind=TokenKind.LOGIN)
    opened = await api.http.post("/login", data={"link": link})
    assert opened.status_code == 303
    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert COOKIE in api.http.cookies
    assert (await api.http.get("/api/v1/lots")).status_code == 200
    put = await api.http.put(f"/api/v1{PRESS}", json=PRESS_DOCUMENT)
    assert_problem(put, 401, "/problems/access")
    api.http.cookies.clear()
    again = await api.http.post("/login", data={"link": link})
    assert again.status_code == 401, "a link serves once"


async def test_a_person_meets_pages_where_a_program_meets_documents(api: Api) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml"}
    stranger = await api.http.get("/", headers=browser)
    assert (stranger.status_code, stranger.headers["location"]) == (303, "/login")
    assert_problem(await api.http.get("/fragments/overview"), 401, "/problems/access")
    headers = await api.as_role(Role.QA)
    missing = await api.http.get(f"/records/{GTIN}/L-1", headers=headers | browser)
    assert missing.status_code == 404
    assert missing.headers["content-type"].startswith("text/html")
    assert "there is no record" in missing.text
    assert "assemble it first" in missing.text
    denied = await api.http.get("/", headers=await api.as_role(Role.INTEGRATION) | browser)
    assert denied.status_code == 403
    assert "may not read gateways" in denied.text


async def test_a_token_is_shown_once_and_ended_at_once(api: Api) -> None:
    headers = await api.as_role(Role.ADMIN)
    asked = {"name": "mes", "roles": ["integration"], "reason": "orders come from there"}
    given = (await api.http.post("/api/v1/tokens", json=asked, headers=headers)).json()
    mes = {"Authorization": f"Bearer {given['token']}"}
    assert (await api.http.get("/api/v1/lots", headers=mes)).status_code == 200
    listed = (await api.http.get("/api/v1/tokens", headers=headers)).json()["items"]
    assert "mes" in [each["name"] for each in listed]
    assert given["token"].rpartition("_")[2] not in str(listed)
    ended = await api.http.delete(
        f"/api/v1/tokens/{given['id']}", params={"reason": "replaced"}, headers=headers
    )
    assert ended.status_code == 204
    assert_problem(await api.http.get("/api/v1/lots", headers=mes), 401, "/problems/access")


async def test_every_answer_is_hardened(api: Api) -> None:
    for path in ("/login", "/api/v1/lots", "/docs", "/static/console.css"):
        answer = await api.http.get(path)
        assert "default-src 'self'" in answer.headers["content-security-policy"], path
        assert answer.headers["x-content-type-options"] == "nosniff", path
    assert (
        "unsafe-inline"
        not in (await api.http.get("/login"))
        .headers["content-security-policy"]
        .partition("script-src")[2]
    )


async def test_metrics_are_prometheus_text(api: Api) -> None:
    metrics.WAITING.set(0)
    answer = await api.http.get("/metrics", headers=await api.as_role(Role.ENGINEER))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "# TYPE lotproof_aggregator_waiting_messages gauge" in answer.text


async def test_the_description_describes_every_operation(api: Api) -> None:
    described = (await api.http.get("/openapi.json")).json()
    assert described["openapi"].startswith("3.1")
    operations = [
        operation
        for path, methods in described["paths"].items()
        for operation in methods.values()
        if path.startswith("/api/v1")
    ]
    assert len(operations) > 20
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    for operation in operations:
        assert operation["summary"], operation["operationId"]
        assert operation["tags"], operation["operationId"]
        refused = operation["responses"]["4XX"]["content"]
        assert list(refused) == ["application/problem+json"], operation["operationId"]
        assert "422" not in operation["responses"], operation["operationId"]
        assert operation["security"] == [{"token": []}], operation["operationId"]
    scheme = described["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for reference in _references(described):
        assert _resolved(described, reference) is not None, reference


def _references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [found for value in part.values() for found in _references(value)]
    if isinstance(part, list):
        return [found for value in part for found in _references(value)]
    return []


def _resolved(described: Any, reference: str) -> Any:
    found = described
    for name in reference.removeprefix("#/").split("/"):
        found = found.get(name) if isinstance(found, dict) else None
    return found
