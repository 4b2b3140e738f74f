"""What ends an epoch, what a receipt may not do, and how a capped buffer drains."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no types
import pytest

from protocols.wire.chain import Chain, Verdict
from protocols.wire.header import FIRST_PREVIOUS, Epoch, OpeningReason
from protocols.wire.reading import GapReason
from protocols.wire.receipt import EpochState, seal_receipt
from protocols.wire.topics import Channel, topic
from tests.integration.agent_peer import GATEWAY, Plant, replay_source, until
from tests.sealed import key_named


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    found = Plant(tmp_path)
    async with found:
        found.write_settings(replay_source(tmp_path, rows=100_000, period_ms=5))
        await found.make_key()
        yield found


async def running(plant: Plant) -> Epoch:
    """Start the agent, wait until its chain grows, and return its epoch."""
    await plant.agent.start()
    count = len(plant.giver.arrivals)
    await until(lambda: len(plant.giver.arrivals) > count + 3, "nothing came")
    return plant.giver.arrivals[-1][1]


async def opening(plant: Plant, before: Epoch) -> tuple[Epoch, OpeningReason]:
    """Wait for another epoch and return it and why it opened."""
    giver = plant.giver
    await until(
        lambda: any(epoch != before and (epoch, 0) in giver.headers for epoch in giver.chains),
        "no new epoch opened",
    )
    epoch = next(epoch for epoch in reversed(giver.chains) if epoch != before)
    statement = giver.headers[epoch, 0].opening
    assert statement is not None
    assert statement.previous_epoch == before
    return epoch, statement.reason


async def test_a_disk_that_went_back_opens_a_new_epoch(plant: Plant) -> None:
    plant.write_settings(
        replay_source(plant.folder, rows=100_000, period_ms=5),
        uplink={"receipt_wait_s": 10.0},  # a busy broker may give the retained receipt late
    )
    epoch = await running(plant)
    await plant.agent.kill()
    shutil.copytree(plant.agent.data_dir / "buffer", plant.folder / "image")
    head = plant.agent.fsck().head
    await plant.agent.start()
    await until(lambda: plant.giver.head() > head + 3, "nothing came that the image lacks")
    await plant.agent.kill()
    shutil.rmtree(plant.agent.data_dir / "buffer")
    shutil.copytree(plant.folder / "image", plant.agent.data_dir / "buffer")
    await plant.agent.start()
    _, reason = await opening(plant, epoch)
    assert reason in (OpeningReason.ROLLBACK, OpeningReason.CLONE)
    assert Verdict.FORK not in plant.giver.verdicts, "nothing of the old epoch was sent again"
    await plant.agent.stop()
    assert not plant.agent.fsck().problems
    assert (plant.agent.data_dir / "buffer-aside-1" / "buffer.db").exists()


async def test_another_bundle_of_our_number_opens_a_new_epoch(plant: Plant) -> None:
    epoch = await running(plant)
    plant.giver.gives = False
    plant.giver.give(plant.giver.receipt(epoch, leaf=b"\x55" * 32))
    _, reason = await opening(plant, epoch)
    assert reason is OpeningReason.CLONE
    await plant.agent.stop()
    assert "contradicts" not in plant.agent.fsck().problems


async def test_an_epoch_that_the_aggregator_closed_is_over(plant: Plant) -> None:
    epoch = await running(plant)
    plant.giver.gives = False
    plant.giver.give(plant.giver.receipt(epoch, state=EpochState.CLOSED))
    after, _ = await opening(plant, epoch)
    plant.giver.gives = True
    head = plant.giver.chains[after].head
    await until(lambda: plant.giver.chains[after].head > head + 3, "the new epoch does not go on")
    await plant.agent.stop()


async def test_a_deleted_buffer_is_a_gap_bounded_by_the_last_receipt(plant: Plant) -> None:
    epoch = await running(plant)
    await until(lambda: plant.agent.fsck().receipted >= 0, "no receipt was taken")
    assert await plant.agent.stop() == 0
    shutil.rmtree(plant.agent.data_dir / "buffer")
    await plant.agent.start()
    after, reason = await opening(plant, epoch)
    assert reason is OpeningReason.BUFFER_LOST
    statement = plant.giver.headers[after, 0].opening
    assert statement is not None
    assert statement.last_receipt is not None
    gap = plant.giver.headers[after, 0].gaps[0]
    assert gap.reason is GapReason.AGENT_STOPPED
    known = [h for (found, _), h in plant.giver.headers.items() if found == epoch]
    assert gap.start <= max(header.sealed_time for header in known)
    await plant.agent.stop()


async def test_receipts_that_do_not_count_free_nothing(plant: Plant) -> None:
    plant.write_settings(
        replay_source(plant.folder, rows=100_000, period_ms=5),
        buffer={"retention_days": 0.0, "retention_share": 0.0},
    )
    plant.giver.gives = False
    epoch = await running(plant)
    giver = plant.giver
    true = giver.receipt(epoch)
    for data in (
        seal_receipt(true, key_named("somebody")),  # another key
        seal_receipt(replace(true, gateway="gw-02"), giver.key),  # type: ignore[arg-type]
        seal_receipt(true, giver.key)[:-1],
        b"",
    ):
        giver._client.publish(topic(GATEWAY, Channel.RECEIPT), data, qos=1, retain=True)
    giver.give(replace(true, checkpoint="not a note"))
    await until(lambda: plant.agent.text().count("receipt refused") >= 4, "they were not refused")
    assert plant.agent.fsck().first == 0
    giver.gives = True
    await until(lambda: plant.agent.fsck().first > 0, "a true receipt freed nothing")
    await plant.agent.stop()
    assert not plant.agent.fsck().problems


async def test_a_log_that_shows_two_trees_frees_nothing_more(plant: Plant) -> None:
    epoch = await running(plant)
    giver = plant.giver
    await until(lambda: plant.agent.fsck().receipted >= 0, "no receipt was taken")
    giver.gives = False
    await until(lambda: plant.agent.fsck().head > giver.head() - 1, "it went on")
    giver.log_leaves[0] = bytes(32)
    giver.give(giver.receipt(epoch))
    await until(lambda: "two different trees" in plant.agent.text(), "the split was not noticed")
    await plant.agent.stop()


async def test_an_aggregator_that_went_back_is_refilled(plant: Plant) -> None:
    epoch = await running(plant)
    giver = plant.giver
    await until(lambda: plant.agent.fsck().receipted > 2, "no receipt was taken")
    giver.chains.clear()
    giver.leaves.clear()
    giver.headers.clear()
    giver.log_leaves.clear()
    giver.chains[epoch] = Chain()
    head = plant.agent.fsck().head
    giver.give(giver.receipt(epoch, number=-1, leaf=FIRST_PREVIOUS, checkpoint=""))
    await until(lambda: (epoch, 0) in giver.headers, "the first bundle did not come again")
    await until(lambda: giver.head() > head, "the chain did not close again")
    await until(lambda: plant.agent.fsck().receipted > head, "its receipts do not count")
    assert "refused" not in plant.agent.text(), "a log that is refilled is no log that shrank"
    await plant.agent.stop()
    assert not plant.agent.fsck().problems


async def test_a_capped_buffer_refuses_declares_and_drains(plant: Plant, tmp_path: Path) -> None:
    plant.write_settings(
        replay_source(tmp_path, rows=100_000, period_ms=5, signals=40),
        buffer={"bytes_max": 1_048_576, "retention_days": 0.0, "retention_share": 0.0},
        uplink={"backlog_bytes_per_s": 10_000_000},
        seal={"age_max_s": 0.02},
    )
    await plant.broker.kill()
    await plant.agent.start()
    await until(lambda: "buffer full" in plant.agent.text(), "it never was full", seconds=240)
    full = plant.agent.fsck()
    assert not full.problems
    assert full.first == 0, "nothing without a receipt was deleted"
    await plant.broker.start()
    await until(lambda: "readings again" in plant.agent.text(), "it did not drain")
    await until(
        lambda: any(
            gap.reason is GapReason.DISK_FULL
            for header in plant.giver.headers.values()
            for gap in header.gaps
        ),
        "what was refused was not declared",
    )
    report = await plant.stop_with_all_arrived()
    (epoch,) = plant.giver.chains
    last = plant.giver.headers[epoch, report.head].counters
    declared = sum(
        gap.count or 0
        for header in plant.giver.headers.values()
        for gap in header.gaps
        if gap.reason is GapReason.DISK_FULL
    )
    assert last.refused["disk_full"] == declared > 0
    assert last.read == last.sealed + declared
    assert last.sealed == len(plant.giver.readings)


async def test_its_memory_stays_small(plant: Plant) -> None:
    """The replay driver alone; the benchmark measures it with OPC UA at 1,000 readings a second."""
    await running(plant)
    resident = psutil.Process(plant.agent.pid).memory_info().rss
    await plant.agent.stop()
    assert resident < 100 * 1024 * 1024
