"""Keys and epochs of gateways are changed by two persons, as soon as there are two."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aggregator.access.roles import Actor, Role
from aggregator.errors import ConflictError, DeniedError, SecondPersonError
from aggregator.model.approval import Approval, State
from aggregator.service import audit_trail, gateways
from aggregator.service.approval import approvals
from aggregator.service.approval.approvals import Verdict
from aggregator.service.approval.doing import Handed
from aggregator.service.approval.sensitive import parse_act
from protocols.wire.header import OpeningReason
from protocols.wire.receipt import EpochState
from tests.approving_plant import relaxed
from tests.personal import PASSWORD, Person, cheap_passwords, person
from tests.recorded_plant import QA
from tests.reviewed_plant import Floor, opened
from tests.sealed import SealedGateway, key_named

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]
CONSOLE = Actor(name="root@console", roles=frozenset({Role.ADMIN}))
NEW_KEY = key_named("gw-01, another").public


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    async with opened(tmp_path) as found:
        yield found


async def engineer(floor: Floor, user: str) -> Person:
    made = await person(relaxed(floor.context), floor.clock, user, user.title(), Role.ENGINEER)
    made.context = floor.context
    return made


async def acts_of(floor: Floor) -> dict[str, dict[str, Any]]:
    """Return each act on keys, as it is asked for, with what it is called in the audit trail."""
    async with floor.context.store.read() as tx:
        newest = await tx.fetch_one("epochs.newest", gateway="gw-01")
    assert newest is not None
    kid = floor.plant.gateway.key.public.kid.hex()
    return {
        "add a key": {"kind": "add_key", "gateway": "gw-01", "key": NEW_KEY.to_text()},
        "approve an epoch": {
            "kind": "approve_epoch",
            "gateway": "gw-01",
            "epoch": bytes(newest["epoch"]).hex(),
        },
        "revoke a key": {"kind": "revoke_key", "gateway": "gw-01", "kid": kid},
    }


async def reopened(floor: Floor, seed: int) -> SealedGateway:
    """Let the gateway begin anew, as after a lost buffer: its epoch waits for approval."""
    other = SealedGateway("gw-01", seed=seed, reason=OpeningReason.BUFFER_LOST)
    floor.plant.gateway = other
    await floor.plant.take([other.seal()])
    return other


async def alone(floor: Floor, act: str) -> None:
    """Do an act as one person does, from the command line."""
    context, key = floor.context, floor.plant.gateway.key.public
    match act:
        case "add a key":
            await gateways.add_key(context, CONSOLE, "gw-01", NEW_KEY, why="rotation")
        case "approve an epoch":
            await gateways.approve_epoch(context, CONSOLE, "gw-01", why="the disk was replaced")
        case _:
            await gateways.revoke_key(context, CONSOLE, "gw-01", key.kid, why="stolen")


async def state_of(floor: Floor) -> EpochState:
    async with floor.context.store.read() as tx:
        row = await tx.fetch_one("epochs.newest", gateway="gw-01")
    assert row is not None
    return EpochState(row["state"])


@pytest.mark.req(26)
@pytest.mark.req(35)
@pytest.mark.parametrize("act", ["add a key", "approve an epoch", "revoke a key"])
async def test_one_person_does_it_until_there_are_two(floor: Floor, act: str) -> None:
    await reopened(floor, 2)
    await engineer(floor, "anna")
    await alone(floor, act)
    await reopened(floor, 3)
    await engineer(floor, "bert")
    before = len(await told(floor))
    with pytest.raises(SecondPersonError, match="takes a second person"):
        await alone(floor, act)
    assert len(await told(floor)) == before


@pytest.mark.req(26)
@pytest.mark.req(35)
@pytest.mark.parametrize("act", ["add a key", "approve an epoch", "revoke a key"])
async def test_one_asks_another_approves_and_it_is_done_as_asked(floor: Floor, act: str) -> None:
    await reopened(floor, 2)
    anna, bert = await engineer(floor, "anna"), await engineer(floor, "bert")
    asking, deciding = await anna.log_in(), await bert.log_in()
    asked = await approvals.do_or_ask(
        floor.context, asking, parse_act((await acts_of(floor))[act]), why="as agreed"
    )
    assert isinstance(asked, Approval)
    before = {each["act"] for each in await told(floor)}
    assert act not in before
    with pytest.raises((ConflictError, DeniedError)):
        await approve(floor, asking, asked)
    qa = await floor.li.log_in()
    with pytest.raises(DeniedError):
        await approve(floor, qa, asked)
    approved, handed = await approve(floor, deciding, asked)
    assert (approved.state, handed) == (State.DONE, Handed())
    (done,) = [each for each in await told(floor) if each["act"] == act]
    assert (done["who"], done["what"]) == ("bert", "gateway gw-01")
    assert "asked for by anna" in done["why"]
    if act == "approve an epoch":
        assert await state_of(floor) is EpochState.TRUSTED


@pytest.mark.req(35)
async def test_an_approval_is_of_the_epoch_that_was_seen(floor: Floor) -> None:
    await reopened(floor, 2)
    anna, bert = await engineer(floor, "anna"), await engineer(floor, "bert")
    asking, deciding = await anna.log_in(), await bert.log_in()
    wanted = parse_act((await acts_of(floor))["approve an epoch"])
    asked = await approvals.do_or_ask(floor.context, asking, wanted, why="replaced")
    assert isinstance(asked, Approval)
    await reopened(floor, 3)
    with pytest.raises(ConflictError, match="another newest epoch"):
        await approve(floor, deciding, asked)
    assert await state_of(floor) is EpochState.UNAPPROVED


async def approve(floor: Floor, session: Any, asked: Approval) -> tuple[Approval, Handed]:
    verdict = Verdict(shown=asked.hash, password=PASSWORD, why="seen on the gateway")
    return await approvals.approve(floor.context, session, asked.id, verdict)


async def told(floor: Floor) -> list[dict[str, Any]]:
    return await audit_trail.page(floor.context, QA, after=-1, count=1000)
