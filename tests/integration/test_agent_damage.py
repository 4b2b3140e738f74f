"""What the gateway's disk does not give back stops nothing else, and is never lost in silence."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from edge_agent.fsck import check
from edge_agent.keys import load
from plant.process import ask, our_command
from protocols.wire.chain import Verdict
from protocols.wire.header import Epoch, OpeningReason
from protocols.wire.reading import WHOLE_GATEWAY, Gap, GapReason
from tests.integration.agent_peer import PATIENCE, Plant, replay_source, until


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    found = Plant(tmp_path)
    async with found:
        found.write_settings(
            replay_source(tmp_path, rows=100_000, period_ms=5),
            uplink={"backlog_bytes_per_s": 10_000_000},
        )
        await found.make_key()
        yield found


def harm(plant: Plant, statement: str) -> None:
    """Change the buffer behind the agent's back."""
    path = plant.agent.data_dir / "buffer" / "buffer.db"
    with closing(sqlite3.connect(path, timeout=PATIENCE)) as database, database:
        database.execute(statement)


async def goes_on(plant: Plant, before: Epoch) -> Epoch:
    """Wait until another epoch has opened and receipts come for it; return it."""
    giver = plant.giver

    def after() -> Epoch | None:
        return next((epoch for epoch in giver.chains if epoch != before), None)

    await until(after, "no new epoch opened")
    epoch = after()
    assert epoch is not None
    await until(
        lambda: any(life.epoch == epoch and life.receipted > 3 for life in giver.lives),
        "no receipts come in the new epoch",
    )
    return epoch


@pytest.mark.parametrize("damage", ["body = zeroblob(9)", "sealed_header = zeroblob(9)"])
async def test_a_bundle_that_cannot_be_read_stops_no_other(plant: Plant, damage: str) -> None:
    giver, agent = plant.giver, plant.agent
    await agent.start()
    await until(lambda: giver.head() > 3, "nothing came")
    await plant.broker.kill()
    head = agent.fsck().head
    await until(lambda: agent.fsck().head > head + 30, "it did not go on without a broker")
    await agent.kill()
    lost, last = head + 10, agent.fsck().head
    (epoch,) = giver.chains
    harm(plant, f"UPDATE bundle SET {damage} WHERE number = {lost}")  # noqa: S608 # our own words
    await plant.broker.start()
    await agent.start()
    after = await goes_on(plant, epoch)
    opening = giver.headers[after, 0].opening
    assert opening is not None
    assert opening.reason is OpeningReason.BUFFER_LOST

    def came() -> set[int]:
        return {number for found, number in giver.headers if found == epoch}

    def unreadable() -> list[Gap]:
        gaps = (gap for header in giver.headers.values() for gap in header.gaps)
        return [gap for gap in gaps if gap.reason is GapReason.UNREADABLE]

    await until(lambda: came() >= set(range(last + 1)) - {lost}, "the others were not delivered")
    assert lost not in came()
    await until(unreadable, "what was lost was not declared")
    gaps = unreadable()
    missing = giver.headers[epoch, lost + 1].first_reading - (
        giver.headers[epoch, lost - 1].end_reading
    )
    assert [(gap.subject, gap.count) for gap in gaps] == [(WHOLE_GATEWAY, missing)]
    assert giver.headers[epoch, lost - 1].last_time <= gaps[0].start
    assert gaps[0].end <= giver.headers[epoch, lost + 1].first_time
    code = our_command("edge_agent", "status", "--json", "--settings", str(agent.settings))
    status = json.loads(await ask(code, codes=(0, 1)))
    assert any(f"bundle {lost} was passed over" in alert for alert in status["alerts"])
    assert await agent.stop() == 0
    key = load(agent.data_dir / "seal.key").public
    aside = check(agent.data_dir / "buffer-aside-1", key)
    assert any(f"bundle {lost}" in problem for problem in aside.problems), "it is evidence"
    assert aside.first == 0, "nothing behind it was freed"


async def test_a_buffer_that_takes_no_receipts_is_left_for_another(plant: Plant) -> None:
    giver, agent = plant.giver, plant.agent
    await agent.start()
    await until(lambda: giver.head() > 3, "nothing came")
    (epoch,) = giver.chains
    harm(plant, "DROP TABLE receipt")
    await goes_on(plant, epoch)
    assert Verdict.FORK not in giver.verdicts
    assert not giver.problems
    assert await agent.stop() == 0
    assert not agent.fsck().problems


async def test_no_part_of_the_agent_ends_in_silence(plant: Plant) -> None:
    """A row that the code takes for impossible ends the process, which says so."""
    await plant.agent.start()
    await until(lambda: plant.giver.head() > 3, "nothing came")
    harm(plant, "UPDATE bundle SET number = -1 - number WHERE number < 3")
    harm(
        plant,
        "CREATE TRIGGER broken BEFORE UPDATE ON epoch BEGIN SELECT RAISE(ABORT, 'planted'); END",
    )
    assert await plant.agent.wait() == 1
    assert "planted" in plant.agent.text()
    assert "a part of it failed" in plant.agent.text()
