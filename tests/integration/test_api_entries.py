"""Typed values and lots in doubt by the API: persons type and check, and never the same one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest

from aggregator.access.roles import Role
from aggregator.site import create_app
from protocols.wire.reading import SECOND
from tests.personal import MovableClock, cheap_passwords, person, with_clock
from tests.recorded_plant import GTIN, RecordedPlant, bundles_of, recorded_plant
from tests.sealed import START

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]
RECORD: Final = f"/api/v1/records/{GTIN}/L-1"
TYPED: Final = {
    "parameter": "plate temperature",
    "value": "121.5",
    "unit": "Cel",
    "time": START + 20 * SECOND,
    "reason": "the display was read",
}


@dataclass(slots=True, kw_only=True)
class Rig:
    """The application over a plant with the readings of L-1."""

    http: httpx.AsyncClient
    plant: RecordedPlant
    clock: MovableClock

    async def headers(self, user: str, *roles: Role) -> dict[str, str]:
        """Return the headers of a session of somebody new."""
        who = await person(self.plant.context, self.clock, user, user.title(), *roles)
        return {"Authorization": f"Bearer {await who.token()}"}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with recorded_plant(tmp_path) as plant:
        await plant.take(bundles_of(plant))
        plant.context, clock = with_clock(plant.context)
        transport = httpx.ASGITransport(app=create_app(plant.context))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield Rig(http=http, plant=plant, clock=clock)


async def kinds(rig: Rig, headers: dict[str, str]) -> list[str]:
    assert (await rig.http.post(RECORD, headers=headers)).status_code == 201
    record = (await rig.http.get(RECORD, headers=headers)).json()["record"]
    return [each["kind"] for each in record["exceptions"]]


@pytest.mark.req(8)
async def test_one_types_another_checks_and_the_record_says_both(rig: Rig) -> None:
    zhao = await rig.headers("op.zhao", Role.OPERATOR)
    qian = await rig.headers("op.qian", Role.OPERATOR)
    qa = await rig.headers("li.wei", Role.QA)
    answer = await rig.http.post(f"{RECORD}/entries", json=TYPED, headers=zhao)
    assert answer.status_code == 201, answer.text
    entry = answer.json()
    assert (entry["entered_by"], entry["check"]) == ("op.zhao", None)
    assert "unchecked_entry" in await kinds(rig, qa)

    check = f"{RECORD}/entries/{entry['id']}/check"
    own = await rig.http.post(check, json={"reason": "sure"}, headers=zhao)
    assert own.status_code == 409
    seen = await rig.http.post(check, json={"reason": "seen as well"}, headers=qian)
    assert seen.status_code == 201, seen.text
    assert seen.json()["check"]["by"] == "op.qian"
    assert "unchecked_entry" not in await kinds(rig, qa)

    wrong = f"{RECORD}/entries/{entry['id']}/corrections"
    right = {**TYPED, "value": "121.6"}
    corrected = await rig.http.post(wrong, json={"reason": "typo", "right": right}, headers=zhao)
    assert corrected.status_code == 201, corrected.text
    listed = (await rig.http.get(f"{RECORD}/entries", headers=qian)).json()["items"]
    assert {each["value"]: each["supersedes"] for each in listed} == {
        "121.5": None,
        "121.6": entry["id"],
    }
    assert "unchecked_entry" in await kinds(rig, qa)
    page = await rig.http.get(f"/records/{GTIN}/L-1", headers=qa)
    assert "heat sealing" in page.text
    review = await rig.http.get(f"/records/{GTIN}/L-1/review", headers=qa)
    assert "<del>121.5 Cel</del>" in review.text
    assert "op.qian" in review.text


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"value": ""}, 422),
        ({"value": "a\nb"}, 422),
        ({"reason": " "}, 422),
        ({"parameter": " "}, 422),
        ({"time": -1}, 422),
        ({"time": 2**62}, 422),
    ],
)
async def test_what_says_nothing_is_refused(
    rig: Rig, change: dict[str, object], status: int
) -> None:
    zhao = await rig.headers("op.zhao", Role.OPERATOR)
    answer = await rig.http.post(f"{RECORD}/entries", json={**TYPED, **change}, headers=zhao)
    assert answer.status_code == status, answer.text
    missing = await rig.http.post(
        f"{RECORD}/entries/m-0/check", json={"reason": "seen"}, headers=zhao
    )
    assert missing.status_code == 404


async def test_a_calibration_that_nobody_knows_puts_nothing_in_doubt(rig: Rig) -> None:
    qa = await rig.headers("li.wei", Role.QA)
    for ask in (rig.http.get, rig.http.post):
        assert (await ask("/api/v1/doubts/C-9", headers=qa)).status_code == 404
