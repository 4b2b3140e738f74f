"""The OPC UA driver against node-opcua, in one life of that server but for its restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from aggregator.model.gaps import narrowed
from plant.network import Proxy
from protocols.field.opcua.settings import OpcuaSignal
from protocols.wire.reading import Doubt, Gap, GapReason, Kind, Status
from tests.contract.driver_contract import Line, line_of, tell_truths
from tests.contract.opcua.foreign.node_rig import NodeRig
from tests.contract.opcua.opcua_rig import URI

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("opcua-foreign"),  # what they need is installed once
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[NodeRig]:
    async with Proxy() as proxy:
        rig = NodeRig(proxy)
        await rig.start()
        yield rig
        await rig.stop()


@pytest.fixture
def rig(server: NodeRig) -> NodeRig:
    server.changes, server.more = {}, []
    return server


def left(line: Line) -> list[Gap]:
    """Return what is still declared missing of the counter."""
    return narrowed(gap for gap in line.gaps if gap.subject in ("source", "counter"))


async def test_every_change_arrives_once_whatever_its_type(rig: NodeRig) -> None:
    rig.more = [OpcuaSignal(name="text-as-number", address=f"nsu={URI};s=Lot")]
    async with line_of(rig) as line:
        for name in rig.absent:
            await line.until(lambda name=name: line.of(name), f"nothing said of {name}")  # type: ignore[misc]
            assert {r.status for r in line.of(name)} == {Status.BAD}
        await line.produce(100)
        await line.catch_up()
        counts = line.counts()
        assert counts == list(range(counts[0], counts[-1] + 1))
        rig_signal = next(r for r in line.readings if r.signal == "text-as-number")
        assert rig_signal.code == Doubt.WRONG_TYPE
        await tell_truths(rig, line)
        assert line.gaps == []
        assert line.errors == []


async def test_cuts_lose_nothing_whether_by_republish_or_by_history(rig: NodeRig) -> None:
    async with line_of(rig) as line:
        for _ in range(3):
            known = len(line.errors)
            await rig.proxy.cut()
            await line.until(lambda known=known: len(line.errors) > known, "the cut was missed")  # type: ignore[misc]
            await line.produce(10)
            await rig.proxy.restore()
            await line.catch_up()
        await line.until(lambda: left(line) == [], "what a cut cost was not fetched")
        counts = sorted(line.counts())
        assert counts == list(range(counts[0], counts[-1] + 1))


async def test_history_gives_what_a_long_cut_cost(rig: NodeRig) -> None:
    rig.changes = {"keepalive_s": 0.3, "lifetime_s": 1.0, "timeout_s": 5.0}
    async with line_of(rig) as line:
        await rig.proxy.cut()
        await line.until(lambda: line.errors, "the cut was missed")
        await line.produce(20)
        await asyncio.sleep(2.5)  # longer than the subscription lives
        await line.produce(5)
        await rig.proxy.restore()
        await line.catch_up()
        await line.until(
            lambda: [g for g in line.gaps if g.reason is GapReason.BACKFILLED], "no history came"
        )
        assert [g for g in line.gaps if g.reason is GapReason.SUBSCRIPTION_LOST]
        counts = sorted(line.counts())
        assert counts == list(range(counts[0], counts[-1] + 1)), "missing, or come twice"
        assert left(line) == []


async def test_a_deadband_in_percent_is_the_servers(rig: NodeRig) -> None:
    rig.more = [
        OpcuaSignal(
            name="banded", address=f"nsu={URI};s=Pressure", deadband_percent=5.0, sampling_s=0.0
        ),
        OpcuaSignal(name="no-range", address=f"nsu={URI};s=Counter", deadband_percent=5.0),
    ]
    async with line_of(rig) as line:
        for value in (100.0, 105.0, 120.0, 121.0):  # of a range of 200
            await rig.write("Pressure", value)
            await asyncio.sleep(0.1)  # each a value of its own
        await line.until(lambda: line.of("pressure")[-1].value == 121.0, "a value is missing")
        assert [r.value for r in line.of("banded")][1:] == [100.0, 120.0]
        assert line.of("no-range")[0].status is Status.BAD


async def test_a_condition_is_a_reading(rig: NodeRig) -> None:
    rig.more = [
        OpcuaSignal(
            name="alarms",
            address=f"nsu={URI};s=Press",
            kind=Kind.TEXT,
            events=("Severity", "Message"),
            event_type=f"nsu={URI};i=7001",
        )
    ]
    async with line_of(rig) as line:
        await rig.act("alarm", message="plate too hot", severity=700)
        await line.until(lambda: line.of("alarms"), "the alarm did not come")
        found = json.loads(str(line.of("alarms")[0].value))
        assert (found["Severity"], found["Message"]) == (700, "plate too hot")
