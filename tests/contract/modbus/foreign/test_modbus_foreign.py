"""Every value of servers that we did not write, and what each makes of what is not there."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from protocols.field.modbus.discover import Wanted, scan
from protocols.field.modbus.settings import ModbusSettings, Table
from protocols.wire.reading import Doubt, Status
from tests.contract.modbus.foreign.servers import HELD, SERVERS, SIZE, Serving
from tests.contract.modbus.reading import one_poll, opened

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
