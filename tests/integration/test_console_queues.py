"""The pages of what waits for a person: who sees them, who can act on them, and what that does."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from aggregator.access import tokens
from aggregator.access.roles import Actor, Role
from aggregator.access.tokens import TokenKind
from aggregator.caller import COOKIE
from aggregator.service.binding import rebind, unended
from aggregator.service.integration import misfits, receivers
from aggregator.service.integration.misfits import MisfitState
from aggregator.service.review import approve_master
from aggregator.site import create_app
from tests.personal import ADMIN, PASSWORD, Person, cheap_passwords
from tests.recorded_plant import GTIN, QA
from tests.rigs.busy_plant import MISFIT, BusyPlant, busy_plant

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]

HERE: Final = {"Origin": "http://test", "Accept": "text/html"}
PAGES: Final = {
    "/misfits": {Role.ENGINEER, Role.QA},
    "/receivers": {Role.ADMIN},
    "/proposals": set(Role) - {Role.ADMIN},
    "/bindings": {Role.ENGINEER, Role.OPERATOR, Role.QA, Role.RELEASER, Role.AUDITOR},
    "/review": {Role.QA, Role.RELEASER, Role.AUDITOR, Role.INTEGRATION},
    "/trace": {Role.QA, Role.RELEASER, Role.AUDITOR, Role.INTEGRATION},
}
"""Who has the link to each page."""


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[BusyPlant]:
    async with busy_plant(tmp_path) as found:
        yield found


@pytest.fixture
async def http(plant: BusyPlant) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(plant.context))
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=HERE) as http:
        yield http


async def enter(http: httpx.AsyncClient, who: Person) -> None:
    """Log a person in."""
    fields = {"user": who.user, "password": who.password, "code": who.code()}
    assert (await http.post("/login/person", data=fields)).status_code == 303


async def visit(plant: BusyPlant, http: httpx.AsyncClient, *roles: Role) -> None:
    """Come by a login link with these roles."""
    holder = Actor(name="visitor", roles=frozenset(roles))
    async with plant.context.store.write() as tx:
        _, text = await tokens.issue(tx, holder, TokenKind.SESSION, now=plant.context.clock.now())
    http.cookies.set(COOKIE, text)


def links(text: str) -> set[str]:
    return set(re.findall(r'href="([^"?]*)', text))


def acts(text: str) -> set[str]:
    """Return where the forms of a page lead that change something, but for the way out."""
    return set(re.findall(r'method="post" action="([^"]*)', text)) - {"/logout"}


@pytest.mark.req(31)
@pytest.mark.parametrize("role", Role)
async def test_who_has_no_right_to_a_page_has_no_link_to_it(
    plant: BusyPlant, http: httpx.AsyncClient, role: Role
) -> None:
    await visit(plant, http, role)
    start = await http.get("/")
    if role is not Role.INTEGRATION:
        assert start.status_code == 200
    for page, allowed in PAGES.items():
        answer = await http.get(page)
        if page != "/trace" or role in allowed:  # the page asks first; its answer is refused
            assert (answer.status_code == 200) is (role in allowed), page
            assert answer.status_code in (200, 403)
        assert (page in links(start.text)) is (role in allowed and start.status_code == 200) or (
            role is Role.INTEGRATION
        )


@pytest.mark.req(31)
async def test_a_visitor_looks_and_has_nothing_to_press(
    plant: BusyPlant, http: httpx.AsyncClient
) -> None:
    await visit(plant, http, *set(Role) - {Role.INTEGRATION})
    text = ""
    for page in (
        *("/", "/misfits", f"/misfits/{plant.misfit}", "/receivers", "/proposals", "/bindings"),
        *(f"/receivers/{plant.receiver}", f"/records/{GTIN}/L-1", f"/records/{GTIN}/L-1/review"),
    ):
        answer = await http.get(page)
        assert answer.status_code == 200, page
        text += answer.text
    assert acts(text) == set()
    assert "data-sign=" not in text
    assert not {"/approvals", "/accounts", "/account"} & links(text)
    assert "(by login link)" in text
    refused = await http.post(f"/misfits/{plant.misfit}/dismissal", data={"reason": "no"})
    assert refused.status_code == 403
    assert "only a person who has logged in can do this" in refused.text
    assert "/misfits" in links(refused.text), "the page that says so has the way back"


@pytest.mark.req(49)
async def test_a_misfit_is_corrected_and_taken(plant: BusyPlant, http: httpx.AsyncClient) -> None:
    await enter(http, plant.site.floor.li)
    assert "check digit" in (await http.get("/misfits")).text
    address = f"/misfits/{plant.misfit}"
    page = (await http.get(address)).text
    assert "with these digits it would be 2" in page
    assert "  &#34;order&#34;: &#34;WO-7&#34;" in page, "a member a line"
    as_it_is = await http.post(
        f"{address}/submission", data={"document": MISFIT, "reason": "again"}
    )
    assert as_it_is.status_code == 422
    assert "check digit" in as_it_is.text
    right = MISFIT.replace("09506000134353", GTIN)
    taken = await http.post(f"{address}/submission", data={"document": right, "reason": "typo"})
    assert taken.headers["Location"] == "/misfits"
    found = await misfits.get(plant.context, QA, plant.misfit)
    assert (found.state, found.corrected, found.closed_by) == (MisfitState.TAKEN, right, "li.wei")
    assert acts((await http.get(address)).text) == set(), "it has been seen to"
    again = await http.post(f"{address}/dismissal", data={"reason": "no"})
    assert again.status_code == 409
    assert plant.misfit in (await http.get("/misfits?state=taken")).text


async def test_a_misfit_is_dismissed_with_a_reason(
    plant: BusyPlant, http: httpx.AsyncClient
) -> None:
    await enter(http, plant.engineer)
    address = f"/misfits/{plant.misfit}/dismissal"
    assert (await http.post(address, data={"reason": " "})).status_code == 422
    assert (await http.post(address, data={"reason": "a trial order"})).status_code == 303
    found = await misfits.get(plant.context, QA, plant.misfit)
    assert (found.state, found.why) == (MisfitState.DISMISSED, "a trial order")


async def test_who_may_not_change_what_an_item_changes_cannot_take_it(
    plant: BusyPlant, http: httpx.AsyncClient
) -> None:
    raw = '{"lot": "L-1"}'
    answer = await http.post(
        "/api/v1/import/test-results",
        content=raw,
        headers={"Authorization": f"Bearer {await _service(plant)}"},
    )
    misfit = answer.json()["items"][0]["misfit"]
    await enter(http, plant.engineer)
    shown = await http.get(f"/misfits/{misfit}")
    assert acts(shown.text) == {f"/misfits/{misfit}/dismissal"}
    tried = await http.post(
        f"/misfits/{misfit}/submission", data={"document": "{}", "reason": "mine"}
    )
    assert tried.status_code == 403


async def _service(plant: BusyPlant) -> str:
    holder = Actor(name="lims", roles=frozenset({Role.INTEGRATION}))
    async with plant.context.store.write() as tx:
        now = plant.context.clock.now()
        _, text = await tokens.issue(tx, holder, TokenKind.SERVICE, now=now)
    return text


@pytest.mark.req(49)
async def test_a_receiver_is_paused_and_let_go_on_and_has_its_letters_again(
    plant: BusyPlant, http: httpx.AsyncClient
) -> None:
    await enter(http, plant.site.root)
    address = f"/receivers/{plant.receiver}"
    page = (await http.get(address)).text
    assert "answered 500" in page
    for act, data in (
        ("pause", {}),
        ("send-again", {"sequence": "1"}),
        ("send-again", {}),
    ):
        answer = await http.post(f"{address}/{act}", data={"reason": "being moved", **data})
        assert answer.headers["Location"] == address
    (found,) = await receivers.progress(plant.context, ADMIN)
    assert (found.receiver.paused, found.dead, found.asked) == (True, 1, 1)
    assert "paused" in (await http.get("/receivers")).text
    await http.post(f"{address}/resume", data={"reason": "it is there"})
    (found,) = await receivers.progress(plant.context, ADMIN)
    assert not found.receiver.paused
    assert (await http.post(f"{address}/explode", data={"reason": "x"})).status_code == 404
    await http.post(f"{address}/end", data={"reason": "no longer"})
    assert (await http.get(address)).status_code == 404


async def test_the_proposed_end_of_a_job_is_signed(
    plant: BusyPlant, http: httpx.AsyncClient
) -> None:
    li = plant.site.floor.li
    await enter(http, li)
    page = (await http.get("/proposals")).text
    assert "something else was there since" in page
    (shown,) = re.findall(r'name="shown" value="(\w+)"', page)
    address = f"/proposals/jobs/{plant.unended}"
    form = {"shown": shown, "reason": "it was out", "password": PASSWORD}
    wrong = await http.post(address, data={**form, "code": "000000"})
    assert wrong.status_code == 422
    assert "is not right" in wrong.text
    signed = await http.post(address, data={**form, "code": li.code()})
    assert signed.status_code == 303
    assert await unended.unended(plant.context, QA) == []


async def test_a_proposed_limit_is_approved_by_another_person(
    plant: BusyPlant, http: httpx.AsyncClient
) -> None:
    form = {"kind": "limit", "key": f"{GTIN}/seal pressure", "version": "2", "reason": "as agreed"}
    await enter(http, plant.engineer)
    assert "/proposals/master" not in acts((await http.get("/proposals")).text)
    tried = await http.post("/proposals/master", data={**form, "password": PASSWORD})
    assert tried.status_code == 403
    await enter(http, plant.site.floor.chen)
    page = (await http.get("/proposals")).text
    assert re.search(r"<td>action_high</td><td>4\.5</td><td>4\.6</td>", page)
    assert "/proposals/master" in acts(page)
    nothing = await http.post("/proposals/master", data={**form, "kind": "planet"})
    assert nothing.status_code == 404
    answer = await http.post(
        "/proposals/master", data={**form, "password": PASSWORD, "decision": "approve"}
    )
    assert answer.status_code == 303
    assert await approve_master.proposals(plant.context, QA) == []


async def test_an_overtaken_record_is_told_and_assembled_again(
    plant: BusyPlant, http: httpx.AsyncClient
) -> None:
    await enter(http, plant.site.floor.li)
    record = (await http.get(f"/records/{GTIN}/L-1")).text
    assert "Overtaken" in record
    assert {"/bindings", "/trace"} <= links(record)
    assert "a fact" in (await http.get("/bindings")).text
    answer = await http.post(f"/bindings/{GTIN}/L-1")
    assert answer.headers["Location"] == f"/records/{GTIN}/L-1"
    assert await rebind.overtaken(plant.context, QA) == []
    assert "Overtaken" not in (await http.get(f"/records/{GTIN}/L-1")).text


async def test_readings_of_no_lot_are_counted_and_listed(
    plant: BusyPlant, http: httpx.AsyncClient
) -> None:
    await enter(http, plant.engineer)
    times = {"start": "2026-09-21T14:13:20", "end": "2026-09-21T14:16:00"}
    text = (await http.get("/bindings", params=times)).text
    (row,) = re.findall(r"<tr>\s*<td>press-1/plate-temperature.*?</tr>", text, re.DOTALL)
    cells = [
        re.sub(r"<[^>]*>|\s+", " ", each).strip()
        for each in re.findall(r"<td.*?</td>", row, re.DOTALL)
    ]
    assert [each.split() for each in cells[1:3]] == [["Readings", "160"], ["Of", "a", "lot", "120"]]
    assert cells[4].endswith("▲ 40")
    assert re.findall(r"14:\d\d:\d\d|\(\d+\)", cells[5]) == [
        *("14:13:20", "14:13:29", "(10)"),
        *("14:15:30", "14:15:59", "(30)"),
    ]
    page = await http.get("/bindings", params={"start": "1971-01-01T00:00"})
    assert page.status_code == 422
    assert "31 days" in page.text
    wrong = await http.get("/bindings", params={"start": "yesterday"})
    assert (wrong.status_code, "is no time" in wrong.text) == (422, True)
