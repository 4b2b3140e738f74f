"""The bounded queue between the subscription and the gateway."""

from __future__ import annotations

import asyncio

from protocols.field.opcua.waiting import Waiting
from protocols.wire.reading import Gap, GapReason, Kind, Reading, SignalName


def reading(time: int) -> Reading:
    return Reading(signal=SignalName("s"), kind=Kind.INT, value=time, gateway_time=time)


def test_all_comes_out_once_and_in_order() -> None:
    waiting = Waiting("press", 10)
    for time in range(5):
        waiting.add([reading(time)])
    assert [r.value for r in waiting.take().readings] == [0, 1, 2, 3, 4]
    assert not waiting
    assert waiting.take().readings == ()


def test_over_its_bound_the_newest_are_dropped_and_counted() -> None:
    waiting = Waiting("press", 3)
    for time in range(7):
        waiting.add([reading(time)])
    delivery = waiting.take()
    assert [r.value for r in delivery.readings] == [0, 1, 2]
    assert delivery.gaps == (
        Gap(subject="press", start=3, end=6, reason=GapReason.OVERRUN, count=4),
    )
    waiting.add([reading(9)])
    after = waiting.take()
    assert ([r.value for r in after.readings], after.gaps) == ([9], ())


async def test_waiting_ends_when_something_comes_or_somebody_wakes_it() -> None:
    waiting = Waiting("press", 3)
    task = asyncio.create_task(waiting.wait())
    await asyncio.sleep(0)
    assert not task.done()
    waiting.add([reading(1)])
    await asyncio.wait_for(task, 60)
    task = asyncio.create_task(waiting.wait())
    await asyncio.sleep(0)
    assert not task.done()
    waiting.wake()
    await asyncio.wait_for(task, 60)
