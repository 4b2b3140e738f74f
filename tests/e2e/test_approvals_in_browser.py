"""What stands beside a request on keys and settings: a second person sees what they decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from aggregator.access.roles import Role
from aggregator.model.approval import Approval
from aggregator.model.rollout import VersionState
from aggregator.service.access.accounts import Session
from aggregator.service.approval import approvals
from aggregator.service.approval.approvals import Verdict
from aggregator.service.approval.sensitive import ApplySettings, parse_act
from aggregator.service.enrolment import handover
from aggregator.service.rollout import offer
from aggregator.service.rollout.progress import follow
from protocols.wire.control.handover import open_handover, seal_handover
from protocols.wire.header import GatewayId
from protocols.wire.life import SettingsReport, SettingsState
from tests.approving_plant import relaxed
from tests.e2e.browser import browsing
from tests.e2e.console_rig import log_in_by_id, look, served
from tests.personal import PASSWORD, cheap_passwords, person
from tests.reviewed_plant import Floor, opened
from tests.sealed import key_named

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]
GATEWAY = GatewayId("gw-01")


def source(**changes: Any) -> dict[str, Any]:
    signal = {"name": "press/plate-temperature", "address": 0, "scale": 0.1}
    return {"name": "press", "driver": "modbus", "host": "10.0.0.6", "signals": [signal], **changes}


async def ask_for(floor: Floor, by: Session, document: dict[str, Any]) -> tuple[str, Approval]:
    """Offer settings and ask for their approval; return the document's id, too."""
    wanted = offer.Wanted(document=document, gateways=[GATEWAY])
    rollout = await offer.offer(floor.context, by.actor, wanted, why="another line")
    act = ApplySettings(
        kind="apply_settings", rollout=rollout.id, document=rollout.hash, gateways=(GATEWAY,)
    )
    return rollout.id, await approvals.ask(floor.context, by, act, why="another line")


async def bring_into_force(
    floor: Floor, asking: Session, deciding: Session, document: dict[str, Any]
) -> None:
    rollout, asked = await ask_for(floor, asking, document)

    async def says(state: SettingsState) -> VersionState:
        report = SettingsReport(hash=bytes(32), version=1, state=state, offered=1)
        found = await follow(floor.context, rollout, {GATEWAY: report}, None)
        return found.versions[0].state

    assert await says(SettingsState.CHECKED) is VersionState.CHECKED
    verdict = Verdict(shown=asked.hash, password=PASSWORD, why="as agreed")
    await approvals.approve(floor.context, deciding, asked.id, verdict)
    assert await says(SettingsState.CHECKED) is VersionState.SENT
    assert await says(SettingsState.IN_FORCE) is VersionState.IN_FORCE


async def test_a_second_person_sees_what_changes_and_who_handed_a_key_over(tmp_path: Path) -> None:
    async with opened(tmp_path) as floor:
        context, clock = relaxed(floor.context), floor.clock
        anna = await person(context, clock, "anna", "Anna One", Role.ENGINEER)
        bert = await person(context, clock, "bert", "Bert Two", Role.ENGINEER)
        anna.context = bert.context = floor.context
        asking, deciding = await anna.log_in(), await bert.log_in()
        before = {"seal": {"age_max_s": 1.0}, "source": [source(password="first")]}
        await bring_into_force(floor, asking, deciding, before)
        changed = source(host="10.0.0.7", password="second", unit_id=3)
        await ask_for(floor, asking, {"seal": {"age_max_s": 1.0}, "source": [changed]})

        old, new, stranger = floor.plant.gateway.key, key_named("next"), key_named("stranger")
        statement = seal_handover(GATEWAY, old, new, clock.now())
        said = open_handover(statement, old.public)
        assert await handover.take(floor.context, said, statement)
        assert not await handover.take(floor.context, said, statement), "kept once"
        for key in (new, stranger):
            act = {"kind": "add_key", "gateway": GATEWAY, "key": key.public.to_text()}
            await approvals.ask(floor.context, asking, parse_act(act), why="rotation")

        async with served(floor.context) as base, browsing() as browser:
            page = browser.page
            await log_in_by_id(page, base, bert)
            await page.goto(f"{base}/approvals")
            cards = page.locator("section.card")
            settings = cards.filter(has_text="Difference to the settings in force: gw-01").first
            rows = settings.locator("tbody tr")
            assert [" ".join((await row.inner_text()).split()) for row in await rows.all()] == [
                'source[press].host "10.0.0.6" "10.0.0.7"',
                "source[press].password … …",
                "source[press].unit_id not said 3",
            ]
            await expect(page.locator("main")).not_to_contain_text("second")
            handed = cards.filter(has_text=new.public.to_text())
            await expect(handed).to_contain_text(f"Key {old.public.kid.hex()} hands over to it")
            unknown = cards.filter(has_text=stranger.public.to_text())
            await expect(unknown).to_contain_text("No key in force hands over to it")
            await look(page, "approvals-evidence")
            await page.set_viewport_size({"width": 400, "height": 800})
            await page.goto(f"{base}/approvals?lang=zh-CN")
            await expect(page.locator("main")).to_contain_text("与现行设置的差异：gw-01")
            await expect(page.locator("main")).to_contain_text("没有现行密钥交接给它")
            await look(page, "approvals-evidence-zh-phone")
