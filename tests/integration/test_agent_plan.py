"""``lotproof-agent plan``: the requests that polled equipment will get, as a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plant.line import table
from tests.commissioning_bench import Bench, Said

SIGNALS = """name,table,address,type,period_s,guard
fast-1,holding,0,uint16,,
fast-2,holding,5,float32,,
slow,holding,10,uint16,5,
door,coil,3,,,
sealed,input,100,uint32,,102
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def planned(bench: Bench, *options: str, **where: str | float) -> Said:
    (bench.folder / "signals.csv").write_text(SIGNALS, encoding="utf-8")
    bench.write(table("[source]", name="plc", driver="modbus", signals_csv="signals.csv", **where))
    return await bench.run("plan", "--settings", str(bench.settings), *options)


async def test_each_poll_and_each_request_is_shown(bench: Bench) -> None:
    said = await planned(bench, host="plc")
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "plc: 5 signals",
        "every 1 s: 5 requests",
        "unit 1 coil 3 to 3 1 bit door",
        "unit 1 holding 0 to 6 7 registers 4 unused fast-1, fast-2",
        "unit 1 input 100 to 101 2 registers counter 102 before and after sealed",
        "every 5 s, together with 1 s: 5 requests",
        "unit 1 coil 3 to 3 1 bit door",
        "unit 1 holding 0 to 10 11 registers 7 unused fast-1, fast-2, slow",
        "unit 1 input 100 to 101 2 registers counter 102 before and after sealed",
        "5 requests/s, 10.8 registers and bits/s, 4.6 of them for nothing",
    ]
    columns = {line.index(name) for line, name in zip(lines[2:5], NAMES, strict=True)}
    assert len(columns) == 1


NAMES = ("door", "fast-1", "sealed")


async def test_a_line_that_cannot_carry_it_is_told_by_the_exit_code(bench: Bench) -> None:
    serial: dict[str, str | float] = {"transport": "serial", "serial_port": "/dev/ttyS0"}
    said = await planned(bench, baud_rate=9600, **serial)
    assert said.code == 0, said.err
    assert "at 9600 bit/s" in said.out
    said = await planned(bench, baud_rate=9600, period_s=0.05, **serial)
    assert said.code == 1
    assert "more than it can carry" in said.out


async def test_what_is_not_polled_is_said_to_be_so(bench: Bench) -> None:
    bench.write(table("[source]", name="trace", driver="replay", file="x.csv", signals_csv="s.csv"))
    (bench.folder / "s.csv").write_text("name\nx\n", encoding="utf-8")
    said = await bench.run("plan", "--settings", str(bench.settings))
    assert (said.code, said.out) == (0, "trace: replay is not polled\n")


async def test_programs_get_the_same_and_the_sums(bench: Bench) -> None:
    said = await planned(bench, "--json", host="plc")
    (plc,) = json.loads(said.out)
    assert [poll["periods_s"] for poll in plc["polls"]] == [[1.0], [1.0, 5.0]]
    assert [poll["per_s"] for poll in plc["polls"]] == pytest.approx([0.8, 0.2])
    assert plc["polls"][1]["requests"][1] == {
        "unit": 1,
        "table": "holding",
        "address": 0,
        "count": 11,
        "unused": 7,
        "counters": [],
        "signals": ["fast-1", "fast-2", "slow"],
    }
    assert plc["requests_per_s"] == pytest.approx(5)
    assert plc["read_per_s"] == pytest.approx(1 + 0.8 * 7 + 0.2 * 11 + 2)
    assert plc["unused_per_s"] == pytest.approx(0.8 * 4 + 0.2 * 7)
    assert plc["line_load"] is None
    assert plc["exact"]
