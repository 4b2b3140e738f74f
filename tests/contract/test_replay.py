"""The replay driver: a recorded file comes out whole, at its pace, with its dirt."""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest

from plant.equipment.recorded import Recorded
from protocols.field.driver import DriverError, SettingsError
from protocols.field.replay import SPEC
from protocols.wire.reading import SECOND, Doubt, Gap, GapReason, Kind, Reading, Status
from tests.contract.driver_contract import HostClock
from tests.data import third_party

WIDE = """time,speed,count,running,lot
2019-03-20T14:56:17Z,0.5,1,true,L1
2019-03-20T14:56:27Z,,2,0,
2019-03-20T14:56:37+00:00,nan,99999999999999999999,maybe,L2
"""
WIDE_SIGNALS: list[dict[str, Any]] = [
    {"name": "press/speed", "column": "speed"},
    {"name": "count", "kind": Kind.UINT},
    {"name": "running", "kind": Kind.BOOL},
    {"name": "lot", "kind": Kind.TEXT},
]
T0 = 1_553_093_777 * SECOND


def connect(path: Path, signals: Sequence[dict[str, Any]], **more: Any) -> Any:
    settings = SPEC.settings.model_validate({"file": path, "signals": signals} | more)
    return SPEC.connect("recorded", settings, HostClock())


async def play(
    path: Path, signals: Sequence[dict[str, Any]], *, count: int, **more: Any
) -> tuple[list[Reading], list[Gap]]:
    """Read until so many readings have come."""
    driver = connect(path, signals, **more)
    readings: list[Reading] = []
    gaps: list[Gap] = []
    await driver.open()
    try:
        async with asyncio.timeout(20):
            while len(readings) < count:
                delivery = await driver.read()
                readings += delivery.readings
                gaps += delivery.gaps
    finally:
        await driver.close()
    assert len(readings) == count
    return readings, gaps


async def read_all(driver: Any) -> None:
    while True:
        await driver.read()


def written(tmp_path: Path, text: str, name: str = "recorded.csv") -> Path:
    path = tmp_path / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", ["recorded.csv", "recorded.csv.gz"])
async def test_a_wide_file_comes_out_with_its_times_and_its_dirt(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, WIDE, name)
    readings, gaps = await play(path, WIDE_SIGNALS, count=12, speed=0, times="original")
    assert [reading.source_time for reading in readings[::4]] == [
        T0,
        T0 + 10 * SECOND,
        T0 + 20 * SECOND,
    ]
    assert [reading.value for reading in readings[:4]] == [0.5, 1, True, "L1"]
    assert [reading.value for reading in readings[4:8]] == [None, 2, False, None]
    assert [reading.code for reading in readings[4:8]] == [Doubt.NO_VALUE, 0, 0, Doubt.NO_VALUE]
    assert [reading.code for reading in readings[8:]] == [
        Doubt.NOT_FINITE,
        Doubt.OUT_OF_RANGE,
        Doubt.WRONG_TYPE,
        0,
    ]
    assert readings[10].raw == b"'maybe'"
    assert {reading.signal for reading in readings} == {"press/speed", "count", "running", "lot"}
    assert gaps == []


async def test_a_long_file_keeps_status_and_code(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "at;signal;value;status;code\n"
        "1553093777.5;a;1;GOOD;0\n"
        "1553093778;b;2;;\n"
        "1553093779;a;3;uncertain;1083113472\n"
        "1553093780;a;;BAD;-2146500608\n"
        "1553093781;a;5;splendid;\n"
        "1553093782;other;6;;\n",
    )
    more = {"form": "long", "time_column": "at", "time_unit": "s", "times": "original"}
    readings, _ = await play(path, [{"name": "a"}, {"name": "b"}], count=5, speed=0, **more)
    assert [(r.signal, r.value, r.status, r.code) for r in readings] == [
        ("a", 1.0, Status.GOOD, 0),
        ("b", 2.0, Status.GOOD, 0),
        ("a", 3.0, Status.UNCERTAIN, 1083113472),
        ("a", None, Status.BAD, -2146500608),
        ("a", 5.0, Status.BAD, Doubt.WRONG_TYPE),
    ]
    assert readings[0].source_time == T0 + SECOND // 2


async def test_json_lines(tmp_path: Path) -> None:
    lines = [
        {"time": "2019-03-20T14:56:17Z", "a": 1, "b": "00ff"},
        {"time": "2019-03-20T14:56:18Z", "a": "1", "b": None},
        {"time": "2019-03-20T14:56:19Z", "a": True},
    ]
    path = written(tmp_path, "\n".join(map(json.dumps, lines)), "recorded.jsonl")
    signals: list[dict[str, Any]] = [{"name": "a"}, {"name": "b", "kind": Kind.BYTES}]
    readings, _ = await play(path, signals, count=6, speed=0)
    assert [reading.value for reading in readings] == [1.0, b"\x00\xff", None, None, None, None]
    assert [reading.code for reading in readings[2:]] == [
        Doubt.WRONG_TYPE,
        Doubt.NO_VALUE,
        Doubt.WRONG_TYPE,
        Doubt.NO_VALUE,
    ]


async def test_lines_that_cannot_be_read_are_a_gap(tmp_path: Path) -> None:
    text = "time,a,b\nyesterday,1,2\n2019-03-20T14:56:17Z,3,4\n"
    signals = [{"name": "a"}, {"name": "b"}]
    readings, gaps = await play(written(tmp_path, text), signals, count=2, speed=0)
    assert [reading.value for reading in readings] == [3.0, 4.0]
    assert [(gap.subject, gap.reason, gap.count) for gap in gaps] == [
        ("recorded", GapReason.REFUSED, 2)
    ]
    broken = written(tmp_path, '{"time": 1}\n{oops\n[1]\n{"time": 2, "a": 1, "b": 1}', "b.jsonl")
    readings, gaps = await play(broken, signals, count=4, speed=0, time_unit="s")
    assert gaps[0].count == 4  # two lines of two signals


@pytest.mark.parametrize("cell", ["1e999999", "-", "NaN", "inf", "9" * 60])
async def test_a_monstrous_number_is_only_bad(tmp_path: Path, cell: str) -> None:
    text = f"time,a\n{cell},1\n5,{cell}\n"
    signals = [{"name": "a", "kind": Kind.INT}]
    readings, gaps = await play(written(tmp_path, text), signals, count=1, speed=0, time_unit="s")
    assert readings[0].status is Status.BAD
    assert gaps[0].count == 1


async def test_the_pace_is_the_files(tmp_path: Path) -> None:
    text = "time,a\n0,1\n10,2\n20,3\n"
    signals = [{"name": "a"}]
    readings, _ = await play(written(tmp_path, text), signals, count=3, speed=100, time_unit="s")
    steps = [b.gateway_time - a.gateway_time for a, b in pairwise(readings)]
    assert all(step > 0.08 * SECOND for step in steps)
    shifted = [reading.source_time or 0 for reading in readings]
    assert [b - a for a, b in pairwise(shifted)] == [SECOND // 10] * 2
    assert abs(shifted[0] - readings[0].gateway_time) < SECOND
    assert {reading.status for reading in readings} == {Status.GOOD}


async def test_a_file_without_time_has_a_row_period(tmp_path: Path) -> None:
    text = "batch_id,Tag01\n1,4371\n1,4054\n"
    signals = [{"name": "Tag01"}]
    more = {"row_period_s": 0.05, "times": "original"}
    readings, _ = await play(written(tmp_path, text), signals, count=2, **more)
    assert readings[1].gateway_time - readings[0].gateway_time > 0.04 * SECOND
    assert {reading.source_time for reading in readings} == {None}


async def test_the_end_waits_for_ever_or_begins_again(tmp_path: Path) -> None:
    path = written(tmp_path, "time,a\n0,1\n1,2\n")
    driver = connect(path, [{"name": "a"}], speed=0, time_unit="s")
    await driver.open()
    assert len((await driver.read()).readings) == 2
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(driver.read(), 0.1)
    await driver.close()
    readings, _ = await play(
        path, [{"name": "a"}], count=6, speed=0, time_unit="s", at_end="loop", rows_max=3
    )
    assert [reading.value for reading in readings] == [1, 2, 1, 2, 1, 2]


async def test_an_empty_file_does_not_spin(tmp_path: Path) -> None:
    driver = connect(written(tmp_path, "time,a\n"), [{"name": "a"}], speed=0, at_end="loop")
    await driver.open()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(driver.read(), 0.1)
    await driver.close()


async def test_opened_again_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = written(tmp_path, "time,a\n0,1\n1,2\n2,3\n")
    driver = connect(path, [{"name": "a"}], speed=0, time_unit="s", rows_max=2)
    got = []
    for _ in range(2):
        await driver.open()
        got += [reading.value for reading in (await driver.read()).readings]
        await driver.close()
    assert got == [1, 2, 3]


async def test_what_cannot_work_says_so(tmp_path: Path) -> None:
    with pytest.raises(DriverError) as missing:
        await connect(tmp_path / "none.csv", [{"name": "a"}]).open()
    assert missing.value.hint
    with pytest.raises(SettingsError) as column:
        await connect(written(tmp_path, "time,b\n"), [{"name": "a"}]).open()
    assert "no column a" in str(column.value)
    assert "b" in column.value.hint
    torn = tmp_path / "torn.csv.gz"
    torn.write_bytes(gzip.compress(b"time,a\n" + b"".join(b"%d,1\n" % n for n in range(9999)))[:99])
    driver = connect(torn, [{"name": "a"}], speed=0, time_unit="s")
    await driver.open()
    with pytest.raises(DriverError):
        await read_all(driver)
    await driver.close()


async def test_a_real_record_comes_out_whole() -> None:
    path = third_party("process/ts_6.csv.gz")
    recorded = Recorded(path)
    rows = list(islice(recorded, 2000))
    signals = [{"name": name} for name in recorded.columns]
    readings, _ = await play(
        path,
        signals,
        count=len(rows) * len(signals),
        speed=0,
        times="original",
        time_column="timestamp",
        rows_max=500,
    )
    at = iter(readings)
    for row in rows:
        for value in row.values.values():
            reading = next(at)
            assert reading.value == value
            assert reading.source_time == row.time


def test_a_float32_is_stored_as_its_kind(tmp_path: Path) -> None:
    path = written(tmp_path, "time,a\n0,0.1\n")
    signals = [{"name": "a", "kind": Kind.FLOAT32}]
    readings, _ = asyncio.run(play(path, signals, count=1, speed=0, time_unit="s"))
    assert readings[0].value == struct.unpack("f", struct.pack("f", 0.1))[0]
