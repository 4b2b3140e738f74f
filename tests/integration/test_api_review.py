"""Review and signing by the API: only persons, what is theirs, nothing unseen, nobody twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI

from aggregator.access import tokens
from aggregator.access.roles import POLICY, Act, Actor, Role
from aggregator.access.tokens import TokenKind
from aggregator.model.signature import Meaning
from aggregator.service import assemble_record
from aggregator.service.access.delegations import DELEGATED
from aggregator.service.review.signing import ACT_OF
from aggregator.site import create_app
from tests.personal import (
    PASSWORD,
    PERSONAL,
    MovableClock,
    Person,
    cheap_passwords,
    person,
    with_clock,
)
from tests.recorded_plant import GTIN, QA, RecordedPlant, bundles_of, recorded_plant

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]

REVIEW: Final = f"/api/v1/reviews/{GTIN}/L-1"
NAMED: Final = {
    "gtin": GTIN,
    "lot": "L-1",
    "delegation": "d",
    "session": "s",
    "approval": "a",
    "entry": "e",
    "kind": "limit",
    "key": "k",
    "version": "1",
    "fact_id": "f-0",
    "enrolment": "e-0",
    "rollout": "r-0",
}
Headers = dict[str, str]


@dataclass(slots=True, kw_only=True)
class Rig:
    """The application over a plant with a complete record of L-1."""

    app: FastAPI
    http: httpx.AsyncClient
    plant: RecordedPlant
    clock: MovableClock

    async def joined(self, user: str, *roles: Role) -> Person:
        """Return somebody with an account."""
        return await person(self.plant.context, self.clock, user, user.title(), *roles)

    async def logged_in(self, who: Person) -> Headers:
        """Return the headers of a person's session, opened by the API."""
        body = {"user": who.user, "password": who.password, "code": who.code()}
        answer = await self.http.post("/api/v1/sessions", json=body)
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    async def etag(self, headers: Headers) -> str:
        """Return the tag of where L-1 stands."""
        answer = await self.http.get(REVIEW, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.headers["ETag"]

    async def open(self, headers: Headers) -> httpx.Response:
        """Open the review of L-1."""
        return await self.http.post(
            REVIEW,
            json={"reason": "complete"},
            headers={**headers, "If-Match": await self.etag(headers)},
        )

    async def sign(
        self, who: Person, headers: Headers, meaning: Meaning, *subjects: str, **change: Any
    ) -> httpx.Response:
        """Read the statement and sign it; ``change`` alters what is sent."""
        query = {"meaning": meaning.value, "subject": [*subjects]}
        shown = await self.http.get(f"{REVIEW}/statement", params=query, headers=headers)
        if shown.status_code != 200:
            return shown
        said = shown.json()
        body: Mapping[str, Any] = {
            "meaning": meaning.value,
            "subjects": subjects,
            "reason": "as seen",
            "shown": said["shown"],
            "password": who.password,
            "code": who.code() if "code" in said["components"] else "",
        }
        return await self.http.post(
            f"{REVIEW}/signatures",
            json={**body, **change},
            headers={**headers, "If-Match": shown.headers["ETag"]},
        )

    async def accept_all(self, who: Person, headers: Headers) -> None:
        """Accept every exception of L-1."""
        waiting = (await self.http.get(REVIEW, headers=headers)).json()["undecided"]
        answer = await self.sign(who, headers, Meaning.EXCEPTION_ACCEPTED, *waiting)
        assert answer.status_code == 201, answer.text


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with recorded_plant(tmp_path) as plant:
        await plant.take(bundles_of(plant))
        plant.context, clock = with_clock(plant.context)
        await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
        app = create_app(plant.context)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield Rig(app=app, http=http, plant=plant, clock=clock)


@pytest.mark.req(29)
async def test_a_lot_is_released_by_two_and_never_by_one(rig: Rig) -> None:
    li = await rig.joined("li.wei", Role.QA, Role.RELEASER)
    chen = await rig.joined("chen.jie", Role.RELEASER)
    lis, chens = await rig.logged_in(li), await rig.logged_in(chen)
    assert (await rig.open(lis)).json()["stage"] == "in_review"
    await rig.accept_all(li, lis)
    assert (await rig.sign(li, lis, Meaning.REVIEWED)).json()["stage"] == "reviewed"
    same = await rig.sign(li, lis, Meaning.RELEASED)
    assert same.status_code == 409
    assert "another person" in same.json()["detail"]
    missing = (await rig.http.get(f"{REVIEW}/if-released", headers=lis)).json()["missing"]
    assert [each["what"] for each in missing] == ["same_person"]
    released = await rig.sign(chen, chens, Meaning.RELEASED)
    assert released.status_code == 201, released.text
    found = released.json()
    assert (found["stage"], found["reviewer"], found["releaser"]) == (
        "released",
        "li.wei",
        "chen.jie",
    )
    assert [each["printed_name"] for each in found["signatures"]] == [
        "Li.Wei",
        "Li.Wei",
        "Chen.Jie",
    ]
    (record,) = {each["record_hash"] for each in found["signatures"]}
    assert record == found["content_hash"]


@pytest.mark.clause("21 CFR 11.10(g)")
async def test_a_service_or_a_link_signs_nothing(rig: Rig) -> None:
    holder = Actor(name="mes", roles=frozenset(Role))
    for kind in (TokenKind.SERVICE, TokenKind.SESSION):
        async with rig.plant.context.store.write() as tx:
            _, text = await tokens.issue(tx, holder, kind, now=rig.clock.now())
        for method, path in sorted(PERSONAL - {("POST", "/sessions"), ("POST", "/password")}):
            answer = await rig.http.request(
                method,
                "/api/v1" + path.format(**NAMED),
                headers={"Authorization": f"Bearer {text}"},
            )
            assert answer.status_code == 403, (method, path, answer.text)
            assert "only a person" in answer.json()["detail"]


async def test_nothing_personal_opens_without_a_session(rig: Rig) -> None:
    for method, path in sorted(PERSONAL - {("POST", "/sessions"), ("POST", "/password")}):
        address = "/api/v1" + path.format(**NAMED)
        for headers in ({}, {"Authorization": "Bearer lp_0_0"}):
            answer = await rig.http.request(method, address, headers=headers)
            assert answer.status_code == 401, (method, path, answer.text)


@pytest.mark.clause("EU GMP Annex 11 section 15")
@pytest.mark.clause("21 CFR 11.10(d)")
@pytest.mark.parametrize("role", Role)
async def test_each_role_signs_what_the_policy_says_and_nothing_else(rig: Rig, role: Role) -> None:
    who = await rig.joined("li.wei", role)
    headers = await rig.logged_in(who)
    for meaning in Meaning:
        subject = ["x"] if ACT_OF[meaning] is Act.REVIEW_RECORD else []
        subject = [] if meaning is Meaning.REVIEWED else subject
        query: dict[str, Any] = {"meaning": meaning.value, "subject": subject}
        if meaning is Meaning.DEVIATION_RAISED:
            query["deviation"] = "DEV-1"
        answer = await rig.http.get(f"{REVIEW}/statement", params=query, headers=headers)
        allowed = ACT_OF[meaning] in POLICY[role]
        assert (answer.status_code != 403) is allowed, (meaning, answer.text)
        body = {**query, "subjects": subject, "reason": "x", "shown": "x", "password": PASSWORD}
        body.pop("subject")
        answer = await rig.http.post(
            f"{REVIEW}/signatures", json=body, headers={**headers, "If-Match": '"0.1"'}
        )
        assert answer.status_code == (409 if allowed else 403), (meaning, answer.text)
    opened = await rig.http.post(
        REVIEW, json={"reason": "x"}, headers={**headers, "If-Match": '"9.9"'}
    )
    assert opened.status_code == (409 if Act.REVIEW_RECORD in POLICY[role] else 403)
    body = {"delegate": "li.wei", "start": 1, "end": 2, "reason": "x"}
    answer = await rig.http.post("/api/v1/delegations", json=body, headers=headers)
    assert answer.status_code == (409 if POLICY[role] & set(DELEGATED) else 403)


async def test_what_was_read_must_still_stand(rig: Rig) -> None:
    li = await rig.joined("li.wei", Role.QA)
    headers = await rig.logged_in(li)
    stale = await rig.etag(headers)
    assert (await rig.open(headers)).status_code == 200
    again = await rig.http.post(
        REVIEW, json={"reason": "x"}, headers={**headers, "If-Match": stale}
    )
    assert again.status_code == 409
    nothing = await rig.http.post(REVIEW, json={"reason": "x"}, headers=headers)
    assert nothing.status_code == 422
    odd = await rig.http.post(REVIEW, json={"reason": "x"}, headers={**headers, "If-Match": "1"})
    assert odd.status_code == 422
    unseen = await rig.sign(li, headers, Meaning.HELD, shown="0" * 64)
    assert unseen.status_code == 409
    wrong = await rig.sign(li, headers, Meaning.HELD, password="guess")
    assert (wrong.status_code, wrong.headers["content-type"]) == (401, "application/problem+json")


async def test_a_browser_signs_from_our_own_pages_alone(rig: Rig) -> None:
    li = await rig.joined("li.wei", Role.QA)
    etag = await rig.etag(await rig.logged_in(li))
    cookie = {"Cookie": f"lotproof_session={await li.token()}", "If-Match": etag}
    for origin in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        answer = await rig.http.post(REVIEW, json={"reason": "x"}, headers={**cookie, **origin})
        assert answer.status_code == 401, origin
    answer = await rig.http.post(
        REVIEW, json={"reason": "x"}, headers={**cookie, "Origin": "http://test"}
    )
    assert answer.status_code == 200, answer.text


async def test_a_session_from_first_password_to_logout(rig: Rig) -> None:
    async with rig.plant.context.store.write() as tx:
        admin = Actor(name="root", roles=frozenset({Role.ADMIN}))
        _, text = await tokens.issue(tx, admin, TokenKind.SERVICE, now=rig.clock.now())
    asked = {"user": "li.wei", "printed_name": "Li Wei", "roles": ["qa"], "reason": "joined"}
    made = await rig.http.post(
        "/api/v1/accounts", json=asked, headers={"Authorization": f"Bearer {text}"}
    )
    assert made.status_code == 201, made.text
    li = await person(rig.plant.context, rig.clock, "wang.fang", "Wang Fang", Role.QA)
    headers = await rig.logged_in(li)
    ended = await rig.http.delete("/api/v1/sessions/current", headers=headers)
    assert ended.status_code == 204
    assert (await rig.http.get(REVIEW, headers=headers)).status_code == 401
    issued = {"user": "li.wei", "password": made.json()["password"], "code": "000000"}
    assert (await rig.http.post("/api/v1/sessions", json=issued)).status_code == 401
    short = {**issued, "new_password": "short"}
    assert (await rig.http.post("/api/v1/password", json=short)).status_code == 422
