"""Settings from two persons to gateways: real processes, a real broker, one gateway first."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from aggregator.access import second_factor
from aggregator.access.roles import Role
from aggregator.app import open_context
from aggregator.clock import SystemClock
from aggregator.errors import ConflictError, InvalidError
from aggregator.model.rollout import RolloutState, VersionState
from aggregator.service.access import accounts
from aggregator.service.access.accounts import Proof, Session
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
from tests.integration.agent_peer import replay_source
from tests.personal import ADMIN, PASSWORD, Person, cheap_passwords, person, secret_of, with_clock

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]
FIRST, SECOND_ONE = "gw-1", "gw-2"
PATIENCE = 600.0  # of a machine that does much else: what goes first has to stay well for a while
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


class Authenticator:
    """What a person holds while they work on the command line, by the machine's own clock."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._last = second_factor.step_at(SystemClock().now()) - 1

    async def code(self) -> str:
        """Return a code that has not served, of the latest step that is taken: it lasts longest."""
        while (step := second_factor.step_at(SystemClock().now()) + 1) <= self._last:  # noqa: ASYNC110 -- time has no event
            await asyncio.sleep(0.2)
        self._last = step
        return second_factor.code_at(self._secret, step)


@dataclass(slots=True, kw_only=True)
class Engineer:
    """Somebody who gives settings by commands."""

    user: str
    authenticator: Authenticator
    settings: Path

    async def does(self, *words: str, codes: tuple[int, ...] = (0,)) -> str:
        """Run ``gateway config ...`` as this person."""
        given = ("--user", self.user, "--password", PASSWORD, "--why", "a test")
        code = ("--code", await self.authenticator.code())
        where = ("--settings", str(self.settings))
        command = our_command("aggregator", "gateway", "config", *words, *given, *code, *where)
        return await ask(command, timeout_s=180, codes=codes)


async def engineer(fleet: Fleet, user: str) -> Engineer:
    context = replace(fleet.context, clock=SystemClock())
    roles = frozenset({Role.ENGINEER})
    issued = await accounts.create(context, ADMIN, user, user.title(), roles, why="joined")
    secret = secret_of(issued)
    code = second_factor.code_at(secret, second_factor.step_at(SystemClock().now()))
    proof = Proof(password=issued.password, code=code)
    await accounts.change_password(context, user, proof, PASSWORD)
    return Engineer(
        user=user,
        authenticator=Authenticator(secret),
        settings=fleet.site.aggregator_settings,
    )


def written(fleet: Fleet, *signals: str) -> str:
    """Return the file of a document with these signals."""
    text = f'gateways = ["{FIRST}", "{SECOND_ONE}"]\n[[source]]\nname = "recorded"\n'
    text += 'driver = "replay"\ntime_unit = "ms"\n'
    for name in signals:
        text += f'[[source.signals]]\nname = "{name}"\nkind = "int"\n'
    path = fleet.site.folder / "wanted.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.req(25)
async def test_two_persons_give_settings_by_commands(fleet: Fleet) -> None:
    asks, approves = await engineer(fleet, "gao.yu"), await engineer(fleet, "sun.li")
    where = ("--settings", str(fleet.site.aggregator_settings))

    async def shown(gateway: str) -> list[str]:
        found = ("aggregator", "gateway", "config", "show", gateway, "--json")
        return [v["state"] for v in json.loads(await ask(our_command(*found, *where)))["versions"]]

    async def goes(file: str, end: RolloutState, *options: str) -> Rollout:
        words = ("apply", file, "--canary", FIRST, "--hold", "1", *options, "--json")
        made = json.loads(await asks.does(*words))
        rollout = await offer.read(fleet.context, ADMIN, made["rollout"])
        await fleet.until(rollout, V.CHECKED)
        assert "is approved" in await approves.does("approve", made["approval"])
        return await fleet.until(rollout, end)

    file = written(fleet, "signal-0", "signal-1")
    differs = our_command("aggregator", "gateway", "config", "diff", file, FIRST, *where)
    assert '+ source[recorded].signals[signal-1].kind = "int"' in await ask(differs, codes=(1,))
    await goes(file, RolloutState.DONE, "--trial", "600")  # it ends as soon as they are up
    assert await ask(differs) == "", "they are in force"
    assert (await shown(FIRST), await shown(SECOND_ONE)) == (["in_force"], ["in_force"])

    halted = await goes(
        written(fleet, "signal-0", "not-there"), RolloutState.HALTED, "--trial", "4"
    )
    assert states(halted) == {FIRST: V.ROLLED_BACK, SECOND_ONE: V.CHECKED}
    assert await shown(FIRST) == ["rolled_back", "in_force"]
    listed = (await fleet.site.client.get("/gateways"))["items"]
    assert [each["settings"]["version"] for each in listed] == [1, 1], "taken back on the gateway"
