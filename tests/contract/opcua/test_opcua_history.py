"""Level 3: what an interruption cost is fetched from the server's history, once, and said so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua

from aggregator.model.gaps import narrowed
from protocols.wire.reading import Gap, GapReason
from tests.contract.driver_contract import Line, behind_proxy, line_of
from tests.contract.opcua.history_rig import HistoryRig
from tests.contract.opcua.opcua_rig import OpcuaRig

BACKFILLED = GapReason.BACKFILLED


@pytest.fixture
async def rig() -> AsyncIterator[HistoryRig]:
    async with behind_proxy(HistoryRig) as rig:
        yield rig


async def lose_subscription(rig: OpcuaRig) -> None:
    """Have the server forget the subscription, as after a long cut."""
    service = rig.server.iserver.subscription_service
    await service.delete_subscriptions([*_client_subscriptions(rig)])


def _client_subscriptions(rig: OpcuaRig) -> list[int]:
    own = rig.server.iserver.isession.session_id
    held = rig.server.iserver.subscription_service.subscriptions
    return [number for number, each in held.items() if each.session_id != own]


async def interrupt(
    rig: OpcuaRig, line: Line, during: Callable[[], Any] | None = None, times: int = 20
) -> None:
    """Cut the line, let the equipment produce, and come back to a server that forgot us."""
    known = len(line.errors)
    await rig.proxy.cut()
    await line.until(lambda: len(line.errors) > known, "the cut was not noticed")
    await lose_subscription(rig)
    await line.produce(times)
    if during is not None:
        await during()
    await rig.proxy.restore()
    await line.catch_up()


def of(line: Line, reason: GapReason, subject: str | None = None) -> list[Gap]:
    return [g for g in line.gaps if g.reason is reason and subject in (None, g.subject)]


def left(line: Line, signal: str) -> list[tuple[int, int]]:
    """Return what is still declared missing of a signal, as a reader of the wire reckons it."""
    return [(g.start, g.end) for g in narrowed(g for g in line.gaps if _concerns(g, signal))]


def _concerns(gap: Gap, signal: str) -> bool:
    return gap.subject in ("source", signal)


def counts(line: Line) -> list[int]:
    return sorted(line.counts())


def assert_whole(line: Line) -> None:
    found = counts(line)
    assert found == list(range(found[0], found[-1] + 1)), "a count is missing or came twice"


async def test_what_a_lost_subscription_cost_comes_from_history_once(rig: HistoryRig) -> None:
    async with line_of(rig) as line:
        await line.produce(5)
        await interrupt(rig, line)
        await line.until(lambda: of(line, BACKFILLED, "counter"), "nothing was fetched")
        assert_whole(line)
        (lost,) = of(line, GapReason.SUBSCRIPTION_LOST)
        (came,) = of(line, BACKFILLED, "counter")
        assert (came.start, came.end) == (lost.start, lost.end)
        assert came.count is not None
        assert came.count >= 20
        assert left(line, "counter") == []
        first, *after = [r for r in line.of("counter") if r.gateway_time > lost.end]
        # What comes by the new subscription is later than the first that came by it.
        times = [
            r.source_time or 0 for r in after if (r.source_time or 0) < (first.source_time or 0)
        ]
        late = [t for t in (*times, first.source_time or 0) if lost.start <= t <= lost.end]
        assert len(late) == came.count, "the statement tells how many readings are backfilled"
        assert times == sorted(times)


async def test_a_value_that_did_not_change_costs_nothing(rig: HistoryRig) -> None:
    async with line_of(rig) as line:
        await line.until(lambda: line.of("temperature") and line.of("lot"), "no first value")
        await interrupt(rig, line)
        await line.until(lambda: of(line, BACKFILLED, "temperature"), "nothing was said")
        for signal in ("temperature", "lot"):  # the second has no history, and needs none
            assert [g.count for g in of(line, BACKFILLED, signal)] == [0]
            assert left(line, signal) == []
            assert len(line.of(signal)) == 1, "a value came twice"


async def test_what_has_no_history_stays_missing(rig: HistoryRig) -> None:
    async with line_of(rig) as line:
        await line.until(lambda: line.of("offset"), "no first value")
        await interrupt(rig, line, during=lambda: rig.write("Offset", 5))
        await line.until(lambda: of(line, BACKFILLED, "counter"), "nothing was fetched")
        (lost,) = of(line, GapReason.SUBSCRIPTION_LOST)
        assert left(line, "offset") == [(lost.start, lost.end)]


async def test_a_history_that_gives_page_by_page_is_read_to_its_end(rig: HistoryRig) -> None:
    rig.storage.max_history_data_response_size = 3
    async with line_of(rig) as line:
        await interrupt(rig, line)
        await line.until(lambda: of(line, BACKFILLED, "counter"), "nothing was fetched")
        assert_whole(line)
        assert left(line, "counter") == []


async def test_two_values_of_one_time_at_the_edge_come_once_each(rig: HistoryRig) -> None:
    async with line_of(rig) as line:
        since = len(line.of("temperature"))
        now = datetime.now(UTC)  # noqa: TID251 -- the equipment's clock
        await put(rig, 41.0, now)
        await line.until(lambda: len(line.of("temperature")) > since, "no value came")

        async def more() -> None:
            for value in (42.0, 43.0):
                await put(rig, value, now)  # the same instant, and yet other values
            await put(rig, 44.0, now + timedelta(milliseconds=500))

        await interrupt(rig, line, during=more)
        await line.until(lambda: of(line, BACKFILLED, "temperature"), "nothing was fetched")
        assert sorted(r.value for r in line.of("temperature")[since:]) == [41.0, 42.0, 43.0, 44.0]  # type: ignore[type-var]


async def test_a_history_that_lags_is_asked_again(rig: HistoryRig) -> None:
    rig.changes = {"history_lag_s": 10.0}
    async with line_of(rig) as line:
        read = rig.storage.read_node_history
        asked = []

        async def late(*args: Any) -> Any:
            values, onward = await read(*args)
            asked.append(len(values))
            return (values if len(asked) > 3 else values[:1]), onward

        rig.storage.read_node_history = late
        await interrupt(rig, line)
        await line.until(lambda: of(line, BACKFILLED, "counter"), "nothing was fetched")
        assert len(asked) > 3
        assert_whole(line)
        assert left(line, "counter") == []


async def test_a_history_that_ends_early_leaves_the_rest_a_gap(rig: HistoryRig) -> None:
    async with line_of(rig) as line:
        read = rig.storage.read_node_history

        ends: list[datetime] = []

        async def cut_off(*args: Any) -> Any:
            values, _ = await read(*args)
            if args[0] == rig.nodes["Counter"].nodeid:
                ends.append(values[min(9, len(values) - 1)].SourceTimestamp)
            return [each for each in values if each.SourceTimestamp <= ends[0]], None

        rig.storage.read_node_history = cut_off
        await interrupt(rig, line)
        await line.until(lambda: of(line, BACKFILLED, "counter"), "nothing was fetched")
        (lost,) = of(line, GapReason.SUBSCRIPTION_LOST)
        ((start, end),) = left(line, "counter")
        assert lost.start < start < end == lost.end
        assert set(range(counts(line)[0], counts(line)[-1])) - set(counts(line))
        assert len(counts(line)) == len(set(counts(line)))


async def test_a_history_that_begins_late_leaves_the_first_part_a_gap(rig: HistoryRig) -> None:
    async with line_of(rig) as line:
        read = rig.storage.read_node_history

        async def forgetful(*args: Any) -> Any:
            values, onward = await read(*args)
            return values[-5:], onward

        rig.storage.read_node_history = forgetful
        await interrupt(rig, line)
        await line.until(lambda: of(line, BACKFILLED, "counter"), "nothing was fetched")
        (lost,) = of(line, GapReason.SUBSCRIPTION_LOST)
        ((start, end),) = left(line, "counter")
        assert start == lost.start
        assert start < end < lost.end


async def test_a_restarted_server_observed_nothing_while_it_was_not_there(
    rig: HistoryRig,
) -> None:
    async with line_of(rig) as line:
        await line.produce(3)
        await rig.proxy.cut()
        await line.until(lambda: line.errors, "the cut was not noticed")
        await line.produce(10)  # kept by the historian
        await rig.stop()
        await rig.start()
        await rig.proxy.restore()
        await line.catch_up()
        await line.until(lambda: of(line, BACKFILLED, "counter"), "nothing was fetched")
        assert set(counts(line)) == set(range(counts(line)[0], counts(line)[-1] + 1))
        keys = [(each.source_time, each.value) for each in line.of("counter")]
        assert len(keys) == len(set(keys))
        (lost,) = of(line, GapReason.SUBSCRIPTION_LOST)
        ((start, end),) = left(line, "counter")
        assert lost.start < start < end < lost.end, "from its last value to its new start"


async def test_an_interrupted_backfill_goes_on_where_it_stopped(rig: HistoryRig) -> None:
    async with line_of(rig) as line:
        read = rig.storage.read_node_history
        asked = []

        async def cut_under_way(*args: Any) -> Any:
            values, onward = await read(*args)
            asked.append(1)
            if len(asked) == 1:
                return values[:7], None
            if len(asked) == 2:
                await rig.proxy.cut()
            return values, onward

        rig.storage.read_node_history = cut_under_way
        await interrupt(rig, line)
        await line.until(lambda: len(asked) > 1 and line.opened >= 2, "history was not asked")
        await rig.proxy.restore()
        await line.catch_up()
        await line.until(lambda: of(line, BACKFILLED, "counter"), "nothing was fetched")
        assert_whole(line)


async def test_what_a_full_queue_at_the_server_cost_comes_from_history(rig: HistoryRig) -> None:
    async with line_of(rig) as line:
        await line.until(lambda: line.of("temperature"), "no first value")
        held = rig.server.iserver.subscription_service.subscriptions[_client_subscriptions(rig)[0]]
        enqueue = held.enqueue_datachange_event

        async def full(mid: int, event: Any, queue_size: int) -> None:
            if event.Value.Value.Value != 30.0:
                await enqueue(mid, event, queue_size)

        held.enqueue_datachange_event = full
        await rig.write("Temperature", 30.0)
        await rig.write("Temperature", 31.0, status=0x0480)  # Overflow
        await line.until(lambda: of(line, BACKFILLED, "temperature"), "nothing was fetched")
        assert left(line, "temperature") == []
        assert [r.value for r in line.of("temperature")] == [20.0, 31.0, 30.0]


async def test_history_can_be_left_alone(rig: HistoryRig) -> None:
    rig.changes = {"history_lag_s": 0}
    async with line_of(rig) as line:
        await interrupt(rig, line)
        await line.produce(5)
        assert of(line, GapReason.SUBSCRIPTION_LOST)
        assert not of(line, BACKFILLED)


async def put(rig: OpcuaRig, value: float, time: datetime) -> None:
    data = ua.DataValue(
        ua.Variant(value, ua.VariantType.Double), SourceTimestamp=time, ServerTimestamp=time
    )
    await rig.server.write_attribute_value(rig.nodes["Temperature"].nodeid, data)
