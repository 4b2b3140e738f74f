"""An outage beyond the grace is declared while it lasts, and taken back where it cost nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from aggregator.model.gaps import narrowed
from edge_agent.clock import GatewayClock, KernelClock
from edge_agent.collect.collector import Collector
from edge_agent.sealing.inbox import Inbox
from edge_agent.settings import CollectSettings
from edge_agent.sources import Source
from protocols.field.opcua import SPEC
from protocols.wire.life import SourceState
from protocols.wire.reading import Gap, GapReason, Reading
from tests.contract.driver_contract import behind_proxy
from tests.contract.opcua.opcua_rig import OpcuaRig
from tests.integration.agent_peer import until

QUICK = CollectSettings(backoff_min_s=0.05, backoff_max_s=0.2, replay_grace_s=0)


@dataclass
class Cuts:
    """What a sealer would have sealed so far."""

    collector: Collector
    inbox: Inbox
    readings: list[Reading] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    def cut(self) -> None:
        self.gaps += self.collector.down()
        taken = self.inbox.take()
        self.readings += taken.readings()
        self.gaps += taken.gaps

    def counts(self) -> list[int]:
        return [int(str(r.value)) for r in self.readings if r.signal == "counter"]

    async def until(self, condition: Callable[[], object], why: str) -> None:
        def cut_and_see() -> object:
            self.cut()
            return condition()

        await until(cut_and_see, why)

    @property
    def is_running(self) -> bool:
        return self.collector.health()[0].state is SourceState.RUNNING


@pytest.fixture
async def rig() -> AsyncIterator[OpcuaRig]:
    async with behind_proxy(OpcuaRig) as rig:
        rig.changes = {"lifetime_s": 300.0, "history_lag_s": 0}
        yield rig


@pytest.fixture
async def cuts(rig: OpcuaRig) -> AsyncIterator[Cuts]:
    inbox = Inbox(readings_max=10_000, cut_count=100_000, cut_bytes=1 << 24)
    source = Source(name="press", spec=SPEC, settings=rig.settings())
    clock = GatewayClock(KernelClock())
    collector = Collector([source], inbox=inbox, clock=clock, settings=QUICK)
    task = asyncio.create_task(collector.run())
    cuts = Cuts(collector, inbox)
    try:
        await cuts.until(cuts.counts, "no first count came")
        yield cuts
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def cut_line(rig: OpcuaRig, cuts: Cuts) -> AsyncIterator[None]:
    """Cut the line until the outage was declared and the body ended; the equipment counts on."""
    known = len(cuts.gaps)
    await rig.proxy.cut()
    await cuts.until(lambda: not cuts.is_running, "the cut was not noticed")
    for _ in range(20):
        await rig.produce()
    await cuts.until(lambda: len(cuts.gaps) > known, "the outage was not declared")
    yield
    await rig.proxy.restore()


def backfilled(cuts: Cuts) -> list[Gap]:
    return [gap for gap in cuts.gaps if gap.reason is GapReason.BACKFILLED]


async def test_what_the_server_sent_again_leaves_no_gap(rig: OpcuaRig, cuts: Cuts) -> None:
    cuts.gaps.clear()  # until the first opening nothing was observed
    for _ in range(2):
        known = len(backfilled(cuts))
        async with cut_line(rig, cuts):
            pass
        await cuts.until(lambda: backfilled(cuts)[known:], "it was not taken back")  # noqa: B023
        assert narrowed(cuts.gaps) == []
        await cuts.until(lambda: rig.counted in cuts.counts(), "not all came")
    assert cuts.counts() == list(range(cuts.counts()[0], rig.counted + 1))


async def test_what_the_server_has_no_more_stays_missing(rig: OpcuaRig, cuts: Cuts) -> None:
    cuts.gaps.clear()
    async with cut_line(rig, cuts):
        await rig.stop()
        await rig.start()
    await rig.produce()
    await cuts.until(lambda: rig.counted in cuts.counts(), "it did not go on")
    lost = [gap for gap in cuts.gaps if gap.reason is GapReason.SUBSCRIPTION_LOST]
    assert lost
    assert not backfilled(cuts)
