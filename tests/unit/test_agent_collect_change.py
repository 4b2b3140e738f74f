"""Sources that change while they run: nothing that was read is lost, no gap is false."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from edge_agent.collect.collector import Changed
from edge_agent.sealing.inbox import Taken
from edge_agent.sources import Source
from protocols.field.driver import DriverError, DriverSettings, SettingsError, SignalSettings, Spec
from protocols.wire.life import SourceState
from protocols.wire.reading import SECOND, GapReason
from tests.agent_line import NOW
from tests.unit.test_agent_collect import QUICK, Bench, Line, delivery, line_of


class BenchSettings(DriverSettings):
    """A test's equipment with signals."""

    signals: tuple[SignalSettings, ...] = ()


def source(bench: Bench, *signals: str, name: str = "press-1", replays: bool = False) -> Source:
    spec = Spec(
        name="bench",
        summary="a test's equipment",
        settings=BenchSettings,
        connect=bench.connect,
        replays=replays,
    )
    settings = BenchSettings(signals=tuple(SignalSettings(name=each) for each in signals))
    return Source(name=name, spec=spec, settings=settings)


class Seal:
    """What the sealer does while sources change: it takes all that waits."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.taken = Taken()

    async def __call__(self) -> None:
        self.taken = self.line.inbox.take()
        for entry in self.taken.entries:
            entry.committed()


async def change(line: Line, *sources: Source) -> tuple[Changed, Taken]:
    seal = Seal(line)
    return await line.collector.change(sources, QUICK, seal), seal.taken


def gaps_of(taken: Taken) -> Sequence[tuple[str, GapReason]]:
    return [(gap.subject, gap.reason) for gap in taken.gaps]


async def test_a_source_that_is_as_it_was_keeps_its_connection() -> None:
    kept, other = Bench(), Bench()
    same = source(kept, "a")
    async with line_of(same, source(other, "b", name="oven")) as line:
        kept.deliveries.put_nowait(delivery(2))
        await line.takes(2)
        changed, _ = await change(line, source(kept, "a"), source(other, "b", "c", name="oven"))
        assert changed == Changed(changed=("oven",))
        await line.until(lambda: other.opened == 2)
        assert (kept.opened, kept.closed) == (1, 0)
        kept.deliveries.put_nowait(delivery(3))
        await line.takes(3)
        assert line.collector.health()[0].readings == 5


async def test_what_was_read_is_sealed_and_acknowledged_before_the_line_is_let_go() -> None:
    bench = Bench()
    said: list[str] = []

    async def ack() -> None:
        said.append(f"acknowledged, {bench.closed} closed")

    async with line_of(source(bench, "a")) as line:
        await line.until(lambda: bench.opened)
        bench.deliveries.put_nowait(delivery(4, ack=ack))
        changed, taken = await change(line)
        assert changed == Changed(removed=("press-1",))
        assert len(taken.readings()) == 4
        assert said == ["acknowledged, 0 closed"]
        assert bench.closed
        assert line.collector.health() == []
        line.clock.advance(60 * SECOND)
        assert line.collector.down() == [], "what is not asked for is not missing"


async def test_a_delivery_under_way_is_waited_for() -> None:
    bench = Bench()
    async with line_of(source(bench, "a")) as line:
        await line.until(lambda: bench.opened)
        changing = asyncio.create_task(change(line))
        await asyncio.sleep(0)
        bench.deliveries.put_nowait(delivery(7))
        _, taken = await changing
        assert len(taken.readings()) == 7


async def test_signals_that_stay_are_declared_missing_between_and_others_are_not() -> None:
    bench = Bench()
    async with line_of(source(bench, "a", "b")) as line:
        bench.deliveries.put_nowait(delivery())
        await line.takes(1)
        line.clock.advance(SECOND)
        await change(line, source(bench, "b", "c"))
        line.clock.advance(SECOND)
        await line.until(lambda: bench.opened == 2)
        bench.deliveries.put_nowait(delivery())
        taken = await line.takes(1)
        assert gaps_of(taken) == [("b", GapReason.SETTINGS_CHANGE)]
        assert taken.gaps[0].start == NOW + SECOND
        assert taken.gaps[0].end <= NOW + 2 * SECOND


async def test_where_all_signals_stay_the_source_is_named_once() -> None:
    bench = Bench()
    async with line_of(source(bench, "a", "b")) as line:
        bench.deliveries.put_nowait(delivery())
        await line.takes(1)
        await change(line, source(bench, "b", "a"))
        await line.until(lambda: bench.opened == 2)
        bench.deliveries.put_nowait(delivery())
        assert gaps_of(await line.takes(1)) == [("press-1", GapReason.SETTINGS_CHANGE)]


async def test_a_source_that_came_owes_nothing_before_it_is_open() -> None:
    bench, came = Bench(), Bench()
    async with line_of(source(bench, "a")) as line:
        bench.deliveries.put_nowait(delivery())
        await line.takes(1)
        await change(line, source(bench, "a"), source(came, "z", name="oven"))
        line.clock.advance(SECOND)
        await line.until(lambda: came.opened)
        came.deliveries.put_nowait(delivery())
        taken = await line.takes(1)
        assert not taken.gaps
        line.clock.advance(60 * SECOND)
        assert line.collector.down() == []


async def test_a_source_that_came_and_cannot_be_opened_owes_from_the_change_on() -> None:
    bench, came = Bench(), Bench(refuses=DriverError("no route", hint=""))
    async with line_of(source(bench, "a")) as line:
        bench.deliveries.put_nowait(delivery())
        await line.takes(1)
        await change(line, source(bench, "a"), source(came, "z", name="oven"))
        await line.until(lambda: line.state(1) is SourceState.DOWN)
        line.clock.advance(SECOND)
        (gap,) = line.collector.down()
        assert (gap.subject, gap.reason) == ("oven", GapReason.SOURCE_DOWN)
        assert (gap.start, gap.end) == (NOW, NOW + SECOND)


async def test_a_changed_source_that_does_not_come_back_is_down_and_said_so() -> None:
    bench = Bench()
    async with line_of(source(bench, "a")) as line:
        bench.deliveries.put_nowait(delivery())
        await line.takes(1)
        bench.refuses = SettingsError("no such node", hint="")
        await change(line, source(bench, "a", "b"))
        await line.until(lambda: line.state() is SourceState.REFUSED)
        line.clock.advance(SECOND)
        (gap,) = line.collector.down()
        assert (gap.subject, gap.reason) == ("press-1", GapReason.SOURCE_DOWN)
        assert gaps_of(line.inbox.take()) == [("a", GapReason.SETTINGS_CHANGE)]


async def test_a_source_that_was_down_is_declared_up_to_its_end() -> None:
    bench = Bench()
    async with line_of(source(bench, "a", replays=True)) as line:
        bench.deliveries.put_nowait(delivery())
        await line.takes(1)
        bench.refuses = DriverError("cut", hint="")
        bench.deliveries.put_nowait(bench.refuses)
        await line.until(lambda: line.state() is SourceState.DOWN)
        line.clock.advance(SECOND)
        _, taken = await change(line)
        assert gaps_of(taken) == [("press-1", GapReason.SOURCE_DOWN)]
        assert (taken.gaps[0].start, taken.gaps[0].end) == (NOW, NOW + SECOND)
