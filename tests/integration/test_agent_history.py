"""The agent as a process: what its own absence cost is fetched from the equipment's history."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aggregator.model.gaps import narrowed
from protocols.wire.reading import Gap, GapReason, Kind
from tests.contract.driver_contract import behind_proxy
from tests.contract.opcua.history_rig import HistoryRig
from tests.integration.agent_peer import Plant, until

COUNTER, TEMPERATURE, OFFSET = "press/counter", "press/temperature", "press/offset"
VARIABLES = {
    COUNTER: ("Counter", Kind.UINT),
    TEMPERATURE: ("Temperature", Kind.FLOAT64),
    OFFSET: ("Offset", Kind.INT),
}


@pytest.fixture
async def rig() -> AsyncIterator[HistoryRig]:
    async with behind_proxy(HistoryRig) as rig:
        yield rig


@pytest.fixture
async def plant(tmp_path: Path, rig: HistoryRig) -> AsyncIterator[Plant]:
    async with Plant(tmp_path, embedded=True) as plant:
        plant.write_settings(source(rig))
        await plant.make_key()
        yield plant


def source(rig: HistoryRig) -> str:
    text = f"""
[[source]]
name = "press"
driver = "opcua"
endpoint = "opc.tcp://127.0.0.1:{rig.proxy.port}"
security = "None"
publishing_s = 0.05
"""
    for name, (variable, kind) in VARIABLES.items():
        text += f"""
[[source.signals]]
name = "{name}"
address = "nsu=urn:lotproof:test:press;s={variable}"
kind = "{kind.name.lower()}"
sampling_s = 0.0
"""
    return text


def counts(plant: Plant) -> list[int]:
    return [int(str(r.value)) for r in plant.giver.readings if r.signal == COUNTER]


def declared(plant: Plant, signal: str) -> list[Gap]:
    subjects = ("*", "press", signal)
    gaps = [gap for header in plant.giver.headers.values() for gap in header.gaps]
    return [gap for gap in gaps if gap.subject in subjects]


def backfilled(plant: Plant, signal: str) -> list[Gap]:
    return [gap for gap in declared(plant, signal) if gap.reason is GapReason.BACKFILLED]


def stops(plant: Plant) -> list[Gap]:
    return [gap for gap in declared(plant, "*") if gap.reason is GapReason.AGENT_STOPPED]


def left(plant: Plant, signal: str) -> list[Gap]:
    """Return what is missing from the first stop to what was backfilled last."""
    since = min(gap.start for gap in stops(plant))
    until = max(gap.end for gap in backfilled(plant, COUNTER))
    return [g for g in narrowed(declared(plant, signal)) if g.end > since and g.start < until]


@contextlib.asynccontextmanager
async def producing(rig: HistoryRig) -> AsyncIterator[None]:
    """Have the equipment count on meanwhile."""

    async def go_on() -> None:
        while True:
            await rig.produce()
            await asyncio.sleep(0.02)  # the equipment's own rhythm

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def arrived(plant: Plant, rig: HistoryRig) -> None:
    """Wait until a count has come that was made from now on."""
    since = rig.counted
    await until(lambda: max(counts(plant), default=0) > since, "no new count came")


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_what_the_agents_absence_cost_comes_from_history_once(
    plant: Plant, rig: HistoryRig, how: str
) -> None:
    await plant.agent.start()
    for times in (1, 2):  # the second time, the newest bundles hold what came late
        async with producing(rig):
            await arrived(plant, rig)
            await (plant.agent.kill() if how == "kill" else plant.agent.stop())
            since = rig.counted
            await until(lambda since=since: rig.counted > since + 20, "nothing was made")  # type: ignore[misc]
            await plant.agent.start()
            await arrived(plant, rig)
            await until(
                lambda times=times: len(backfilled(plant, COUNTER)) >= times,  # type: ignore[misc]
                "nothing was fetched",
            )
    await plant.stop_with_all_arrived()
    found = sorted(counts(plant))
    assert found == list(range(found[0], found[-1] + 1)), "a count is missing or came twice"
    assert len(stops(plant)) >= 2
    assert left(plant, COUNTER) == []
    values = [r for r in plant.giver.readings if r.signal == TEMPERATURE]
    assert len(values) == 1, "a value that stood came again"
    assert left(plant, TEMPERATURE) == []
    assert not plant.giver.problems


async def test_what_has_no_history_stays_missing(plant: Plant, rig: HistoryRig) -> None:
    await plant.agent.start()
    async with producing(rig):
        await arrived(plant, rig)
        await plant.agent.kill()
        await rig.write("Offset", 7)
        await plant.agent.start()
        await until(lambda: backfilled(plant, COUNTER), "nothing was fetched")
    assert stops(plant)[0] in left(plant, OFFSET)
    assert not backfilled(plant, OFFSET)
