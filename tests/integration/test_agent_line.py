"""The agent as a process: from a source to a receipt, through a real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocols.wire.chain import Verdict
from protocols.wire.life import LifeKind, SourceState
from protocols.wire.reading import GapReason
from protocols.wire.topics import Channel
from tests.integration.agent_peer import Plant, replay_source, until


@pytest.fixture(params=[False, True], ids=["mosquitto", "embedded"])
async def plant(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Plant]:
    found = Plant(tmp_path, embedded=request.param)
    async with found:
        yield found


async def test_readings_arrive_sealed_are_receipted_and_freed(plant: Plant, tmp_path: Path) -> None:
    plant.write_settings(
        replay_source(tmp_path, rows=50, period_ms=20),
        buffer={"retention_days": 0.0, "retention_share": 0.0},
    )
    await plant.make_key()
    await plant.agent.start()
    giver = plant.giver
    await until(lambda: len(giver.readings) >= 150, "not all readings came")
    await until(lambda: giver.lives and giver.lives[-1].receipted > 3, "no receipt was taken")
    assert await plant.agent.stop() == 0
    assert not giver.problems
    assert set(giver.verdicts) <= {Verdict.NEXT, Verdict.REPEAT}  # a late receipt costs a repeat
    assert sorted(int(str(reading.value)) for reading in giver.readings) == sorted(
        row for row in range(50) for _ in range(3)
    )
    assert [life.kind for life in giver.lives[:1]] == [LifeKind.BIRTH]
    await until(lambda: giver.lives[-1].kind is LifeKind.DEATH, "it did not say goodbye")
    assert giver.lives[-2].sources[0].state is SourceState.RUNNING
    report = plant.agent.fsck()
    assert not report.problems
    assert report.receipted >= 3
    assert report.first > 0, "what a receipt covers was not freed"


async def test_a_killed_agent_loses_nothing_and_declares_its_absence(
    plant: Plant, tmp_path: Path
) -> None:
    plant.write_settings(replay_source(tmp_path, rows=100_000, period_ms=5))
    await plant.make_key()
    for _ in range(3):
        await plant.agent.start()
        count = len(plant.giver.readings)
        await until(lambda count=count: len(plant.giver.readings) > count + 60, "nothing came")  # type: ignore[misc]
        await plant.agent.kill()
        assert not plant.agent.fsck().problems
    await plant.agent.start()
    head = plant.agent.fsck().head
    await until(lambda: plant.giver.head() > head, "the chain did not arrive whole")
    report = await plant.stop_with_all_arrived()
    giver = plant.giver
    assert not giver.problems
    assert Verdict.FORK not in giver.verdicts
    assert len(giver.chains) == 1
    (epoch,) = giver.chains
    headers = [giver.headers[epoch, number] for number in range(report.head + 1)]
    stops = [g for h in headers for g in h.gaps if g.reason is GapReason.AGENT_STOPPED]
    assert len(stops) == plant.agent.text().count("agent starts") - 1 >= 3
    last = headers[-1].counters
    assert last.read == last.sealed == len(giver.readings)


async def test_live_goes_first_and_the_backlog_follows(plant: Plant, tmp_path: Path) -> None:
    plant.write_settings(
        replay_source(tmp_path, rows=100_000, period_ms=5), uplink={"backlog_bytes_per_s": 4096}
    )
    await plant.make_key()
    await plant.agent.start()
    await until(lambda: plant.giver.head() > 3, "nothing came")
    await plant.broker.kill()
    head = plant.agent.fsck().head
    await until(lambda: plant.agent.fsck().head > head + 30, "it did not go on without a broker")
    await plant.broker.start()
    before = len(plant.giver.arrivals)
    await until(
        lambda: any(c is Channel.BACKLOG for c, _, _ in plant.giver.arrivals[before:]),
        "no backlog came",
    )
    await until(
        lambda: plant.giver.head() > head + 30 and Verdict.AHEAD in plant.giver.verdicts,
        "the backlog did not follow",
    )
    await plant.agent.stop()
    assert not plant.giver.problems
    assert not plant.agent.fsck().problems
