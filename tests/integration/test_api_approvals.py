"""Approvals and one's own account over the API, as a program of a person calls it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from aggregator.access import second_factor
from aggregator.site import create_app
from tests.approving_plant import Site, site_of
from tests.personal import PASSWORD, Person, cheap_passwords
from tests.recorded_plant import GTIN

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]

API = "/api/v1"


@dataclass(slots=True, kw_only=True)
class Calls:
    """The API of a site, called by people who logged in."""

    site: Site
    http: httpx.AsyncClient

    async def as_person(self, who: Person) -> dict[str, str]:
        """Return the headers of somebody who logs in now."""
        body = {"user": who.user, "password": who.password, "code": who.code()}
        answer = await self.http.post(f"{API}/sessions", json=body)
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}


@pytest.fixture
async def calls(tmp_path: Path) -> AsyncIterator[Calls]:
    async with site_of(tmp_path) as site:
        transport = httpx.ASGITransport(app=create_app(site.context))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield Calls(site=site, http=http)


@pytest.mark.req(35)
async def test_an_export_is_refused_asked_for_approved_and_taken(calls: Calls) -> None:
    floor = calls.site.floor
    li, chen = await calls.as_person(floor.li), await calls.as_person(floor.chen)
    path = f"{API}/records/{GTIN}/L-1.json"
    refused = await calls.http.get(path, headers=li)
    assert refused.status_code == 403
    assert refused.json()["type"] == "/problems/secondperson"
    assert "/api/v1/approvals" in refused.json()["hint"]
    act = {"kind": "export_record", "gtin": GTIN, "lot": "L-1", "form": "json"}
    act |= {"record": await calls.site.hash()}
    body: dict[str, Any] = {"act": act, "reason": "the auditor asks"}
    asked = await calls.http.post(f"{API}/approvals", json=body, headers=li)
    assert asked.status_code == 201, asked.text
    wrong = {"act": {**act, "form": "carrier pigeon"}, "reason": "x"}
    assert (await calls.http.post(f"{API}/approvals", json=wrong, headers=li)).status_code == 422
    (seen,) = (await calls.http.get(f"{API}/approvals", headers=chen)).json()["items"]
    assert (seen["state"], seen["may_decide"], seen["act"]) == ("waiting", True, act)
    verdict = {"shown": seen["shown"], "password": PASSWORD, "reason": "as agreed"}
    decide = f"{API}/approvals/{seen['id']}/approve"
    assert (await calls.http.post(decide, json=verdict, headers=li)).status_code == 409
    approved = await calls.http.post(decide, json=verdict, headers=chen)
    assert approved.json()["state"] == "approved"
    taken = await calls.http.get(path, headers=li)
    assert hashlib.sha256(taken.content).hexdigest() == act["record"]
    assert (await calls.http.get(path, headers=li)).status_code == 403


async def test_an_account_is_made_by_two(calls: Calls) -> None:
    root, anna = await calls.as_person(calls.site.root), await calls.as_person(calls.site.anna)
    wanted = {"user": "zhao.min", "printed_name": "Zhao Min", "roles": ["qa"]}
    alone = await calls.http.post(
        f"{API}/accounts", json={**wanted, "reason": "joined"}, headers=root
    )
    assert alone.status_code == 403
    body = {"act": {"kind": "create_account", **wanted}, "reason": "joined"}
    asked = (await calls.http.post(f"{API}/approvals", json=body, headers=root)).json()
    verdict = {"shown": asked["shown"], "password": PASSWORD, "reason": "as agreed"}
    path = f"{API}/approvals/{asked['id']}/approve"
    done = (await calls.http.post(path, json=verdict, headers=anna)).json()
    assert done["state"] == "done"
    assert done["issued"]["user"] == "zhao.min"
    assert {"password", "enrolment"} <= done["issued"].keys()
    denied = {"act": {"kind": "end_account", "user": "zhao.min"}, "reason": "a mistake"}
    other = (await calls.http.post(f"{API}/approvals", json=denied, headers=root)).json()
    path = f"{API}/approvals/{other['id']}"
    answer = await calls.http.post(f"{path}/deny", json={"reason": "no"}, headers=anna)
    assert (answer.json()["state"], answer.json()["decided_reason"]) == ("denied", "no")
    late = await calls.http.post(f"{path}/withdraw", json={"reason": "well"}, headers=root)
    assert late.status_code == 409


@pytest.mark.req(32)
async def test_one_s_sessions_are_listed_and_ended(calls: Calls) -> None:
    first = await calls.as_person(calls.site.floor.li)
    second = await calls.as_person(calls.site.floor.li)
    items = (await calls.http.get(f"{API}/sessions", headers=second)).json()["items"]
    assert [each["current"] for each in items] == [True, False]
    end = f"{API}/sessions/{items[1]['id']}"
    query = {"reason": "left open"}
    other = await calls.as_person(calls.site.floor.chen)
    assert (await calls.http.delete(end, params=query, headers=other)).status_code == 404
    assert (await calls.http.delete(end, params=query, headers=second)).status_code == 204
    assert (await calls.http.get(f"{API}/sessions", headers=first)).status_code == 401


@pytest.mark.req(32)
async def test_an_authenticator_is_replaced_by_both_components(calls: Calls) -> None:
    li = calls.site.floor.li
    headers = await calls.as_person(li)
    offer = (await calls.http.post(f"{API}/second-factor/offer", headers=headers)).json()
    (secret,) = parse_qs(urlsplit(offer["enrolment"]).query)["secret"]
    fresh = base64.b32decode(secret)
    old = li.code()
    step = second_factor.step_at(calls.site.floor.clock.now())
    body = {"offer": offer["offer"], "new_code": second_factor.code_at(fresh, step)}
    body |= {"password": li.password, "code": old}
    for wrong, status in (
        ({"new_code": "000000"}, 422),
        ({"offer": "bm90aGluZw=="}, 422),
        ({"password": "not this"}, 401),
    ):
        answer = await calls.http.post(
            f"{API}/second-factor", json={**body, **wrong}, headers=headers
        )
        assert answer.status_code == status, answer.text
    other = await calls.as_person(calls.site.floor.chen)  # an offer serves the one it was made to
    answer = await calls.http.post(f"{API}/second-factor", json=body, headers=other)
    assert answer.status_code == 422
    body["code"] = li.code()
    step = second_factor.step_at(calls.site.floor.clock.now())
    body["new_code"] = second_factor.code_at(fresh, step)
    answer = await calls.http.post(f"{API}/second-factor", json=body, headers=headers)
    assert answer.status_code == 204, answer.text
    assert (await calls.http.get(f"{API}/sessions", headers=headers)).status_code == 401
    li.secret = fresh
    assert await calls.as_person(li)
