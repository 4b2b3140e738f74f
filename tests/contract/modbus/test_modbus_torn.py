"""Values that the equipment updates while they are read, told by its counters."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.wire.reading import Doubt, Reading, Status
from tests.contract.modbus.modbus_peer import Device, Peer, Question
from tests.contract.modbus.reading import QUICK, one_poll, opened, settings_at


class Updating:
    """A unit whose 32-bit value at 10 is the count twice over; some requests meet an update of it.

    Such a request is answered in the middle of the update. A lone counter changes before the
    value does (``early``) or after it; of two the first changes before and the other after.
    """

    def __init__(self, guards: dict[str, int], *, tears: int, early: bool = False) -> None:
        before, after = guards["guard"], guards.get("guard_after", guards["guard"])
        self._order = [before, 10, 11] if early else [10, 11, after]
        if before != after:
            self._order = [before, 10, 11, after]
        self._tears = tears
        self.device = Device(holding=dict.fromkeys([*range(60), 300], 0))

    def answer(self, question: Question, _: bytes) -> list[tuple[float, bytes]]:
        holds = question.address <= 10 and question.address + question.count >= 12
        if not (holds and self._tears):
            return [(0, self.device.answer(question))]
        self._tears -= 1
        for cell in self._order[: self._order.index(11)]:
            self.device.holding[cell] += 1
        torn = self.device.answer(question)
        for cell in self._order[self._order.index(11) :]:
            self.device.holding[cell] += 1
        return [(0, torn)]


def whole(reading: Reading) -> bool:
    assert isinstance(reading.value, int)
    return reading.value >> 16 == reading.value & 0xFFFF


def signal(**guards: int) -> list[dict[str, Any]]:
    return [{"name": "v", "address": 10, "type": "uint32"} | guards]


PLACES = [
    pytest.param({"guard": 8}, 2, id="below"),
    pytest.param({"guard": 14}, 2, id="above"),
    pytest.param({"guard": 300}, 2, id="far away"),
    pytest.param({"guard": 9, "guard_after": 12}, 0, id="one on either side"),
]
"""Guards, and how many more requests they cost."""


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(("guards", "more"), PLACES)
async def test_a_torn_value_is_read_again(guards: dict[str, int], more: int, early: bool) -> None:
    updating = Updating(guards, tears=2, early=early)
    async with Peer({1: updating.device}) as peer:
        peer.misbehave = updating.answer
        async with opened(settings_at(peer, signal(**guards), **QUICK)) as driver:
            got = (await one_poll(driver))["v"]
            assert (got.status, got.value) == (Status.GOOD, 0x0002_0002)
            asked = len(peer.questions)
            await one_poll(driver)
        assert len(peer.questions) - asked == 1 + more
        assert asked == 3 + 2 * more  # what was read after is what was read before the next


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(("guards", "more"), PLACES)
async def test_one_that_stays_torn_is_uncertain(
    guards: dict[str, int], more: int, early: bool
) -> None:
    updating = Updating(guards, tears=1000, early=early)
    async with Peer({1: updating.device}) as peer:
        peer.misbehave = updating.answer
        settings = settings_at(peer, signal(**guards), guard_retries=1, **QUICK)
        async with opened(settings) as driver:
            got = (await one_poll(driver))["v"]
        assert (got.status, got.code) == (Status.UNCERTAIN, Doubt.TORN)
        assert not whole(got)
        assert len(peer.questions) == 2 + (3 if more else 0)


async def test_without_a_guard_it_would_have_been_taken_for_good() -> None:
    updating = Updating({"guard": 8}, tears=1)
    async with Peer({1: updating.device}) as peer:
        peer.misbehave = updating.answer
        async with opened(settings_at(peer, signal(), **QUICK)) as driver:
            got = (await one_poll(driver))["v"]
    assert (got.status, whole(got)) == (Status.GOOD, False)


async def test_a_counter_that_cannot_be_read_vouches_for_nothing() -> None:
    async with Peer({1: Device(holding={10: 1, 11: 1})}) as peer:
        settings = settings_at(peer, signal(guard=300), guard_retries=9, **QUICK)
        async with opened(settings) as driver:
            got = (await one_poll(driver))["v"]
        assert len(peer.questions) == 3  # not again and again
    assert (got.status, got.code, got.value) == (Status.UNCERTAIN, Doubt.TORN, 0x0001_0001)


async def test_unguarded_neighbours_stay_good() -> None:
    updating = Updating({"guard": 8}, tears=1000)
    signals = [*signal(guard=8), {"name": "neighbour", "address": 12}]
    async with Peer({1: updating.device}) as peer:
        peer.misbehave = updating.answer
        async with opened(settings_at(peer, signals, **QUICK)) as driver:
            got = await one_poll(driver)
    assert got["v"].code == Doubt.TORN
    assert got["neighbour"].status is Status.GOOD
