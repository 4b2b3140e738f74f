"""Sources are read apart from each other; what one misses is declared, once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from aggregator.model.gaps import narrowed
from edge_agent.clock import GatewayClock
from edge_agent.collect.collector import Collector
from edge_agent.line import _ending
from edge_agent.sealing.inbox import Inbox, Taken
from edge_agent.settings import CollectSettings
from edge_agent.sources import Source
from protocols.field.driver import (
    Delivery,
    DriverError,
    DriverSettings,
    SettingsError,
    Spec,
)
from protocols.wire.life import SourceState
from protocols.wire.reading import SECOND, Gap, GapReason, Kind, Reading, SignalName
from tests.agent_line import NOW, SetClock

DAY = 86_400 * SECOND
QUICK = CollectSettings(
    backoff_min_s=0.01, backoff_max_s=0.02, ack_timeout_s=5, open_timeout_s=5, replay_grace_s=10
)


@dataclass
class Bench:
    """Equipment that does what a test says, behind the driver contract."""

    deliveries: asyncio.Queue[Delivery | Exception] = field(default_factory=asyncio.Queue)
    refuses: Exception | None = None
    opened: int = 0
    closed: int = 0
    connected: int = 0
    close_fails: bool = False

    def connect(self, *_: object) -> Bench:
        self.connected += 1
        return self

    async def open(self) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.opened += 1

    async def read(self) -> Delivery:
        found = await self.deliveries.get()
        if isinstance(found, Exception):
            raise found
        return found

    async def close(self) -> None:
        self.closed += 1
        if self.close_fails:
            raise RuntimeError("it hangs on")

    def source(self, name: str = "press-1", *, replays: bool = False) -> Source:
        spec = Spec(
            name="bench",
            summary="a test's equipment",
            settings=DriverSettings,
            connect=self.connect,
            replays=replays,
        )
        return Source(name=name, spec=spec, settings=DriverSettings())


def delivery(count: int = 1, **changes: Any) -> Delivery:
    reading = Reading(signal=SignalName("a"), kind=Kind.INT, value=1, gateway_time=NOW)
    return Delivery(readings=(reading,) * count, **changes)


@dataclass
class Line:
    collector: Collector
    inbox: Inbox
    clock: SetClock

    def state(self, at: int = 0) -> SourceState:
        return self.collector.health()[at].state

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 -- what arrives has no event
                await asyncio.sleep(0.005)

    async def takes(self, count: int) -> Taken:
        await self.until(lambda: self.inbox.readings >= count)
        return self.inbox.take()


@contextlib.asynccontextmanager
async def line_of(*sources: Source, readings_max: int = 1000) -> AsyncIterator[Line]:
    source_clock = SetClock()
    inbox = Inbox(readings_max=readings_max, cut_count=10_000, cut_bytes=1 << 20)
    collector = Collector(sources, inbox=inbox, clock=GatewayClock(source_clock), settings=QUICK)
    task = asyncio.create_task(collector.run())
    try:
        yield Line(collector, inbox, source_clock)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def goes_down(bench: Bench, line: Line) -> None:
    """Have the equipment give something, be cut off, and refuse to be opened again."""
    bench.deliveries.put_nowait(delivery())
    await line.takes(1)
    bench.refuses = DriverError("cut", hint="")
    bench.deliveries.put_nowait(bench.refuses)
    await line.until(lambda: line.state() is SourceState.DOWN)


async def test_what_comes_is_handed_on_and_counted() -> None:
    bench = Bench()
    async with line_of(bench.source()) as line:
        bench.deliveries.put_nowait(delivery(3))
        assert len((await line.takes(3)).readings()) == 3
        (health,) = line.collector.health()
        assert (health.state, health.readings, health.last_reading) == (SourceState.RUNNING, 3, NOW)
    assert bench.closed


async def test_equipment_hears_of_it_when_it_is_on_disk() -> None:
    bench, heard = Bench(), asyncio.Event()

    async def ack() -> None:
        heard.set()

    async with line_of(bench.source()) as line:
        bench.deliveries.put_nowait(delivery(1, ack=ack))
        taken = await line.takes(1)
        assert not heard.is_set()
        taken.entries[0].committed()
        await asyncio.wait_for(heard.wait(), 5)


@pytest.mark.parametrize("error", [DriverError("too late", hint=""), ValueError("a fault")])
async def test_an_acknowledgement_that_fails_ends_nothing(error: Exception) -> None:
    bench = Bench()
    heard: list[int] = []

    async def ack() -> None:
        raise error

    async def ack_after() -> None:
        heard.append(2)

    async with line_of(bench.source()) as line:
        bench.deliveries.put_nowait(delivery(1, ack=ack))
        (await line.takes(1)).entries[0].committed()
        bench.deliveries.put_nowait(delivery(2, ack=ack_after))
        (await line.takes(2)).entries[0].committed()
        await line.until(lambda: heard)
        assert line.state() is SourceState.RUNNING


async def test_a_driver_that_cannot_be_closed_is_left_for_a_new_one() -> None:
    bench = Bench(close_fails=True)
    async with line_of(bench.source(), Bench().source("press-2")) as line:
        bench.deliveries.put_nowait(DriverError("cut", hint=""))
        await line.until(lambda: bench.opened == 2)
        assert bench.connected == 2
        bench.deliveries.put_nowait(delivery(3))
        await line.takes(3)
        assert line.state(1) is SourceState.RUNNING


async def test_a_source_that_fails_is_opened_again_and_its_gap_declared() -> None:
    bench = Bench()
    async with line_of(bench.source()) as line:
        bench.deliveries.put_nowait(delivery())
        await line.takes(1)
        bench.refuses = DriverError("no route", hint="look at the cable")
        bench.deliveries.put_nowait(DriverError("cut", hint=""))
        await line.until(lambda: line.state() is SourceState.DOWN)
        line.clock.advance(SECOND)
        (first,) = line.collector.down()
        assert (first.subject, first.start, first.end) == ("press-1", NOW, NOW + SECOND)
        await line.until(lambda: line.collector.health()[0].error == "no route")
        line.clock.advance(SECOND)
        bench.refuses = None
        await line.until(lambda: line.state() is SourceState.RUNNING)
        bench.deliveries.put_nowait(delivery())
        taken = await line.takes(1)
        (rest,) = taken.gaps
        assert (rest.start, rest.end, rest.reason) == (
            NOW + SECOND,
            NOW + 2 * SECOND,
            GapReason.SOURCE_DOWN,
        )
        assert line.collector.down() == []


async def test_a_driver_that_declares_its_outage_is_believed() -> None:
    bench = Bench()
    own = Gap(subject="a", start=NOW, end=NOW + SECOND, reason=GapReason.SUBSCRIPTION_LOST)
    async with line_of(bench.source()) as line:
        bench.deliveries.put_nowait(delivery())
        await line.takes(1)
        bench.deliveries.put_nowait(DriverError("cut", hint=""))
        await line.until(lambda: bench.opened == 2)
        bench.deliveries.put_nowait(delivery(gaps=(own,)))
        assert (await line.takes(1)).gaps == [own]


async def test_equipment_that_sends_again_leaves_no_gap_after_a_short_cut() -> None:
    bench = Bench()
    async with line_of(bench.source(replays=True)) as line:
        await goes_down(bench, line)
        line.clock.advance(SECOND)
        assert line.collector.down() == [], "within its grace"
        bench.refuses = None
        await line.until(lambda: line.state() is SourceState.RUNNING)
        bench.deliveries.put_nowait(delivery())
        assert (await line.takes(1)).gaps == []


async def test_equipment_that_stays_away_is_declared_after_all() -> None:
    bench = Bench()
    async with line_of(bench.source(replays=True)) as line:
        await goes_down(bench, line)
        line.clock.advance(11 * SECOND)
        (gap,) = line.collector.down()
        assert (gap.start, gap.end) == (NOW, NOW + 11 * SECOND)


@pytest.mark.parametrize("whole", [True, False])
async def test_an_outage_that_cost_nothing_is_taken_back_as_it_was_declared(whole: bool) -> None:
    bench = Bench()
    async with line_of(bench.source(replays=True)) as line:
        await goes_down(bench, line)
        declared = []
        for _ in range(2):
            line.clock.advance(11 * SECOND)
            declared += line.collector.down()
        line.clock.advance(SECOND)
        bench.refuses = None
        await line.until(lambda: line.state() is SourceState.RUNNING)
        bench.deliveries.put_nowait(delivery())
        declared += (await line.takes(1)).gaps
        assert narrowed(declared)
        bench.deliveries.put_nowait(Delivery(whole=whole))
        bench.deliveries.put_nowait(delivery(whole=whole))  # said twice it is said once
        declared += (await line.takes(1)).gaps
    came = [gap for gap in declared if gap.reason is GapReason.BACKFILLED]
    assert [(gap.subject, gap.start, gap.end) for gap in came] == (
        [("press-1", NOW, NOW + 23 * SECOND)] if whole else []
    )
    assert (narrowed(declared) == []) is whole


@pytest.mark.parametrize("error", [SettingsError("wrong", hint="h"), ValueError("a bug")])
async def test_a_source_that_cannot_work_leaves_the_others_alone(error: Exception) -> None:
    broken, sound = Bench(refuses=error), Bench()
    async with line_of(broken.source("broken"), sound.source("sound")) as line:
        sound.deliveries.put_nowait(delivery(2))
        await line.takes(2)
        refused = isinstance(error, SettingsError)
        await line.until(
            lambda: line.state() is (SourceState.REFUSED if refused else SourceState.DOWN)
        )
        assert line.state(1) is SourceState.RUNNING
        line.clock.advance(SECOND)
        assert [gap.subject for gap in line.collector.down()] == ["broken"]


async def test_a_line_too_slow_refuses_and_says_so() -> None:
    bench = Bench()
    async with line_of(bench.source(), readings_max=100) as line:
        for _ in range(12):
            bench.deliveries.put_nowait(delivery(10))
        await line.until(bench.deliveries.empty)
        await line.until(lambda: line.collector.health()[0].readings == 120)
        taken = line.inbox.take()
        assert (len(taken.readings()), taken.overrun) == (90, 30)
        assert taken.gaps[-1].reason is GapReason.OVERRUN


async def test_equipment_that_can_send_again_is_made_to_wait() -> None:
    bench = Bench()
    async with line_of(bench.source(replays=True), readings_max=100) as line:
        for _ in range(12):
            bench.deliveries.put_nowait(delivery(10))
        total = 0
        while total < 120:
            await line.until(lambda: line.inbox.readings)
            taken = line.inbox.take()
            assert taken.overrun == 0
            total += len(taken.readings())
    assert total == 120


@dataclass
class CertifiedBench(Bench):
    """Equipment whose line is made with certificates."""

    def certificates_end(self) -> Mapping[str, int]:
        return {"gateway": NOW + 45 * DAY, "server": NOW - DAY // 2}


async def test_the_days_of_each_certificate_are_told() -> None:
    certified, plain = CertifiedBench(), Bench()
    async with line_of(certified.source("press-1"), plain.source("press-2")) as line:
        assert line.collector.certificate_days() == {"press-1": {}, "press-2": {}}
        certified.deliveries.put_nowait(delivery())
        plain.deliveries.put_nowait(delivery())
        await line.takes(2)
        days = line.collector.certificate_days()
    assert days == {"press-1": {"gateway": 45.0, "server": -0.5}, "press-2": {}}
    assert list(_ending(days)) == ["source press-1: the server's certificate has ended"]
    soon = {"press-1": {"gateway": 29.0}}
    assert list(_ending(soon)) == [
        "source press-1: the gateway's certificate is valid for 29.0 days yet"
    ]
