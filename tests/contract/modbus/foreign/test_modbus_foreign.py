"""Every value of servers that we did not write, and what each makes of what is not there."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from plant.network import Proxy
from protocols.field.driver import DriverError
from protocols.field.modbus import SPEC
from protocols.field.modbus.discover import Wanted, scan
from protocols.field.modbus.settings import ModbusSettings, Table
from protocols.wire.reading import Doubt, GapReason, Status
from tests.contract.driver_contract import PATIENCE, HostClock
from tests.contract.modbus.foreign.servers import HELD, SERVERS, SIZE, Serving
from tests.contract.modbus.reading import one_poll, opened, read_on, settings_of

pytestmark = pytest.mark.xdist_group("modbus-foreign")  # what they need is installed once
PATIENT: dict[str, Any] = {"period_s": 0.05, "timeout_s": 2.0}


@pytest.fixture(params=SERVERS)
async def serving(request: pytest.FixtureRequest) -> AsyncIterator[Serving]:
    async with SERVERS[request.param]() as serving:
        yield serving


def cells(table: str, first: int, count: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"name": f"{table}-{at}", "table": table, "address": at} | more
        for at in range(first, first + count)
    ]


async def test_every_value_arrives(serving: Serving) -> None:
    count = SIZE if "host" in serving.where else 130  # a serial line takes its time
    signals = [row for table in HELD for row in cells(table, 0, count)]
    signals += [
        {"name": "long", "address": 4, "type": "uint32"},
        {"name": "float", "address": 20, "type": "float32", "order": "CDAB"},
        {"name": "double", "table": "input", "address": 30, "type": "float64", "order": "DCBA"},
    ]
    async with opened(serving.settings(signals, **PATIENT)) as driver:
        for _ in range(2):
            got = await one_poll(driver)
            assert {reading.status for reading in got.values()} == {Status.GOOD}
            for table, value in HELD.items():
                found = [got[f"{table}-{at}"].value for at in range(count)]
                assert found == [value(at) for at in range(count)], table
            assert got["long"].value == HELD["holding"](4) << 16 | HELD["holding"](5)
            assert got["float"].value == struct.unpack(">f", registers("holding", 21, 20))[0]
            double = registers("input", 30, 31, 32, 33)
            assert got["double"].value == struct.unpack("<d", double)[0]


def registers(table: str, *addresses: int) -> bytes:
    return b"".join(int(HELD[table](at)).to_bytes(2, "big") for at in addresses)


async def test_what_is_not_there_fails_alone(serving: Serving) -> None:
    signals = [
        *cells("holding", SIZE - 5, 10),  # the last five are past the end
        *cells("input", 5000, 1),
        *cells("coil", 4, 1),
    ]
    async with opened(serving.settings(signals, **PATIENT)) as driver:
        for _ in range(2):
            got = await one_poll(driver)
            there = [f"holding-{at}" for at in range(SIZE - 5, SIZE)] + ["coil-4"]
            good = [name for name, seen in got.items() if seen.status is Status.GOOD]
            assert sorted(good) == sorted(there)
            assert {got[name].value for name in got if name not in there} == {None}
            # jsmodbus gives fewer registers than it was asked for, or none at all.
            assert got["input-5000"].code in (2, Doubt.NO_VALUE)


async def test_the_scan_finds_where_a_table_ends(serving: Serving) -> None:
    settings = serving.settings(cells("holding", 0, 1), **PATIENT)
    assert isinstance(settings, ModbusSettings)
    wanted = Wanted(
        units=(1,),
        tables=(Table.HOLDING,),
        first=SIZE - 20,
        last=SIZE + 20,
        pause_s=0,
        requests_max=200,
    )
    scanned = await scan(settings, wanted)
    (found,) = scanned.ranges
    assert (found.address, len(found.values)) == (SIZE - 20, 20)
    assert scanned.answering == (1,)


ANSWERS_ANY_UNIT = {
    "jsmodbus": True,
    "modbus-serial": False,
    "pyModbusTCP": True,
    "libmodbus": True,
    "libmodbus-rtu": False,
}


@pytest.mark.parametrize(("name", "any_unit"), ANSWERS_ANY_UNIT.items())
async def test_another_unit_is_silent_or_the_same(name: str, any_unit: bool) -> None:
    async with SERVERS[name]() as serving:
        signals = [*cells("holding", 0, 2), *cells("input", 0, 1, unit_id=9)]
        settings = serving.settings(signals, period_s=0.05, timeout_s=3, retries=0)
        async with opened(settings) as driver:
            got = await one_poll(driver)
    assert got["holding-1"].value == HELD["holding"](1)
    if any_unit:
        assert got["input-0"].value == HELD["input"](0)
    else:
        assert got["input-0"].code == Doubt.NO_ANSWER


async def test_a_server_that_dies_is_noticed(serving: Serving) -> None:
    settings = serving.settings(cells("holding", 0, 3), period_s=0.05, timeout_s=3, silent_max=1)
    async with opened(settings) as driver:
        assert (await one_poll(driver))["holding-2"].value == HELD["holding"](2)
        serving.process.kill()
        with pytest.raises(DriverError):
            async with asyncio.timeout(PATIENCE):
                await read_on(driver)


@pytest.mark.parametrize("name", [name for name in SERVERS if name != "libmodbus-rtu"])
async def test_while_a_server_was_away_is_declared(name: str) -> None:
    signals = cells("holding", 0, 3)
    async with Proxy() as proxy:
        settings = settings_of(proxy.port, signals, period_s=0.05, timeout_s=3, silent_max=1)
        driver = SPEC.connect("source", settings, HostClock())
        async with SERVERS[name]() as serving:
            proxy.target = ("127.0.0.1", serving.where["port"])
            await driver.open()
            last = (await one_poll(driver))["holding-2"].gateway_time
            serving.process.kill()
            with pytest.raises(DriverError):
                async with asyncio.timeout(PATIENCE):
                    await read_on(driver)
            await driver.close()
        async with SERVERS[name]() as serving:
            proxy.target = ("127.0.0.1", serving.where["port"])
            await driver.open()
            delivery = await driver.read()
            await driver.close()
    assert [reading.value for reading in delivery.readings] == [
        HELD["holding"](n) for n in range(3)
    ]
    (gap,) = delivery.gaps
    assert (gap.subject, gap.reason) == ("source", GapReason.SOURCE_DOWN)
    assert last <= gap.start <= gap.end <= delivery.readings[0].gateway_time
