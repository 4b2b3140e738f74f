"""What a person asks the running agent, and how it ends."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocols.wire.life import LifeKind
from tests.integration.agent_peer import PATIENCE, Plant, replay_source, until


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    found = Plant(tmp_path)
    async with found:
        found.write_settings(replay_source(tmp_path, rows=100_000, period_ms=10))
        await found.make_key()
        yield found


async def command(plant: Plant, *arguments: str) -> tuple[int, str, str]:
    """Return exit code and output of ``lotproof-agent``."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "edge_agent",
        *arguments,
        "--settings",
        str(plant.agent.settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def said_with(plant: Plant, code: int, *arguments: str) -> str:
    """Return what a command prints once it ends with this code."""
    async with asyncio.timeout(PATIENCE):
        while (said := await command(plant, *arguments))[0] != code:
            pass
    return said[1]


async def test_a_person_sees_how_it_is(plant: Plant) -> None:
    code, out, _ = await command(plant, "check")
    assert (code, "1 sources, 3 signals" in out) == (0, True)
    await plant.agent.start()
    await until(lambda: plant.giver.head() > 2, "nothing came")
    # A slow machine may have resent something, and say so.
    found = json.loads(await said_with(plant, 0, "status", "--json"))
    assert (found["uplink"], found["sources"][0]["state"]) == ("SENDING", "RUNNING")
    assert "uplink sending" in await said_with(plant, 0, "status")
    code, out, _ = await command(plant, "fsck")
    assert (code, "no problems" in out) == (0, True)
    await plant.broker.stop()
    await said_with(plant, 1, "status")
    await plant.broker.start()
    assert await plant.agent.stop() == 0


async def test_a_second_agent_on_one_folder_is_refused(plant: Plant) -> None:
    await plant.agent.start()
    await until(lambda: plant.giver.head() > 0, "nothing came")
    code, _, err = await command(plant, "run")
    assert code == 1
    assert "another agent runs" in err
    assert await plant.agent.stop() == 0


async def test_a_key_that_others_may_read_is_refused(plant: Plant) -> None:
    (plant.agent.data_dir / "seal.key").chmod(0o644)
    code, _, err = await command(plant, "run")
    assert code == 2
    assert "chmod 600" in err


async def test_it_goes_on_without_broker_and_ends_in_good_order(plant: Plant) -> None:
    await plant.broker.kill()
    await plant.agent.start()
    await until(lambda: plant.agent.fsck().readings > 100, "it did not collect")
    assert await plant.agent.stop() == 0
    report = plant.agent.fsck()
    assert not report.problems
    await plant.broker.start()
    await plant.agent.start()
    await until(lambda: plant.giver.head() > report.head, "the backlog did not come")
    assert await plant.agent.stop() == 0
    await until(lambda: plant.giver.lives[-1].kind is LifeKind.DEATH, "no goodbye")


async def test_a_killed_agents_death_is_said_by_the_broker(plant: Plant) -> None:
    await plant.agent.start()
    await until(lambda: plant.giver.lives, "no birth")
    birth = plant.giver.lives[0]
    await plant.agent.kill()
    await until(lambda: plant.giver.lives[-1].kind is LifeKind.DEATH, "no death")
    death = plant.giver.lives[-1]
    assert (death.boot, death.connection) == (birth.boot, birth.connection)


async def test_a_disk_that_does_not_serve_ends_it_with_a_hint(plant: Plant) -> None:
    await plant.agent.start()
    await until(lambda: plant.giver.head() > 2, "nothing came")
    await plant.agent.stop()
    plant.write_settings(
        replay_source(plant.folder, rows=10, period_ms=10),
        gateway={"data_dir": "/proc/lotproof"},
        seal={"key": str(plant.agent.data_dir / "seal.key")},
    )
    code, _, err = await command(plant, "run")
    assert code == 1
    assert "/proc/lotproof" in err
    assert "gateway.data_dir must be writable" in err
    assert "Traceback" not in err
