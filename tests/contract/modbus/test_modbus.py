"""The Modbus driver against a real server, and against a peer that misbehaves."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from plant.equipment.registers import RefusalError, RegisterServer, Table
from plant.network import Proxy
from protocols.field.driver import DriverError, DriverSettings
from protocols.field.modbus import SPEC
from protocols.wire.reading import Doubt, Gap, GapReason
from tests.contract.driver_contract import (
    PATIENCE,
    HostClock,
    Keeps,
    Lie,
    ReadsContract,
    RecoversContract,
    Rig,
    Truth,
    behind_proxy,
)
from tests.contract.modbus.modbus_peer import Device, Peer
from tests.contract.modbus.reading import (
    DEVICE,
    QUICK,
    one_poll,
    opened,
    read_on,
    settings_of,
    words,
)

SIGNALS: list[dict[str, Any]] = [
    {"name": "count", "address": 0, "type": "uint32"},
    {"name": "whole", "address": 2, "type": "int16"},
    {"name": "scaled", "address": 3, "type": "int16", "scale": 0.01, "offset": -5},
    {"name": "single", "address": 4, "type": "float32", "order": "CDAB"},
    {"name": "double", "address": 6, "type": "float64", "order": "DCBA"},
    {"name": "digits", "address": 10, "type": "bcd16"},
    {"name": "text", "address": 11, "type": "ascii", "length": 5},
    {"name": "flag", "address": 14, "type": "bit", "bit": 15},
    {"name": "coil", "table": "coil", "address": 9},
    {"name": "not-there", "address": 40, "type": "uint16"},
    {"name": "after", "address": 50, "type": "uint16"},
]


class Bank:
    """Registers of a small device; address 40 is not there."""

    def __init__(self) -> None:
        self.registers = [0] * 60
        self.registers[50] = 5050
        self.coils = [0] * 16

    def read(self, table: Table, address: int, count: int) -> Sequence[int]:
        cells = self.coils if table == "coil" else self.registers
        if address + count > len(cells) or (table == "holding" and address <= 40 < address + count):
            raise RefusalError(2)
        return cells[address : address + count]

    def put(self, address: int, octets: bytes) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            words = struct.unpack(f">{len(octets) // 2}H", octets)
            self.registers[address : address + len(words)] = words

        return act

    def set_coil(self, address: int) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            self.coils[address] = 1

        return act


class ModbusRig(Rig):
    spec = SPEC
    counter = "count"
    keeps = Keeps.LATEST
    source_time = False
    silence_max = 30.0
    absent = ("not-there",)

    def __init__(self, proxy: Proxy, transport: str) -> None:
        self.proxy = proxy
        self.transport = transport
        self.bank = Bank()
        self.counted = 0
        self.server = RegisterServer({1: self.bank.read}, rtu=transport != "tcp")

    def settings(self) -> DriverSettings:
        own = {"transport": self.transport, "period_s": 0.02, "timeout_s": 0.4}
        return settings_of(self.proxy.port, SIGNALS, **own)

    async def start(self) -> None:
        await self.server.start()
        self.proxy.target = (self.server.host, self.server.port)

    async def stop(self) -> None:
        await self.server.stop()

    async def produce(self) -> None:
        self.counted += 1
        await self.bank.put(0, self.counted.to_bytes(4, "big"))()

    def truths(self) -> Sequence[Truth]:
        put = self.bank.put
        return (
            Truth(signal="whole", put=put(2, struct.pack(">h", -32768)), value=-32768),
            Truth(signal="scaled", put=put(3, struct.pack(">h", 535)), value=0.35),
            Truth(signal="single", put=put(4, b"\x00\x00\xc1\x20"), value=-10.0),
            Truth(signal="double", put=put(6, struct.pack("<d", math.pi)), value=math.pi),
            Truth(signal="digits", put=put(10, b"\x98\x76"), value=9876),
            Truth(signal="text", put=put(11, b"LOT7 \0"), value="LOT7"),
            Truth(signal="flag", put=put(14, b"\x80\x00"), value=True),
            Truth(signal="coil", put=self.bank.set_coil(9), value=True),
            Truth(signal="after", put=put(50, b"\xff\xff"), value=65535),
        )

    def lies(self) -> Sequence[Lie]:
        put = self.bank.put
        return (
            Lie(label="NaN", signal="single", put=put(4, b"\x00\x01\x7f\x80")),
            Lie(label="infinity", signal="double", put=put(6, struct.pack("<d", -math.inf))),
            Lie(label="a digit above 9", signal="digits", put=put(10, b"\x0a\x00")),
            Lie(label="no ASCII", signal="text", put=put(11, b"\xff\xfe\xfd\0\0\0")),
        )


@pytest.fixture(params=["tcp", "rtu-over-tcp"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    async with behind_proxy(lambda proxy: ModbusRig(proxy, request.param)) as rig:
        yield rig


class TestReads(ReadsContract):
    pass


class TestRecovers(RecoversContract):
    pass


class TestTransports:
    async def test_rtu_over_tcp(self) -> None:
        async with Peer({1: Device(holding=DEVICE)}, rtu=True) as peer:
            settings = settings_of(peer.port, words(10, 130), transport="rtu-over-tcp", **QUICK)
            async with opened(settings) as driver:
                got = await one_poll(driver)
        assert {name: reading.value for name, reading in got.items()} == {
            f"w{address}": address * 7 for address in range(10, 140)
        }

    async def test_rtu_on_a_serial_port(self) -> None:
        async with Peer({7: Device(input=DEVICE)}, pty=True) as peer:
            settings = SPEC.settings.model_validate(
                {
                    "transport": "serial",
                    "serial_port": peer.serial_port,
                    "parity": "N",  # a pseudo terminal has none
                    "unit_id": 7,
                    "signals": [{"name": "a", "table": "input", "address": 3}],
                }
                | QUICK
            )
            async with opened(settings) as driver:
                assert (await one_poll(driver))["a"].value == 21

    async def test_a_serial_port_that_is_unplugged_is_a_driver_error(self) -> None:
        async with Peer({1: Device(holding=DEVICE)}, pty=True) as peer:
            settings = SPEC.settings.model_validate(
                {
                    "transport": "serial",
                    "serial_port": peer.serial_port,
                    "parity": "N",
                    "signals": words(0, 2),
                }
                | QUICK
            )
            async with opened(settings) as driver:
                assert (await one_poll(driver))["w1"].value == 7
                peer.unplug()
                with pytest.raises(DriverError):
                    async with asyncio.timeout(PATIENCE):
                        await read_on(driver)

    async def test_a_serial_port_that_is_not_there_is_a_driver_error(self) -> None:
        settings = SPEC.settings.model_validate(
            {"transport": "serial", "serial_port": "/dev/not-there", "signals": words(0, 1)}
        )
        with pytest.raises(DriverError) as caught:
            await SPEC.connect("source", settings, HostClock()).open()
        assert "/dev/not-there" in str(caught.value)
        assert caught.value.hint


class TestRefusals:
    async def test_the_guilty_signal_is_named_and_the_plan_stays_small(self) -> None:
        holding = {address: 1 for address in range(100) if address != 37}
        async with (
            Peer({1: Device(holding=holding)}) as peer,
            opened(settings_of(peer.port, words(0, 100), **QUICK)) as driver,
        ):
            first = await one_poll(driver)
            asked = len(peer.questions)
            second = await one_poll(driver)
        assert [name for name, reading in first.items() if reading.value is None] == ["w37"]
        assert [name for name, reading in second.items() if reading.value is None] == ["w37"]
        assert second["w37"].code == 2
        assert asked <= 2 * 7 + 1  # halves of halves
        assert len(peer.questions) - asked == 2  # before and after the hole

    async def test_unused_registers_that_are_refused_are_not_read_along(self) -> None:
        holding = {0: 1, 1: 1, 8: 1, 9: 1}
        signals = [{"name": f"w{address}", "address": address} for address in holding]
        async with (
            Peer({1: Device(holding=holding)}) as peer,
            opened(settings_of(peer.port, signals, **QUICK)) as driver,
        ):
            assert all(r.value == 1 for r in (await one_poll(driver)).values())
            asked = len(peer.questions)
            assert all(r.value == 1 for r in (await one_poll(driver)).values())
        assert len(peer.questions) - asked == 2

    async def test_a_signal_that_comes_back_is_read_again(self) -> None:
        device = Device(holding={0: 1, 2: 3})
        async with Peer({1: device}) as peer:
            settings = settings_of(peer.port, words(0, 3), retry_s=0.05, **QUICK)
            async with opened(settings) as driver:
                assert (await one_poll(driver))["w1"].code == 2
                device.holding[1] = 2
                async with asyncio.timeout(PATIENCE):
                    while (await one_poll(driver))["w1"].value != 2:
                        pass
                before = len(peer.questions)
                await one_poll(driver)
                assert len(peer.questions) - before == 1  # one request again


class TestTime:
    async def test_a_dead_unit_does_not_stop_the_others(self) -> None:
        signals = [*words(0, 2), {"name": "dead", "address": 0, "unit_id": 5}]
        async with Peer({1: Device(holding=DEVICE)}) as peer:
            settings = settings_of(peer.port, signals, retries=0, retry_s=60, **QUICK)
            async with opened(settings) as driver:
                for _ in range(5):
                    got = await one_poll(driver)
                    assert got["w1"].value == 7
                    assert got["dead"].code == Doubt.NO_ANSWER
            assert sum(question.unit == 5 for question in peer.questions) == 2  # silent_max

    async def test_missed_polls_are_declared(self) -> None:
        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = lambda question, pdu: [(0.25 if question.number == 1 else 0, pdu)]
            settings = settings_of(peer.port, words(0, 2), period_s=0.1, timeout_s=1)
            gaps: list[Gap] = []
            async with opened(settings) as driver:
                for _ in range(3):
                    gaps += (await driver.read()).gaps
        assert {gap.reason for gap in gaps} == {GapReason.OVERRUN}
        assert {gap.subject for gap in gaps} == {"source"}
        missed = [gap.count or 0 for gap in gaps]
        assert all(missed)
        assert not any(count % 2 for count in missed)  # whole polls of two signals

    async def test_rates_share_requests_and_keep_their_pace(self) -> None:
        signals = [
            {"name": "fast", "address": 0, "period_s": 0.05},
            {"name": "slow", "address": 1, "period_s": 0.2},
        ]
        async with (
            Peer({1: Device(holding=DEVICE)}) as peer,
            opened(settings_of(peer.port, signals)) as driver,
        ):
            polls = [await one_poll(driver) for _ in range(9)]
        slow = [number for number, got in enumerate(polls) if "slow" in got]
        assert all("fast" in got for got in polls)
        assert slow[0] == 0
        assert len(peer.questions) == 9  # never one request for each rate
        assert 2 <= len(slow) < 9, "it is not read with each poll, however late they are"

    async def test_what_came_before_the_line_broke_is_delivered(self) -> None:
        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = lambda question, pdu: [(0, pdu)] if question.address == 0 else []
            signals = [{"name": "first", "address": 0}, {"name": "second", "address": 200}]
            settings = settings_of(
                peer.port, signals, retries=0, silent_max=1, period_s=0.05, timeout_s=0.2
            )
            async with opened(settings) as driver:
                got = await one_poll(driver)
                assert got["first"].value == 0
                with pytest.raises(DriverError):
                    await driver.read()

    async def test_a_cancellation_in_the_instant_of_an_answer_is_heeded(self) -> None:
        async with Peer({1: Device(holding=DEVICE)}) as peer:
            driver = SPEC.connect(
                "source", settings_of(peer.port, words(0, 2), **QUICK), HostClock()
            )
            await driver.open()
            reading = asyncio.create_task(read_on(driver))

            def cancel_then_take(sending: bool, pdu: Any) -> Any:
                if not sending:
                    reading.cancel()
                return pdu

            driver._line._client.ctx.trace_pdu = cancel_then_take  # type: ignore[attr-defined]
            await asyncio.wait({reading}, timeout=PATIENCE)
            assert reading.cancelled()
            await driver.close()
