"""A change without a reason is refused, at every operation of the API that changes anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from aggregator.access.roles import Role
from aggregator.service.access import accounts
from tests.integration.api_rig import Api, running_api
from tests.personal import cheap_passwords, person, with_clock

__all__ = ["cheap_passwords"]

REASONLESS: Final = {
    ("POST", "/api/v1/sessions"): "to log in changes nothing",
    ("DELETE", "/api/v1/sessions/current"): "nor does to log out",
    ("POST", "/api/v1/password"): "one's own, and told to nobody",
    ("POST", "/api/v1/second-factor/offer"): "nothing is changed yet",
    ("POST", "/api/v1/second-factor"): "one's own, proved by the old one",
    ("POST", "/api/v1/records/{gtin}/{lot}"): "the evidence is the reason",
    ("POST", "/api/v1/doubts/{certificate}"): "the calibration is the reason",
    ("POST", "/api/v1/recalls/drills"): "a drill is its own reason",
    ("POST", "/api/v1/import/{interface}"): "what another system says, it says itself",
}
"""Operations that owe no reason, and why."""

MASTER: Final = {
    "/api/v1/equipment/{key}": ("acme", {"path": "acme"}, {"name": "ACME"}),
    "/api/v1/materials/{key}": (
        "09506000134352",
        {"gtin": "09506000134352", "name": "Tray"},
        {"name": "Pouch"},
    ),
}


@pytest.fixture
async def api(tmp_path: Path, cheap_passwords: None) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as running:
        yield running


async def session(api: Api) -> dict[str, str]:
    """Return the headers of a person who may do anything."""
    context, clock = with_clock(api.context)
    who = await person(context, clock, "wang.fang", "Wang Fang", *Role)
    _, text = await accounts.log_in(context, who.user, who.proof())
    return {"Authorization": f"Bearer {text}"}


def changing(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "get":
                yield method.upper(), path, operation


def body_of(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    """Return the form of an operation's JSON body."""
    content = operation.get("requestBody", {}).get("content", {})
    form: dict[str, Any] = content.get("application/json", {}).get("schema", {})
    while "$ref" in form:
        form = document["components"]["schemas"][form["$ref"].rpartition("/")[2]]
    return form


@pytest.mark.req(22)
@pytest.mark.clause("21 CFR 11.10(e)")
@pytest.mark.clause("EU GMP Annex 11 section 9")
async def test_a_change_without_a_reason_is_refused_wherever_one_is_owed(api: Api) -> None:
    """Annex 11 section 9: for change or deletion of relevant data the reason is documented."""
    headers, document = await session(api), api.app.openapi()
    told, free = set(), set()
    for method, path, operation in changing(document):
        if (method, path) in REASONLESS:
            free.add((method, path))
            continue
        if method == "PUT" and "reason" not in body_of(document, operation).get("properties", {}):
            continue  # master data: below
        if path == "/api/v1/master/{kind}.csv":
            continue  # as well
        address = path.replace("{version}", "1").replace("{kind}", "limit")
        asked = "reason" in {each["name"] for each in operation.get("parameters", [])}
        for reason in (None, "", " \t "):
            given = {} if reason is None else {"reason": reason}
            answer = await api.http.request(
                method,
                address,
                headers=headers,
                params=given if asked else None,
                json=None if asked else given,
            )
            assert answer.status_code == 422, (method, path, reason, answer.text)
            pointers = [each["pointer"] for each in answer.json()["errors"]]
            assert ("/query/reason" if asked else "/body/reason") in pointers, (method, path)
        told.add((method, path))
    assert free == set(REASONLESS)
    assert len(told) > 30


@pytest.mark.clause("21 CFR 11.10(e)")
@pytest.mark.clause("NMPA device GMP 2025 No. 107 article 45")
@pytest.mark.parametrize("path", MASTER)
async def test_master_data_are_entered_without_a_reason_and_never_changed_without(
    api: Api, path: str
) -> None:
    key, first, change = MASTER[path]
    headers = await api.as_role(Role.QA)
    address = path.replace("{key}", key)
    assert (await api.http.put(address, json=first, headers=headers)).status_code == 200
    again = headers | {"If-Match": '"1"'}
    for reason in ({}, {"X-Reason": ""}, {"X-Reason": "  "}):
        refused = await api.http.put(address, json=first | change, headers=again | reason)
        assert refused.status_code == 422, refused.text
        assert "reason" in refused.text.lower()
    told = again | {"X-Reason": "change request 42"}
    changed = await api.http.put(address, json=first | change, headers=told)
    assert changed.json()["version"] == 2
    trail = await api.http.get(
        "/api/v1/audit", headers=await api.as_role(Role.AUDITOR), params={"count": 500}
    )
    entry = next(each for each in trail.json()["items"] if each["why"] == "change request 42")
    assert entry["who"] == "qa"
    assert entry["record_time"] > 0
    assert entry["before"] != entry["after"]


@pytest.mark.clause("21 CFR 11.10(e)")
async def test_a_table_that_changes_anything_takes_a_reason(api: Api) -> None:
    headers = await api.as_role(Role.QA)
    path = "/api/v1/master/equipment.csv"
    await api.http.put("/api/v1/equipment/acme", json={"path": "acme"}, headers=headers)
    table = (await api.http.get(path, headers=headers)).text.replace("acme,,", "acme,ACME,", 1)
    assert "ACME" in table
    refused = await api.http.post(path, content=table, headers=headers)
    assert refused.status_code == 422
    assert "without a reason" in refused.text
    taken = await api.http.post(path, content=table, headers=headers | {"X-Reason": "renamed"})
    assert taken.status_code == 200, taken.text
