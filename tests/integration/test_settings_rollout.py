"""Settings from two persons to gateways: real processes, a real broker, one gateway first."""

from __future__ import annotations

import asyncio
import contextlib
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aggregator.access.roles import Role
from aggregator.app import open_context
from aggregator.errors import ConflictError, InvalidError
from aggregator.model.rollout import RolloutState, VersionState
from aggregator.service.access.accounts import Session
from aggregator.service.approval import approvals
from aggregator.service.approval.approvals import Verdict
from aggregator.service.approval.sensitive import ApplySettings
from aggregator.service.context import Context
from aggregator.service.rollout import offer
from aggregator.service.rollout.changes import differences
from aggregator.service.rollout.rows import Rollout
from aggregator.settings import load_settings
from plant.process import Process, ask, our_command
from plant.site import Site
from tests.integration.agent_peer import PATIENCE, replay_source
from tests.personal import ADMIN, PASSWORD, Person, cheap_passwords, person, with_clock

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]
FIRST, SECOND_ONE = "gw-1", "gw-2"
V = VersionState


@dataclass(slots=True, kw_only=True)
class Fleet:
    """Two gateways, their aggregator, and two engineers."""

    site: Site
    context: Context
    li: Person
    chen: Person

    async def offer(self, by: Session, signals: list[str], **changes: Any) -> Rollout:
        source = {"name": "recorded", "driver": "replay", "time_unit": "ms"}
        source["signals"] = [{"name": name, "kind": "int"} for name in signals]  # type: ignore[assignment]
        wanted: dict[str, Any] = {
            "document": {"source": [source]},
            "gateways": [FIRST, SECOND_ONE],
            "canary": [FIRST],
            "hold_seconds": 2,
            "trial_seconds": 60,  # it ends as soon as the sources are up
        }
        return await offer.offer(
            self.context, by.actor, offer.Wanted(**{**wanted, **changes}), why="a test"
        )

    async def approve(self, asker: Session, by: Session, rollout: Rollout) -> None:
        act = ApplySettings(
            kind="apply_settings",
            rollout=rollout.id,
            document=rollout.hash,
            gateways=(FIRST, SECOND_ONE),
            canary=(FIRST,),
        )
        asked = await approvals.ask(self.context, asker, act, why="a test")
        verdict = Verdict(shown=asked.hash, password=PASSWORD, why="as agreed")
        await approvals.approve(self.context, by, asked.id, verdict)

    async def until(self, rollout: Rollout, state: RolloutState | VersionState) -> Rollout:
        """Return the document once it, or all of its versions, are in a state."""
        found = rollout
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while True:
                    found = await offer.read(self.context, ADMIN, rollout.id)
                    if state in (found.state, *(v.state for v in found.versions)) and (
                        found.state is state or all(v.state is state for v in found.versions)
                    ):
                        return found
                    await asyncio.sleep(0.1)
        pytest.fail(f"{state} was not reached: {found}")


def states(rollout: Rollout) -> dict[str, VersionState]:
    return {each.gateway: each.state for each in rollout.versions}


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with Site(tmp_path) as site, contextlib.AsyncExitStack() as stack:
        await site.set_up(replay_source(tmp_path, rows=100_000, period_ms=20))
        text = site.agent_settings.read_text(encoding="utf-8")
        issued = site.ca.issue_gateway(SECOND_ONE)
        theirs = tomllib.loads(text)["uplink"]
        text = text.replace(f'"{FIRST}"', f'"{SECOND_ONE}"').replace(
            str(site.buffer), str(tmp_path / "agent-2")
        )
        text = text.replace(theirs["certificate"], str(issued.certificate))
        text = text.replace(theirs["key"], str(issued.key))
        other = tmp_path / "agent-2.toml"
        other.write_text(text, encoding="utf-8")
        key = (await ask(our_command("edge_agent", "key", "--settings", str(other)))).split()[-1]
        add = ("gateway", "add", SECOND_ONE, "--key", key)
        settings = ("--settings", str(site.aggregator_settings))
        await ask(our_command("aggregator", *add, *settings))
        second = Process(
            "agent-2",
            our_command("edge_agent", "run", "--settings", str(other)),
            tmp_path / "agent-2.log",
        )
        stack.push_async_callback(second.stop)
        await site.aggregator.start()
        await site.agent.start()
        await second.start()
        opened = await stack.enter_async_context(
            open_context(load_settings(site.aggregator_settings))
        )
        context, clock = with_clock(opened)
        li = await person(context, clock, "li.wei", "Li Wei", Role.ENGINEER)
        chen = await person(context, clock, "chen.jie", "Chen Jie", Role.ENGINEER)
        yield Fleet(site=site, context=context, li=li, chen=chen)


@pytest.mark.req(25)
async def test_settings_go_to_one_gateway_first_and_to_no_other_where_that_fails(
    fleet: Fleet,
) -> None:
    li, chen = await fleet.li.log_in(), await fleet.chen.log_in()
    good = await fleet.offer(li, ["signal-0", "signal-1"])
    good = await fleet.until(good, V.CHECKED)
    with pytest.raises(ConflictError, match="another person"):
        await fleet.approve(li, li, good)
    with pytest.raises(ConflictError, match="another person"):
        await fleet.approve(chen, li, good)
    await fleet.approve(li, chen, good)
    seen = []
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await offer.read(fleet.context, ADMIN, good.id)
            if found.state is not RolloutState.APPROVED:
                break
            seen.append(states(found))
            await asyncio.sleep(0.1)
    assert found.state is RolloutState.DONE
    assert not [s for s in seen if s[SECOND_ONE] is not V.CHECKED and s[FIRST] is not V.IN_FORCE]
    hashes = {each.settings_hash for each in found.versions}
    assert None not in hashes

    shown = (await fleet.site.client.get("/gateways"))["items"]
    assert [each["settings"]["version"] for each in shown] == [1, 1]
    assert {each["settings"]["hash"] for each in shown} == {h.hex() for h in hashes if h}
    assert [each["wanted"]["state"] for each in shown] == ["in_force", "in_force"]

    bad = await fleet.offer(li, ["signal-0", "not-there"], trial_seconds=4)
    await fleet.until(bad, V.CHECKED)
    await fleet.approve(li, chen, bad)
    halted = await fleet.until(bad, RolloutState.HALTED)
    assert states(halted) == {FIRST: V.ROLLED_BACK, SECOND_ONE: V.CHECKED}
    assert "recorded did not come up" in halted.why
    shown = (await fleet.site.client.get("/gateways"))["items"]
    assert [each["settings"]["version"] for each in shown] == [1, 1]
    versions = await offer.of_gateway(fleet.context, ADMIN, FIRST)
    assert list(differences(offer.in_force(versions), {})) != []
    printed = await ask(
        our_command(
            *("aggregator", "gateway", "config", "show", FIRST),
            *("--settings", str(fleet.site.aggregator_settings)),
        )
    )
    assert printed.splitlines()[0].startswith("version 2  rolled_back")
    assert printed.splitlines()[1].startswith("version 1  in_force")


@pytest.mark.req(25)
async def test_what_a_gateway_cannot_take_is_refused_before_anybody_approves(fleet: Fleet) -> None:
    li, chen = await fleet.li.log_in(), await fleet.chen.log_in()
    with pytest.raises(InvalidError, match=r"seal\.age_max_s"):
        await fleet.offer(li, [], document={"seal": {"age_max_s": 0}})
    document = {"source": [{"name": "press", "driver": "opcua", "endpoint": "opc.tcp://a:1"}]}
    document["source"][0]["certificate"] = "/etc/passwd"
    refused = await fleet.offer(li, [], document=document)
    halted = await fleet.until(refused, RolloutState.HALTED)
    assert "certificate: keys, paths and passwords are not taken" in halted.why
    with pytest.raises(ConflictError, match="halted"):
        await fleet.approve(li, chen, refused)
    assert (await fleet.site.agent_status())["settings"]["version"] == 0
