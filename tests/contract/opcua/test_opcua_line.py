"""What the OPC UA driver makes of sessions, subscriptions and queues that go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from asyncua import ua

from plant.network import Proxy
from protocols.field.opcua.requests import Item, monitored_item
from protocols.field.opcua.settings import OpcuaSignal, Trigger
from protocols.wire.reading import Doubt, GapReason, Status
from tests.contract.driver_contract import PATIENCE, HostClock, Line, line_of
from tests.contract.opcua.opcua_rig import ITEMS_A_CALL_MAX, URI, OpcuaRig


@pytest.fixture
async def rig() -> AsyncIterator[OpcuaRig]:
    async with Proxy() as proxy:
        rig = OpcuaRig(proxy)
        await rig.start()
        yield rig
        await rig.stop()


def subscription(rig: OpcuaRig) -> Any:
    """Return the one subscription that the server holds."""
    (held,) = rig.server.iserver.subscription_service.subscriptions.values()
    return held


def missing(line: Line) -> list[int]:
    counts = line.counts()
    return sorted(set(range(counts[0], counts[-1] + 1)) - set(counts))


async def test_a_short_cut_costs_nothing_and_is_no_gap(rig: OpcuaRig) -> None:
    async with line_of(rig) as line:
        held = subscription(rig)
        await rig.proxy.cut()
        await line.until(lambda: line.errors, "the cut was not noticed")
        await line.produce(30)
        await rig.proxy.restore()
        await line.catch_up()
        assert subscription(rig) is held, "the subscription was made anew"
        assert missing(line) == []
        assert line.gaps == []


async def test_messages_that_went_into_a_dead_line_are_fetched_again(rig: OpcuaRig) -> None:
    async with line_of(rig) as line:
        await rig.proxy.blackhole()
        await line.produce(10)  # published into the black hole, one message after the other
        await line.until(lambda: line.errors, "the half-open line was not noticed")
        assert subscription(rig)._not_acknowledged_results
        await rig.proxy.restore()
        await line.catch_up()
        assert missing(line) == []
        assert line.gaps == []


async def test_messages_that_the_server_no_longer_has_are_a_gap(rig: OpcuaRig) -> None:
    async with line_of(rig) as line:
        await rig.proxy.blackhole()
        await line.produce(10)
        await line.until(lambda: line.errors, "the half-open line was not noticed")
        subscription(rig)._not_acknowledged_results.clear()
        await rig.proxy.restore()
        await line.catch_up()
        assert missing(line)
        (gap,) = line.gaps
        assert gap.reason is GapReason.SUBSCRIPTION_LOST
        assert gap.subject == "source"
        before, after = missing(line)[0] - 1, missing(line)[-1] + 1
        times = {r.value: r.gateway_time for r in line.of("counter")}
        assert times[before] <= gap.start <= gap.end <= times[after]


async def test_a_subscription_outlives_its_session(rig: OpcuaRig) -> None:
    async with line_of(rig) as line:
        await rig.proxy.blackhole()
        await line.produce(5)
        await line.until(lambda: line.errors, "the half-open line was not noticed")
        held = subscription(rig)
        for session in list(rig.server.iserver._external_sessions.values()):
            await session.close_session(delete_subs=False)
        await rig.proxy.restore()
        await line.catch_up()
        assert subscription(rig) is held
        assert missing(line) == []
        assert line.gaps == []


async def test_a_subscription_that_the_server_ends_is_made_anew_with_a_gap(rig: OpcuaRig) -> None:
    async with line_of(rig) as line:
        ended = subscription(rig)
        await ended.enqueue_statuschange(ua.StatusCode(ua.StatusCodes.BadTimeout))
        await line.until(lambda: line.gaps, "no gap was declared")
        assert line.gaps[0].reason is GapReason.SUBSCRIPTION_LOST
        await line.catch_up()
        assert subscription(rig) is not ended


async def test_a_subscription_that_falls_silent_is_noticed_on_a_good_line(rig: OpcuaRig) -> None:
    async with line_of(rig) as line:
        await subscription(rig).stop()  # its loop ends, and the server says nothing of it
        await line.until(lambda: line.gaps, "the silence was not noticed")
        await line.catch_up()
        assert "silent" in str(line.errors[0])


async def test_an_overflow_at_the_server_is_a_gap_of_that_signal(rig: OpcuaRig) -> None:
    async with line_of(rig) as line:
        overflow = 0x0480  # InfoType DataValue, Overflow (OPC 10000-4 section 7.39.1)
        await rig.write("Temperature", 33.0, status=overflow)
        await line.until(lambda: line.gaps, "no gap was declared")
        (gap,) = line.gaps
        assert (gap.subject, gap.reason) == ("temperature", GapReason.OVERRUN)
        (reading,) = (r for r in line.of("temperature") if r.value == 33.0)
        assert (reading.status, reading.code) == (Status.GOOD, overflow)
        assert gap.end == reading.gateway_time


async def test_readings_over_the_queue_are_counted_in_a_gap(rig: OpcuaRig) -> None:
    rig.changes = {"queue_max": 20}
    driver = rig.spec.connect("source", rig.settings(), HostClock())
    await driver.open()
    try:
        for _ in range(40):
            await rig.produce()
        async with asyncio.timeout(PATIENCE):
            while not driver._waiting._dropped:  # type: ignore[attr-defined]  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        delivery = await driver.read()
        assert len(delivery.readings) == 20
        (gap,) = delivery.gaps
        assert gap.reason is GapReason.OVERRUN
        assert gap.count is not None
        assert gap.count > 0
    finally:
        await driver.close()


async def test_requests_are_split_to_the_servers_limit(rig: OpcuaRig) -> None:
    async with line_of(rig) as line:
        await line.until(lambda: len({r.signal for r in line.readings}) == 10, "a signal is silent")
    assert max(rig.items_a_call) <= ITEMS_A_CALL_MAX
    assert sum(rig.items_a_call) == 8  # an unknown path or namespace is not asked for


async def test_a_signal_that_comes_later_is_found(rig: OpcuaRig) -> None:
    rig.changes = {"retry_s": 0.2}
    async with line_of(rig) as line:
        await line.until(lambda: line.of("absent"), "nothing was said of the absent signal")
        press = rig.server.get_node(ua.NodeId("Press", 2))
        await press.add_variable(ua.NodeId("NoSuchNode", 2), "2:NoSuchNode", 1.5)
        await line.until(
            lambda: line.of("absent")[-1].status is Status.GOOD, "the signal was not found"
        )
        assert len([r for r in line.of("absent") if r.status is Status.BAD]) == 1


async def test_namespaces_that_a_restarted_server_numbers_anew_are_found_again(
    rig: OpcuaRig,
) -> None:
    async with line_of(rig) as line:
        await line.until(lambda: line.of("temperature") and line.of("offset"), "no first value")
        assert line.of("offset")[-1].status is Status.GOOD
        await rig.stop()
        await line.until(lambda: line.errors, "the stop was not noticed")
        rig.earlier = ["urn:acme:other", "urn:acme:another"]
        since = len(line.readings)
        await rig.start()
        await line.catch_up()
        await line.until(lambda: line.of("offset", since), "nothing was said of the index")
        await rig.write("Temperature", 55.5)
        await line.until(
            lambda: 55.5 in [r.value for r in line.of("temperature", since)],
            "the path was not found",
        )
        await line.until(lambda: line.of("running", since), "nothing was said of the index")
        # What is addressed by index is another thing now, and is alone in that.
        assert line.of("offset", since)[-1].status is Status.BAD
        assert line.of("running", since)[-1].status is Status.BAD


async def test_a_deadband_keeps_small_changes_away(rig: OpcuaRig) -> None:
    banded = OpcuaSignal(name="banded", address=f"nsu={URI};s=Temperature", deadband=1.0)
    rig.changes = {"signals": (*rig.signals(), banded)}
    async with line_of(rig) as line:
        for value in (20.1, 20.2, 25.0, 25.3):
            await rig.write("Temperature", value)
        await line.until(lambda: line.of("temperature")[-1].value == 25.3, "values are missing")
        assert [r.value for r in line.of("banded")] == [20.0, 25.0]


async def test_a_constant_value_is_confirmed_where_that_is_wanted(rig: OpcuaRig) -> None:
    timed = OpcuaSignal(name="timed", address=f"nsu={URI};s=Temperature", trigger=Trigger.TIME)
    rig.changes = {"signals": (*rig.signals(), timed)}
    async with line_of(rig) as line:
        for _ in range(3):
            await rig.write("Temperature", 20.0)
        await line.until(lambda: len(line.of("timed")) == 4, "a confirmation is missing")
        assert len(line.of("temperature")) == 1


async def test_silence_is_proved_by_a_heartbeat(rig: OpcuaRig) -> None:
    beating = OpcuaSignal(name="beating", address=f"nsu={URI};s=Temperature", heartbeat_s=0.5)
    rig.changes = {"signals": (*rig.signals(), beating)}
    async with line_of(rig) as line:
        await line.until(lambda: len(line.of("beating")) >= 4, "a heartbeat is missing")
        _, *beats = line.of("beating")
        times = [beat.gateway_time for beat in beats]
        assert {beat.source_time for beat in beats} == {None}, "when it changed was told before"
        assert {beat.value for beat in beats} == {20.0}
        assert {beat.status for beat in beats} == {Status.GOOD}
        assert all(later - earlier >= 400_000_000 for earlier, later in pairwise(times))
        assert len(line.of("temperature")) == 1
        await rig.proxy.stall()
        await asyncio.sleep(0.3)  # what was on its way is here now
        held = len(line.of("beating"))
        await asyncio.sleep(1.0)  # the length of two heartbeats
        assert len(line.of("beating")) == held, "nobody looked, and yet it was said to be so"
        await rig.proxy.restore()
        await line.until(lambda: len(line.of("beating")) > held, "no heartbeat came again")


def test_a_deadband_is_absolute_or_in_percent() -> None:
    def asked(**options: float) -> Any:
        signal = OpcuaSignal.model_validate({"name": "a", "address": "i=1", **options})
        return monitored_item(Item(handle=1, signal=signal, node=ua.NodeId(1))).RequestedParameters

    absolute, percent = asked(deadband=0.5).Filter, asked(deadband_percent=2.0).Filter
    assert (absolute.DeadbandType, absolute.DeadbandValue) == (ua.DeadbandType.Absolute, 0.5)
    assert (percent.DeadbandType, percent.DeadbandValue) == (ua.DeadbandType.Percent, 2.0)
    with pytest.raises(ValueError, match="one of them"):
        asked(deadband=0.5, deadband_percent=2.0)


@pytest.mark.parametrize(
    ("server_shift", "status", "code"),
    [
        (timedelta(), Status.GOOD, 0),
        (timedelta(days=-1), Status.UNCERTAIN, Doubt.IMPOSSIBLE_TIME),
    ],
)
async def test_a_value_that_last_changed_yesterday_is_good_if_the_server_knows_it_today(
    rig: OpcuaRig, server_shift: timedelta, status: Status, code: int
) -> None:
    now = datetime.now(UTC)  # noqa: TID251 -- the equipment's clock
    data = ua.DataValue(
        ua.Variant("LOT-1", ua.VariantType.String),
        SourceTimestamp=now - timedelta(days=1),
        ServerTimestamp=now + server_shift,
    )
    await rig.server.write_attribute_value(rig.nodes["Lot"].nodeid, data)
    async with line_of(rig) as line:
        await line.until(lambda: line.of("lot"), "the lot did not come")
        first = line.of("lot")[0]
        assert (first.value, first.status, first.code) == ("LOT-1", status, code)


async def test_closing_leaves_nothing_at_the_server(rig: OpcuaRig) -> None:
    async with line_of(rig):
        assert rig.server.iserver._external_sessions
    assert not rig.server.iserver._external_sessions
    assert not rig.server.iserver.subscription_service.subscriptions
