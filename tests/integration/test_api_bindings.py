"""Bindings by the API: what belongs to a lot then and now, what to none, jobs without an end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from aggregator.access.roles import Role
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.site import create_app
from protocols.wire.reading import SECOND
from tests.personal import MovableClock, Person, cheap_passwords, person, with_clock
from tests.recorded_plant import (
    AREA,
    ENGINEER,
    GTIN,
    RecordedPlant,
    bundles_of,
    recorded_plant,
)
from tests.sealed import START

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]

OVEN = f"{AREA}/line-1/oven-1"
LOTS = f"/api/v1/lots/{GTIN}"


@dataclass(slots=True, kw_only=True)
class Rig:
    """The application over a recorded plant with an oven, and a person of QA who is logged in."""

    http: httpx.AsyncClient
    plant: RecordedPlant
    clock: MovableClock
    li: Person

    async def get(self, path: str, **query: Any) -> Any:
        """Return what an address answers."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def correct(self, fact: str, body: dict[str, Any]) -> dict[str, Any]:
        """Look at a correction, sign it, and return the fact that was added."""
        path = f"/api/v1/facts/{fact}/corrections"
        seen = await self.http.post(f"{path}/statement", json=body)
        assert seen.status_code == 200, seen.text
        sealed = {"shown": seen.json()["shown"], "password": self.li.password}
        answer = await self.http.post(
            f"{path}/signed", json={**body, **sealed, "code": self.li.code()}
        )
        assert answer.status_code == 201, answer.text
        added: dict[str, Any] = answer.json()
        return added

    async def say(self, lot: str, start: int, end: int | None = None) -> str:
        """Say that a lot was in the oven, and return the fact's id."""
        body = {
            "kind": "occupancy",
            "equipment": OVEN,
            "lot": {"gtin": GTIN, "lot": lot},
            "start": START + start * SECOND,
            "end": None if end is None else START + end * SECOND,
            "reason": "seen",
        }
        answer = await self.http.post("/api/v1/facts", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with recorded_plant(tmp_path) as plant:
        await plant.take(bundles_of(plant))
        for kind, data in (
            (EntityKind.EQUIPMENT, {"path": OVEN}),
            (EntityKind.LOT, {"gtin": GTIN, "lot": "L-3"}),
            (EntityKind.LOT, {"gtin": GTIN, "lot": "L-4"}),
        ):
            document = master_data.parse(kind, data)
            await master_data.put(
                plant.context, ENGINEER, document, expected_version=None, why="test"
            )
        plant.context, clock = with_clock(plant.context)
        li = await person(plant.context, clock, "li.wei", "Li Wei", Role.QA)
        transport = httpx.ASGITransport(app=create_app(plant.context))
        headers = {"Authorization": f"Bearer {await li.token()}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://test", headers=headers
        ) as http:
            yield Rig(http=http, plant=plant, clock=clock, li=li)


async def test_bindings_are_shown_now_and_as_they_were(rig: Rig) -> None:
    found = await rig.get(f"{LOTS}/L-1/bindings")
    (window,) = found["windows"]
    assert window["start"]["time"] == START + 10 * SECOND
    counts = {each["signal"]: each["readings"] for each in found["signals"]}
    assert counts["press-1/plate-temperature"] == 60
    assert found["facts"][0]["authority"] == "controller"
    then = rig.clock.now()
    rig.clock.skip(5)
    fact = await rig.say("L-3", 20, 30)
    assert (await rig.get(f"{LOTS}/L-3/bindings"))["facts"][0]["id"] == fact
    assert (await rig.get(f"{LOTS}/L-3/bindings", as_of=then))["windows"] == []
    assert (await rig.http.get(f"{LOTS}/L-9/bindings")).status_code == 404


async def test_what_belongs_to_no_lot_is_listed(rig: Rig) -> None:
    window: dict[str, Any] = {
        "start": START,
        "end": START + 160 * SECOND,
        "signal": "press-1/seal-pressure",
    }
    (pressure,) = (await rig.get("/api/v1/coverage", **window))["items"]
    assert (pressure["readings"], pressure["bound"]) == (160, 120)
    assert [run["readings"] for run in pressure["unbound"]] == [10, 30]
    assert pressure["unbound"][0]["first"] == START
    wrong = await rig.http.get("/api/v1/coverage", params={**window, "end": 1})
    assert wrong.status_code == 422


async def test_a_job_that_nobody_ended_is_ended_by_a_signature(rig: Rig) -> None:
    fact = await rig.say("L-3", 20)
    assert await rig.get("/api/v1/unended") == {"items": []}, "nothing says that it ended"
    await rig.say("L-4", 50)
    (proposed,) = (await rig.get("/api/v1/unended"))["items"]
    assert proposed["statement"]["fact"] == fact
    assert proposed["statement"]["evidence"] == "next"
    body = {
        "shown": proposed["shown"],
        "reason": "it was out when L-4 came",
        "password": rig.li.password,
        "code": rig.li.code(),
    }
    unseen = await rig.http.post(f"/api/v1/unended/{fact}", json={**body, "shown": "0" * 64})
    assert unseen.status_code == 409, "what was not shown is not signed"
    no_code = await rig.http.post(f"/api/v1/unended/{fact}", json={**body, "code": "000000"})
    assert no_code.status_code == 401
    signed = await rig.http.post(f"/api/v1/unended/{fact}", json={**body, "code": rig.li.code()})
    assert signed.status_code == 201, signed.text
    added = signed.json()
    assert (added["end"], added["source"]) == (START + 50 * SECOND, "li.wei")
    assert (added["signed"], added["supersedes"]) == (proposed["shown"], fact)
    (window,) = (await rig.get(f"{LOTS}/L-3/bindings"))["windows"]
    assert window["end"]["time"] == START + 50 * SECOND
    assert await rig.get("/api/v1/unended") == {"items": []}


async def test_overtaken_records_are_listed(rig: Rig) -> None:
    fact = await rig.say("L-3", 20, 30)
    assert await rig.get("/api/v1/overtaken") == {"items": []}, "there is no record yet"
    made = await rig.http.post(f"/api/v1/records/{GTIN}/L-3")
    assert made.status_code == 201, made.text
    await rig.correct(fact, {"reason": "another lot"})
    (waiting,) = (await rig.get("/api/v1/overtaken"))["items"]
    assert (waiting["lot"]["lot"], waiting["why"]) == ("L-3", "fact")


def moved(lot: str, start: int, end: int) -> dict[str, Any]:
    """Return what is right: that a lot was in the oven at other times."""
    return {
        "kind": "occupancy",
        "equipment": OVEN,
        "lot": {"gtin": GTIN, "lot": lot},
        "start": START + start * SECOND,
        "end": START + end * SECOND,
        "reason": "seen",
    }


@pytest.mark.req(29)
@pytest.mark.clause("21 CFR 11.10(e)")
@pytest.mark.parametrize(
    ("right", "operator", "bound"),
    [
        (moved("L-3", 22, 30), "", {"L-3": (22, 30)}),  # the start
        (moved("L-3", 20, 28), "", {"L-3": (20, 28)}),  # the stop
        (moved("L-4", 20, 30), "", {"L-4": (20, 30)}),  # the lot
        (moved("L-3", 20, 30), "op.zhao", {"L-3": (20, 30)}),  # who ran it
        (None, "", {}),  # it never was there
    ],
)
async def test_a_person_signs_what_they_correct_and_both_facts_stay(
    rig: Rig, right: dict[str, Any] | None, operator: str, bound: dict[str, tuple[int, int]]
) -> None:
    wrong = await rig.say("L-3", 20, 30)
    before = rig.clock.now()
    rig.clock.skip(5)
    body = {"reason": "misread the traveller", "right": right, "operator": operator}
    path = f"/api/v1/facts/{wrong}/corrections"
    unsigned = await rig.http.post(path, json=body)
    assert unsigned.status_code == 403
    assert "signs what they correct" in unsigned.json()["detail"]
    seen = (await rig.http.post(f"{path}/statement", json=body)).json()
    assert seen["statement"]["before"]["lot"] == f"(01){GTIN}(10)L-3"
    assert (seen["statement"]["after"] is None) == (right is None)
    proof = {"shown": seen["shown"], "password": rig.li.password, "code": rig.li.code()}
    if right is not None:
        other = {**body, "right": {**right, "end": START + 99 * SECOND}}
        unseen = await rig.http.post(f"{path}/signed", json={**other, **proof})
        assert unseen.status_code == 409, "what was not shown is not signed"
    no_code = await rig.http.post(f"{path}/signed", json={**body, **proof, "code": "000000"})
    assert no_code.status_code == 401
    added = await rig.correct(wrong, body)
    assert (added["supersedes"], added["signed"]) == (wrong, seen["shown"])
    assert added["source"] == (operator or "li.wei")
    assert ("signed by li.wei" in added["reason"]) == bool(operator)
    found = {}
    for lot in ("L-3", "L-4"):
        for window in (await rig.get(f"{LOTS}/{lot}/bindings"))["windows"]:
            times = [(window[side]["time"] - START) // SECOND for side in ("start", "end")]
            found[lot] = (times[0], times[1])
    assert found == bound
    (then,) = (await rig.get(f"{LOTS}/L-3/bindings", as_of=before))["windows"]
    assert (then["start"]["time"] - START) // SECOND == 20, "as it was known then"
