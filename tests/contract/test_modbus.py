"""The Modbus driver against a real server, and against a peer that misbehaves."""

from __future__ import annotations

import asyncio
import math
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from plant.ca import PlantCA
from plant.clock import utc_now
from plant.equipment.registers import RefusalError, RegisterServer, Table
from plant.network import Proxy
from protocols.field.driver import Driver, DriverError, DriverSettings, SettingsError
from protocols.field.modbus import SPEC
from protocols.wire.reading import Doubt, Gap, GapReason, Reading, Status
from tests.contract.driver_contract import (
    HostClock,
    Keeps,
    Lie,
    ReadsContract,
    RecoversContract,
    Rig,
    Truth,
)
from tests.contract.modbus_peer import RAW, Device, Peer, Question

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
    silence_max = 3.0
    absent = ("not-there",)

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.bank = Bank()
        self.counted = 0
        self.server = RegisterServer({1: self.bank.read})

    def settings(self) -> DriverSettings:
        return settings_of(self.proxy.port, SIGNALS, period_s=0.02, timeout_s=0.4)

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


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with Proxy() as proxy:
        rig = ModbusRig(proxy)
        await rig.start()
        try:
            yield rig
        finally:
            await rig.stop()


class TestReads(ReadsContract):
    pass


class TestRecovers(RecoversContract):
    pass


def settings_of(port: int, signals: Sequence[dict[str, Any]], **more: Any) -> DriverSettings:
    return SPEC.settings.model_validate(
        {"host": "127.0.0.1", "port": port, "signals": signals} | more
    )


@asynccontextmanager
async def opened(settings: DriverSettings) -> AsyncIterator[Driver]:
    driver = SPEC.connect("source", settings, HostClock())
    try:
        await driver.open()
        yield driver
    finally:
        await driver.close()


async def one_poll(driver: Driver) -> dict[str, Reading]:
    async with asyncio.timeout(10):
        return {reading.signal: reading for reading in (await driver.read()).readings}


async def read_on(driver: Driver) -> None:
    while True:
        await driver.read()


def words(first: int, count: int) -> list[dict[str, Any]]:
    return [{"name": f"w{address}", "address": address} for address in range(first, first + count)]


QUICK: dict[str, Any] = {"period_s": 0.02, "timeout_s": 0.3}
DEVICE = {address: address * 7 for address in range(300)}


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
                    async with asyncio.timeout(5):
                        await read_on(driver)

    async def test_noise_on_a_serial_line_costs_a_repeat(self) -> None:
        def noisy(question: Question, pdu: bytes) -> list[tuple[float, bytes]]:
            frame = bytearray(peer.frame(question, pdu))
            frame[4] ^= 0x10 if question.number == 0 else 0
            return [(0, RAW + bytes(frame))]

        async with Peer({1: Device(holding=DEVICE)}, rtu=True) as peer:
            peer.misbehave = noisy
            settings = settings_of(peer.port, words(0, 2), transport="rtu-over-tcp", **QUICK)
            async with opened(settings) as driver:
                assert (await one_poll(driver))["w1"].value == 7
            assert len(peer.questions) == 2

    async def test_a_serial_port_that_is_not_there_is_a_driver_error(self) -> None:
        settings = SPEC.settings.model_validate(
            {"transport": "serial", "serial_port": "/dev/not-there", "signals": words(0, 1)}
        )
        with pytest.raises(DriverError) as caught:
            await SPEC.connect("source", settings, HostClock()).open()
        assert "/dev/not-there" in str(caught.value)
        assert caught.value.hint

    async def test_tls_with_a_certificate_on_both_sides(self, tmp_path: Path) -> None:
        ca = PlantCA(tmp_path, now=utc_now())
        equipment, gateway = ca.issue("equipment"), ca.issue_gateway("gw-1")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca.root))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(equipment.certificate, equipment.key)
        tls = {"transport": "tls", "tls_ca_file": ca.root} | QUICK
        mine = {"tls_certificate_file": gateway.certificate, "tls_key_file": gateway.key}
        async with Peer({1: Device(holding=DEVICE)}, tls=context) as peer:
            peer.pieces = 3  # records that hold no whole frame
            async with opened(settings_of(peer.port, words(2, 3), **tls, **mine)) as driver:
                assert (await one_poll(driver))["w4"].value == 28
            with pytest.raises(DriverError):
                async with opened(settings_of(peer.port, words(2, 3), **tls)) as driver:
                    await one_poll(driver)

    async def test_equipment_of_another_authority_is_not_read(self, tmp_path: Path) -> None:
        theirs = PlantCA(tmp_path / "theirs", now=utc_now()).issue("equipment")
        ours = PlantCA(tmp_path / "ours", now=utc_now())
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(theirs.certificate, theirs.key)
        async with Peer({1: Device(holding=DEVICE)}, tls=context) as peer:
            settings = settings_of(
                peer.port, words(2, 3), transport="tls", tls_ca_file=ours.root, **QUICK
            )
            with pytest.raises(DriverError):
                async with opened(settings):
                    pass
            assert peer.questions == []

    async def test_tls_files_that_are_not_there_are_a_settings_error(self, tmp_path: Path) -> None:
        settings = settings_of(1, words(0, 1), transport="tls", tls_ca_file=tmp_path / "none.pem")
        with pytest.raises(SettingsError):
            await SPEC.connect("source", settings, HostClock()).open()


class TestMisbehaviour:
    async def test_an_answer_in_single_octets_is_whole(self) -> None:
        for rtu in (False, True):
            async with Peer({1: Device(holding=DEVICE)}, rtu=rtu) as peer:
                peer.pieces = 1
                transport = "rtu-over-tcp" if rtu else "tcp"
                settings = settings_of(peer.port, words(0, 5), transport=transport)
                async with opened(settings) as driver:
                    assert (await one_poll(driver))["w4"].value == 28

    async def test_a_short_answer_is_no_value_of_the_one_signal(self) -> None:
        def short(question: Question, pdu: bytes) -> list[tuple[float, bytes]]:
            if not question.address <= 3 < question.address + question.count:
                return [(0, pdu)]
            return [(0, bytes((3, pdu[1] - 2)) + pdu[2:-2])]  # one register fewer, well formed

        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = short
            async with opened(settings_of(peer.port, words(0, 6), **QUICK)) as driver:
                got = await one_poll(driver)
        assert got["w3"].status is Status.BAD
        assert got["w3"].code == Doubt.NO_VALUE
        assert got["w3"].raw
        assert [got[f"w{n}"].value for n in (0, 1, 2, 4, 5)] == [0, 7, 14, 28, 35]

    async def test_another_units_answer_is_none(self) -> None:
        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = lambda question, pdu: [
                (0, RAW + peer.frame(question, pdu, unit=9)),
            ]
            settings = settings_of(peer.port, words(0, 1), silent_max=5, **QUICK)
            async with opened(settings) as driver:
                got = await one_poll(driver)
        assert got["w0"].code == Doubt.NO_ANSWER
        assert got["w0"].value is None

    async def test_another_functions_answer_is_none(self) -> None:
        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = lambda _, pdu: [(0, b"\x04" + pdu[1:])]
            async with opened(settings_of(peer.port, words(0, 1), **QUICK)) as driver:
                assert (await one_poll(driver))["w0"].status is Status.BAD

    @pytest.mark.parametrize("rtu", [False, True])
    async def test_a_late_answer_is_not_taken_for_the_next(self, rtu: bool) -> None:
        device = Device(holding={0: 1, 200: 2})

        def late(question: Question, pdu: bytes) -> list[tuple[float, bytes]]:
            # The first comes while the second is awaited, and before the second's own answer.
            return [({0: 0.9, 1: 0.45}.get(question.number, 0), pdu)]

        async with Peer({1: device}, rtu=rtu) as peer:
            peer.misbehave = late
            signals = [{"name": "first", "address": 0}, {"name": "second", "address": 200}]
            settings = settings_of(
                peer.port,
                signals,
                transport="rtu-over-tcp" if rtu else "tcp",
                retries=0,
                silent_max=9,
                period_s=0.02,
                timeout_s=0.6,
            )
            async with opened(settings) as driver:
                got = await one_poll(driver)
                again = await one_poll(driver)
        assert got["first"].code == Doubt.NO_ANSWER
        assert got["second"].value == 2
        assert (again["first"].value, again["second"].value) == (1, 2)

    async def test_a_late_answer_together_with_the_awaited_one(self) -> None:
        late: list[bytes] = []

        def together(question: Question, pdu: bytes) -> list[tuple[float, bytes]]:
            if question.number == 0:
                late.append(peer.frame(question, pdu))
                return []
            if question.number == 1:
                return [(0, RAW + late[0] + peer.frame(question, pdu))]
            return [(0, pdu)]

        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = together
            async with opened(settings_of(peer.port, words(0, 125), **QUICK)) as driver:
                assert (await one_poll(driver))["w124"].value == 868
            assert len(peer.questions) == 2

    @pytest.mark.parametrize("code", [5, 6])
    async def test_busy_equipment_is_asked_again(self, code: int) -> None:
        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = lambda question, pdu: [
                (0, bytes((0x83, code)) if question.number < 2 else pdu)
            ]
            settings = settings_of(peer.port, words(1, 2), busy_wait_s=0.01, **QUICK)
            async with opened(settings) as driver:
                assert (await one_poll(driver))["w2"].value == 14
            assert len(peer.questions) == 3

    async def test_equipment_that_stays_busy_says_so(self) -> None:
        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = lambda *_: [(0, b"\x83\x06")]
            settings = settings_of(peer.port, words(1, 2), busy_wait_s=0.01, **QUICK)
            async with opened(settings) as driver:
                got = await one_poll(driver)
        assert {reading.code for reading in got.values()} == {6}
        assert {reading.status for reading in got.values()} == {Status.BAD}

    async def test_a_function_that_is_not_there_is_asked_once_a_poll(self) -> None:
        async with Peer({1: Device(holding=DEVICE)}) as peer:
            peer.misbehave = lambda *_: [(0, b"\x83\x01")]
            async with opened(settings_of(peer.port, words(0, 50), **QUICK)) as driver:
                got = await one_poll(driver)
            assert len(peer.questions) == 1
        assert {reading.code for reading in got.values()} == {1}


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
                async with asyncio.timeout(5):
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
        assert [gap.reason for gap in gaps] == [GapReason.OVERRUN]
        assert gaps[0].subject == "source"
        assert gaps[0].count in (2, 4)  # one poll of two signals, or two on a loaded computer

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
        assert 2 <= len(slow) <= 5

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
