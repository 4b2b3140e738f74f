"""Each exception code handled as the standard means it (Application Protocol section 7)."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import Any

import pytest

from protocols.wire.reading import Reading, Status
from tests.contract.driver_contract import PATIENCE
from tests.contract.modbus.modbus_peer import Device, Misbehave, Peer
from tests.contract.modbus.reading import DEVICE, QUICK, one_poll, opened, settings_at, words


def refusing(code: int, *, first: int = 0, last: int = 1 << 30) -> Misbehave:
    """Return the behaviour of a unit 1 that refuses the questions of these numbers."""
    return lambda question, pdu: [
        (
            0,
            bytes((question.function | 0x80, code))
            if question.unit == 1 and first <= question.number < last
            else pdu,
        )
    ]


def codes(got: dict[str, Reading]) -> set[int]:
    assert {reading.status for reading in got.values()} == {Status.BAD}
    return {reading.code for reading in got.values()}


class TestWait:
    @pytest.mark.parametrize("code", [5, 6])
    async def test_busy_equipment_is_asked_again(self, code: int) -> None:
        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = refusing(code, last=2)
            settings = settings_at(peer, words(1, 2), busy_wait_s=0.01, **QUICK)
            async with opened(settings) as driver:
                assert (await one_poll(driver))["w2"].value == 14
            assert len(peer.questions) == 3

    async def test_equipment_that_stays_busy_says_so_and_is_asked_with_each_poll(self) -> None:
        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = refusing(6)
            settings = settings_at(peer, words(1, 2), busy_wait_s=0.01, **QUICK)
            async with opened(settings) as driver:
                assert codes(await one_poll(driver)) == {6}
                assert len(peer.questions) == 3  # busy_retries
                assert codes(await one_poll(driver)) == {6}
            assert len(peer.questions) == 6

    async def test_a_long_operation_is_left_alone_and_then_asked_for(self) -> None:
        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = refusing(5, last=3)
            settings = settings_at(peer, words(1, 2), busy_wait_s=0.01, working_wait_s=2, **QUICK)
            async with opened(settings) as driver:
                assert codes(await one_poll(driver)) == {5}
                for _ in range(4):
                    assert codes(await one_poll(driver)) == {5}
                assert len(peer.questions) == 3  # nothing while it works
                async with asyncio.timeout(PATIENCE):
                    while (await one_poll(driver))["w2"].value != 14:
                        pass

    async def test_a_busy_unit_holds_up_nobody(self) -> None:
        signals = [*words(1, 2), {"name": "other", "address": 3, "unit_id": 2}]
        async with Peer({unit: Device(holding=DEVICE) for unit in (1, 2)}) as peer:
            peer.misbehave = refusing(6)
            settings = settings_at(peer, signals, busy_wait_s=0.2, **QUICK)
            async with opened(settings) as driver:
                got = await one_poll(driver)
        assert [question.unit for question in peer.questions] == [1, 2, 1, 1]
        assert got["other"].value == 21
        assert got["w1"].gateway_time - got["other"].gateway_time > 300_000_000


class TestChance:
    @pytest.mark.parametrize("code", [4, 8, 7])
    async def test_a_passing_failure_costs_a_repeat(self, code: int) -> None:
        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = refusing(code, last=1)
            async with opened(settings_at(peer, words(1, 2), **QUICK)) as driver:
                assert (await one_poll(driver))["w2"].value == 14
            assert len(peer.questions) == 2

    @pytest.mark.parametrize("code", [8, 7])
    async def test_a_lasting_one_is_told_and_not_searched(self, code: int) -> None:
        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = refusing(code)
            async with opened(settings_at(peer, words(0, 100), **QUICK)) as driver:
                assert codes(await one_poll(driver)) == {code}
            assert len(peer.questions) == 2


class TestNarrow:
    @pytest.mark.parametrize("code", [2, 3, 4])
    async def test_the_guilty_signal_is_named_whatever_the_code(self, code: int) -> None:
        def one_bad(question: Any, pdu: bytes) -> list[tuple[float, bytes]]:
            guilty = question.address <= 37 < question.address + question.count
            return [(0, bytes((0x83, code)) if guilty else pdu)]

        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = one_bad
            async with opened(settings_at(peer, words(0, 100), **QUICK)) as driver:
                got = await one_poll(driver)
                asked = len(peer.questions)
                await one_poll(driver)
        assert [name for name, seen in got.items() if seen.status is not Status.GOOD] == ["w37"]
        assert got["w37"].code == code
        assert asked <= 2 * (2 * 7 + 1)
        assert len(peer.questions) - asked == 2  # before and after the hole

    async def test_a_unit_that_refuses_everything_is_not_hammered(self) -> None:
        async with Peer({1: Device(holding={})}) as peer:
            settings = settings_at(peer, words(0, 120), narrow_max=24, **QUICK)
            async with opened(settings) as driver:
                asked = [0]
                async with asyncio.timeout(PATIENCE):
                    while len(asked) < 3 or asked[-1] > asked[-2]:
                        assert codes(await one_poll(driver)) == {2}
                        asked.append(len(peer.questions))
        whole = 120  # requests of a poll before the signals are known, at the very most
        assert all(after - before <= 24 + whole // 2 for before, after in pairwise(asked))
        assert asked[1] <= 25  # what a poll may look for, and the request itself
        assert asked[-1] == asked[-2]  # all are known: nothing is asked before retry_s

    @pytest.mark.parametrize(("most", "code"), [(40, 2), (10, 3), (3, 3), (1, 2)])
    async def test_a_unit_that_takes_less_in_a_request_is_learned(
        self, most: int, code: int
    ) -> None:
        def limited(question: Any, pdu: bytes) -> list[tuple[float, bytes]]:
            return [(0, pdu if question.count <= most else bytes((0x83, code)))]

        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = limited
            async with opened(settings_at(peer, words(1, 120), **QUICK)) as driver:
                async with asyncio.timeout(PATIENCE):
                    while any(each.value is None for each in (await one_poll(driver)).values()):
                        pass
                asked = len(peer.questions)
                got = await one_poll(driver)
        assert [got[f"w{at}"].value for at in range(1, 121)] == [at * 7 for at in range(1, 121)]
        assert all(question.count <= most for question in peer.questions[asked:])
        assert len(peer.questions) - asked <= 2 * -(-120 // most)  # not the most, but near it

    async def test_a_function_that_is_not_there_is_tried_again_after_retry_s(self) -> None:
        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = refusing(1, last=1)
            settings = settings_at(peer, words(0, 50), retry_s=0.4, **QUICK)
            async with opened(settings) as driver:
                since = time.monotonic()  # noqa: TID251 -- how long it was left alone
                assert codes(await one_poll(driver)) == {1}
                async with asyncio.timeout(PATIENCE):
                    while (await one_poll(driver))["w3"].value != 21:
                        pass
                waited = time.monotonic() - since  # noqa: TID251
        assert len(peer.questions) <= 4
        assert waited >= 0.4


class TestGateways:
    @pytest.mark.parametrize("code", [10, 11])
    async def test_a_unit_that_nobody_is_behind_is_left_alone(self, code: int) -> None:
        signals = [*words(1, 2), {"name": "other", "address": 3, "unit_id": 2}]
        async with Peer({unit: Device(holding=DEVICE) for unit in (1, 2)}) as peer:
            peer.misbehave = refusing(code)
            settings = settings_at(peer, signals, retry_s=60, **QUICK)
            async with opened(settings) as driver:
                for _ in range(5):
                    got = await one_poll(driver)
                    assert got["other"].value == 21
                    assert (got["w1"].status, got["w1"].code) == (Status.BAD, code)
        assert sum(question.unit == 1 for question in peer.questions) == 2  # silent_max

    async def test_a_gateway_with_nobody_behind_it_keeps_the_connection(self) -> None:
        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = refusing(11, last=6)
            settings = settings_at(peer, words(1, 2), retry_s=0.05, **QUICK)
            async with opened(settings) as driver:
                async with asyncio.timeout(PATIENCE):
                    while (await one_poll(driver))["w2"].value != 14:
                        pass
            assert peer.connections == 1


class TestPace:
    async def test_a_unit_rests_between_requests_and_others_are_asked_meanwhile(self) -> None:
        at: list[tuple[int, float]] = []

        def note(question: Any, pdu: bytes) -> list[tuple[float, bytes]]:
            at.append((question.unit, time.monotonic()))  # noqa: TID251 -- when it was asked
            return [(0, pdu)]

        signals = [
            {"name": f"{unit}/{address}", "address": address, "unit_id": unit}
            for unit in (1, 2)
            for address in (0, 100, 200)
        ]
        async with Peer({unit: Device(holding=DEVICE) for unit in (1, 2)}) as peer:
            peer.misbehave = note
            async with opened(settings_at(peer, signals, pause_s=0.1, period_s=1)) as driver:
                got = await one_poll(driver)
        assert {reading.status for reading in got.values()} == {Status.GOOD}
        assert [unit for unit, _ in at] == [1, 2, 1, 2, 1, 2]
        for unit in (1, 2):
            times = [seen for each, seen in at if each == unit]
            assert all(after - before >= 0.1 for before, after in pairwise(times))

    async def test_one_request_is_on_the_line_at_a_time(self) -> None:
        asked: list[float] = []

        def slow(_: Any, pdu: bytes) -> list[tuple[float, bytes]]:
            asked.append(time.monotonic())  # noqa: TID251 -- when it was asked
            return [(0.05, pdu)]

        signals = [
            {"name": f"{unit}/{address}", "address": address, "unit_id": unit}
            for unit in (1, 2, 3)
            for address in (0, 100)
        ]
        async with Peer({unit: Device(holding=DEVICE) for unit in (1, 2, 3)}) as peer:
            peer.misbehave = slow
            async with opened(settings_at(peer, signals, period_s=1)) as driver:
                got = await one_poll(driver)
        assert len(got) == 6
        assert all(after - before >= 0.05 for before, after in pairwise(asked))

    async def test_sources_behind_one_serial_server_take_turns(self) -> None:
        asked: list[tuple[int, float]] = []

        def slow(question: Any, pdu: bytes) -> list[tuple[float, bytes]]:
            asked.append((question.unit, time.monotonic()))  # noqa: TID251 -- when it was asked
            return [(0.05, pdu)]

        async with Peer({unit: Device(holding=DEVICE) for unit in (1, 2)}, rtu=True) as peer:
            peer.misbehave = slow
            signals = [{"name": f"w{at}", "address": at} for at in (0, 100, 200)]
            sources = [settings_at(peer, signals, period_s=5, unit_id=unit) for unit in (1, 2)]
            async with opened(sources[0]) as one, opened(sources[1]) as other:
                polls = await asyncio.gather(one_poll(one), one_poll(other))
        assert [len(got) for got in polls] == [3, 3]
        assert [unit for unit, _ in asked] in ([1, 2, 1, 2, 1, 2], [2, 1, 2, 1, 2, 1])
        assert all(after - before >= 0.05 for (_, before), (_, after) in pairwise(asked))

    async def test_a_serial_line_is_silent_before_each_request(self) -> None:
        async with Peer({1: Device(holding=DEVICE)}, pty=True) as peer:
            signals = [{"name": f"w{at}", "address": at} for at in (0, 100, 200)]
            async with opened(settings_at(peer, signals, turnaround_s=0.1)) as driver:
                got = await one_poll(driver)
        times = sorted(reading.gateway_time for reading in got.values())
        assert all(after - before >= 100_000_000 for before, after in pairwise(times))

    async def test_a_unit_in_trouble_comes_last_and_is_tried_once(self) -> None:
        signals = [*words(1, 2), {"name": "other", "address": 3, "unit_id": 2}]
        async with Peer({2: Device(holding=DEVICE)}) as peer:
            settings = settings_at(
                peer, signals, period_s=0.02, timeout_s=0.6, retries=1, retry_s=0.9
            )
            async with opened(settings) as driver:
                async with asyncio.timeout(PATIENCE):
                    while sum(question.unit == 1 for question in peer.questions) < 6:
                        assert (await one_poll(driver))["other"].value == 21
        units = [question.unit for question in peer.questions]
        assert units[:7] == [1, 2, 1, 2, 1, 1, 2]  # a repeat each, last from the second poll on
        assert (1, 1) not in pairwise(units[6:])  # silent_max: one request a trial from now on
