"""Settings and enrolment over the API, as programs of persons call it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from aggregator.access.issuing import make_authority
from aggregator.access.roles import Role
from aggregator.errors import ConflictError
from aggregator.ops.renewals import Renewals
from aggregator.ops.rollouts import Rollouts
from aggregator.service import gateways
from aggregator.service.context import Context
from aggregator.service.enrolment import admit
from aggregator.service.enrolment.renew import renew
from aggregator.site import create_app
from edge_agent.keys import certificate_facts, certificate_request
from protocols.wire.control.command import CommandKind, open_command
from protocols.wire.control.enrolment import seal_request
from protocols.wire.control.renewal import Renewal, open_renewed, seal_renewal
from protocols.wire.header import GatewayId
from protocols.wire.seal import SoftwareSealKey
from protocols.wire.topics import Channel, topic
from tests.approving_plant import relaxed
from tests.integration.test_enrolment import asks
from tests.personal import ADMIN, PASSWORD, Person, cheap_passwords, person, with_clock
from tests.rigs.context import running_context
from tests.sealed import key_named

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]
API = "/api/v1/gateways"
DOCUMENT = {"seal": {"age_max_s": 2.0}}


class Line:
    """What a broker was given."""

    connections = 1

    def __init__(self) -> None:
        self.retained: dict[str, bytes] = {}
        self.said: list[tuple[str, bytes]] = []

    def retain(self, name: str, data: bytes) -> bool:
        self.retained[name] = data
        return True

    def say(self, name: str, data: bytes) -> bool:
        self.said.append((name, data))
        return True

    async def reply(self) -> tuple[str, bytes]:
        raise NotImplementedError


@dataclass(slots=True, kw_only=True)
class Site:
    context: Context
    http: httpx.AsyncClient
    li: Person
    chen: Person
    folder: Path

    async def post(self, path: str, by: Person, **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {await by.token()}"}
        answer: httpx.Response = await self.http.post(f"{API}{path}", json=body, headers=headers)
        return answer

    async def get(self, path: str, by: Person) -> Any:
        headers = {"Authorization": f"Bearer {await by.token()}"}
        return (await self.http.get(f"{API}{path}", headers=headers)).json()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running_context(tmp_path) as opened:
        context, clock = with_clock(opened)
        li = await person(context, clock, "li.wei", "Li Wei", Role.ENGINEER)
        chen = await person(context, clock, "chen.jie", "Chen Jie", Role.ENGINEER)
        await gateways.register(context, ADMIN, "gw-1", key_named("gw-1").public, why="new")
        transport = httpx.ASGITransport(app=create_app(context))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield Site(context=context, http=http, li=li, chen=chen, folder=tmp_path)


@pytest.mark.req(25)
async def test_settings_are_offered_shown_and_halted(site: Site) -> None:
    wanted: dict[str, Any] = {"document": DOCUMENT, "gateways": ["gw-1"], "reason": "slower"}
    wrong = await site.post("/settings", site.li, **{**wanted, "document": {"seal": {"key": "x"}}})
    assert (wrong.status_code, "seal.key" in wrong.json()["detail"]) == (422, True)
    stranger = await site.post("/settings", site.li, **{**wanted, "gateways": ["gw-7"]})
    assert stranger.status_code == 404
    first = await site.post("/settings", site.li, **{**wanted, "canary": ["gw-7"]})
    assert first.status_code == 422
    offered = (await site.post("/settings", site.li, **wanted)).json()
    assert offered["versions"][0] | {"why": ""} == {
        "gateway": "gw-1",
        "number": 1,
        "is_canary": False,
        "state": "offered",
        "why": "",
        "settings_hash": None,
    }
    line = Line()
    await Rollouts(site.context, line).look()
    command = open_command(
        line.retained[topic("gw-1", Channel.COMMAND)], site.context.keys.seal.public
    )
    assert (command.kind, command.version) == (CommandKind.CHECK, 1)
    assert command.document == '{"seal":{"age_max_s":2.0}}'

    request = offered["approval"]
    body = {"shown": request["shown"], "password": PASSWORD, "reason": "as agreed"}
    headers = {"Authorization": f"Bearer {await site.chen.token()}"}
    path = f"/api/v1/approvals/{request['id']}/approve"
    refused = await site.http.post(path, json=body, headers=headers)
    assert refused.status_code == 409
    assert "gw-1: offered" in refused.json()["detail"], "the gateway has not checked them"

    again = (await site.post("/settings", site.li, **wanted)).json()
    older = await site.get(f"/settings/{offered['id']}", site.chen)
    assert (older["state"], older["versions"][0]["state"]) == ("halted", "superseded")
    assert again["versions"][0]["number"] == 2
    halted = await site.post(f"/settings/{again['id']}/halt", site.chen, reason="not today")
    assert halted.json()["state"] == "halted"
    assert (
        await site.post(f"/settings/{again['id']}/halt", site.chen, reason="again")
    ).status_code == 409
    versions = await site.get("/gw-1/settings", site.chen)
    assert [row["version"] for row in versions["items"]] == [2, 1]
    assert versions["in_force"] == {}
    assert len((await site.get("/settings", site.chen))["items"]) == 2


@pytest.mark.req(42)
async def test_a_gateway_is_admitted_and_renews_under_its_seal_alone(site: Site) -> None:
    context = site.context
    assert make_authority(context.settings, context.clock.now())
    assert not make_authority(context.settings, context.clock.now()), "once"
    invited = (await site.post("/invitations", site.li, gateway="gw-9", reason="new line")).json()
    request, statement, shown = asks(site.folder, invited["token"])
    body = {"token": invited["token"], "request": request, "statement": statement}
    asked = (await site.http.post("/enrol/v1", json=body)).json()
    assert asked["fingerprint"] == shown
    path = f"/enrolments/{asked['enrolment']}/admit"
    own = await site.post(path, site.li, fingerprint=shown, reason="mine")
    assert (own.status_code, "another person" in own.json()["detail"]) == (409, True)
    done = await site.post(path, site.chen, fingerprint=shown, reason="compared")
    assert done.status_code == 200, done.text
    late = await site.post(path, site.chen, fingerprint=shown, reason="again")
    assert late.status_code == 409
    (row,) = (await site.get("/enrolments", site.chen))["items"]
    assert (row["state"], row["made_by"], row["decided_by"]) == ("admitted", "li.wei", "chen.jie")

    csr = certificate_request(site.folder / "gw-9.key")

    async def answers(name: str, key: SoftwareSealKey, gateway: str = "gw-9") -> list[bytes]:
        line = Line()
        sealed = seal_renewal(Renewal(GatewayId(gateway), csr, 5), key)
        await Renewals(context, line).answer(name, sealed)
        assert all(to == topic("gw-9", Channel.COMMAND) for to, _ in line.said)
        return [data for _, data in line.said]

    own_topic = topic("gw-9", Channel.REPLY)
    assert await answers(own_topic, key_named("gw-1")) == [], "another's key"
    assert await answers(topic("gw-1", Channel.REPLY), key_named("gw-9")) == []
    assert await answers(own_topic, key_named("gw-9"), "gw-1") == []
    (sealed,) = await answers(own_topic, key_named("gw-9"))
    facts = certificate_facts(open_renewed(sealed, context.keys.seal.public).pem.encode())
    assert facts.name == "gw-9"
    assert await answers(own_topic, key_named("gw-9")) == [sealed], "the same within an hour"
    kid = key_named("gw-9").public.kid
    await gateways.revoke_key(relaxed(context), ADMIN, "gw-9", kid, why="stolen")
    assert await answers(own_topic, key_named("gw-9")) == [], "a revoked key gets nothing"
    with pytest.raises(ConflictError, match="no certificate of ours"):
        await renew(context, "gw-1", csr)


async def test_what_is_asked_is_bounded_and_proved(site: Site) -> None:
    token, _ = await admit.invite(site.context, ADMIN, "gw-9", why="a test")
    request, statement, _ = asks(site.folder, token)
    for changes in ({"request": "not base64!"}, {"request": statement}, {"statement": request}):
        body = {"token": token, "request": request, "statement": statement, **changes}
        answer = await site.http.post("/enrol/v1", json=body)
        assert answer.status_code == 422, changes
    short = seal_request(token, b"no request", key_named("gw-9"))
    encode = base64.b64encode
    body = {
        "token": token,
        "request": encode(b"no request").decode(),
        "statement": encode(short).decode(),
    }
    answer = await site.http.post("/enrol/v1", json=body)
    assert answer.status_code == 422
    assert "not one that its key signed" in answer.json()["detail"]
    assert (await site.http.post("/enrol/v1", json={**body, "token": "x" * 99})).status_code == 422
