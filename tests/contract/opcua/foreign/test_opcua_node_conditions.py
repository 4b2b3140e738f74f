"""Conditions that stand at node-opcua when the driver comes: told once, by ConditionRefresh."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from protocols.field.opcua.settings import OpcuaSignal
from protocols.wire.reading import GapReason, Kind
from tests.contract.driver_contract import Line, behind_proxy, line_of
from tests.contract.opcua.foreign.node_rig import NodeRig
from tests.contract.opcua.opcua_rig import URI

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("opcua-foreign"),  # what they need is installed once
]
CONDITIONS = OpcuaSignal(
    name="conditions",
    address=f"nsu={URI};s=Press",
    kind=Kind.TEXT,
    events=("ActiveState/Id", "Retain", "Severity", "Message"),
    event_type="i=9341",  # ExclusiveLimitAlarmType
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[NodeRig]:
    async with behind_proxy(NodeRig) as rig:
        rig.more = [CONDITIONS]
        yield rig


def told(line: Line, since: int = 0) -> list[dict[str, Any]]:
    return [json.loads(str(reading.value)) for reading in line.of("conditions", since)]


def standing(line: Line) -> list[bool]:
    """Return of each event whether the level was beyond a limit."""
    return [bool(each["ActiveState/Id"]) for each in told(line)]


async def test_a_condition_that_stands_is_told_to_who_comes_later(server: NodeRig) -> None:
    await server.act("level", value=0.5)
    async with line_of(server) as line:
        assert not any(standing(line)), "nothing stands yet"
    await server.act("level", value=0.85)
    async with line_of(server) as line:
        await line.until(lambda: True in standing(line), "what stands was not told")
        found = told(line)
        assert found[-1]["Retain"] is True
        await line.catch_up()
        assert told(line) == found, "told once, and nothing of the refresh itself"
        await server.act("level", value=0.5)
        await line.until(lambda: standing(line)[-1] is False, "its end was not told")


async def test_a_new_subscription_does_not_tell_again_what_still_stands(server: NodeRig) -> None:
    server.changes = {"keepalive_s": 0.3, "lifetime_s": 1.0, "timeout_s": 5.0}
    await server.act("level", value=0.5)
    async with line_of(server) as line:
        await server.act("level", value=0.85)
        await line.until(lambda: True in standing(line), "the alarm was not told")
        known = told(line)
        await lose_subscription(server, line)
        assert told(line) == known
        await server.act("level", value=0.95)
        await line.until(lambda: len(told(line)) > len(known), "what is new was not told")


async def lose_subscription(server: NodeRig, line: Line) -> None:
    """Cut the line for longer than the subscription lives, however slow the server's clock runs."""
    for seconds in (2.0, 5.0, 10.0, 20.0):
        known = len(line.errors)
        await server.proxy.cut()
        await line.until(lambda known=known: len(line.errors) > known, "the cut was missed")  # type: ignore[misc]
        await asyncio.sleep(seconds)
        await server.proxy.restore()
        await line.catch_up()
        if any(gap.reason is GapReason.SUBSCRIPTION_LOST for gap in line.gaps):
            return
    pytest.fail("the server forgets no subscription")
