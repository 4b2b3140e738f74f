"""``lotproof-agent check --live``: what an engineer sees before go-live, against real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from plant.equipment.cleanroom import Fault
from plant.line import table
from plant.ports import free_port
from tests.commissioning_bench import Bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    async with bench.line:
        bench.write(bench.line.describe())
        yield bench


async def test_a_line_that_is_well_is_shown_signal_by_signal(bench: Bench) -> None:
    code, out = await bench.check("--wait", "12")
    assert code == 0, out
    assert "✓ press-1 (opcua)" in out
    assert "✓ cleanroom-1/temperature" in out
    assert "✗" not in out
    code, found = await bench.found("--wait", "12")
    assert code == 0
    assert found["cleanroom-1/temperature"]["unit"] == "Cel"
    assert 15 < float(found["cleanroom-1/temperature"]["value"]) < 30
    assert found["portal-1/events"]["status"] in ("GOOD", "quiet")


async def test_what_is_wrong_is_named_with_what_to_do(bench: Bench) -> None:
    """A sensor in fault, an address that is not there, equipment that is off: each its own line."""
    bench.line.room.break_sensor("pressure", Fault.NOT_A_NUMBER)
    bench.line.room.break_sensor("humidity", Fault.REFUSED)
    off = table("[source]", name="off", driver="modbus", host="127.0.0.1", port=free_port())
    signal = '[[source.signals]]\nname = "off/x"\naddress = 0\n'
    bench.write("\n".join((bench.line.describe(), off, signal)))
    signals = bench.folder / "press-1.csv"
    listed = signals.read_text(encoding="utf-8")
    signals.write_text(listed.replace("Press.", "Elsewhere.", 1), encoding="utf-8")
    code, found = await bench.found("--wait", "12")
    assert code == 1
    assert found["cleanroom-1/temperature"]["well"]
    assert "not a number" in found["cleanroom-1/pressure"]["advice"]
    assert "server device failure (4)" in found["cleanroom-1/humidity"]["advice"]
    assert not found["press-1"]["well"]
    assert any("BadNodeIdUnknown" in each.get("advice", "") for each in found.values())
    assert found["off"]["error"]
    assert found["off"]["advice"]


async def test_settings_that_cannot_work_end_with_2(bench: Bench) -> None:
    bench.write(bench.line.describe().replace('"opcua"', '"opcuaa"'))
    assert (await bench.check())[0] == 2
