"""After days without a broker a fleet comes back: live first, the backlog at its budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped] # has no stubs
import pytest

from tests.faults.fleet import BUDGET, PERIOD_S, READINGS, Aggregator, Gateway, connect_to
from tests.faults.simulated_time import SimulatedLoop, run

DAY_S = 86_400.0


@pytest.mark.timeout(3600)
def test_a_fleet_comes_back_after_days_without_a_broker(
    tmp_path: Path,
    full: bool,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    count, away_s, after_s = (100, 7 * DAY_S, DAY_S) if full else (4, DAY_S / 2, DAY_S / 8)
    memory: list[float] = []

    async def main(loop: SimulatedLoop) -> tuple[Aggregator, list[Gateway]]:
        aggregator = Aggregator(loop)
        connect_to(aggregator, monkeypatch.setattr)
        fleet = [Gateway(tmp_path / f"gw-{n}", f"gw-{n}", loop) for n in range(count)]
        for gateway in fleet:
            aggregator.knows(gateway.name)
        offsets = [PERIOD_S * at / count for at in range(count)]
        running = [
            asyncio.create_task(gateway.run(offset_s=offset))
            for gateway, offset in zip(fleet, offsets, strict=True)
        ]
        watch = asyncio.create_task(_watch(memory, (away_s + after_s) / 40))
        await asyncio.sleep(away_s)
        assert not any(found.bundles for found in aggregator.received.values())
        aggregator.reachable = True
        await asyncio.sleep(after_s)
        for task in (*running, watch):
            task.cancel()
        ends = await asyncio.gather(*running, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends
        return aggregator, fleet

    aggregator, fleet = run(main)
    drained = []
    for gateway in fleet:
        found = aggregator.received[gateway.name]
        waiting = gateway.read - found.readings
        assert 0 <= waiting <= 2 * READINGS, "but for what waits to be sealed, all came"
        assert found.chain.waiting == {}
        assert (found.repeats, found.over_budget) == (0, [])
        assert found.live_delay_max_s < 5, "live bundles do not wait for the backlog"
        assert found.backlog_from is not None
        assert found.backlog_from - away_s < 310, "the longest wait between two attempts"
        took = found.backlog_until - found.backlog_from
        whole = found.backlog_bytes / BUDGET
        assert 0.95 * whole - 5 < took < 1.05 * whole + 5, "at its budget, and no slower"
        drained.append(took)
    warm, rest = memory[len(memory) // 5], max(memory[len(memory) // 5 :])
    assert rest < warm * 1.1 + 8, f"memory grew: {memory}"
    bundles = sum(found.bundles for found in aggregator.received.values())
    record_property(
        "figures",
        f"{count} gateways, {away_s / DAY_S:g} days away, {after_s / 3600:g} h after: {bundles} "
        f"bundles, each once; live bundles at most "
        f"{max(f.live_delay_max_s for f in aggregator.received.values()):.2f} s late; drained at "
        f"{BUDGET} B/s in {min(drained) / 60:.0f} to {max(drained) / 60:.0f} min; process "
        f"{warm:.0f} MB after a fifth of the time, at most {rest:.0f} MB later",
    )


async def _watch(memory: list[float], period_s: float) -> None:
    process = psutil.Process()
    while True:
        memory.append(process.memory_info().rss / 1e6)
        await asyncio.sleep(period_s)
