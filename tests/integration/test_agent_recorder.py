"""``lotproof-agent record`` and ``replay``: what a source sent comes again, to the last octet."""

from __future__ import annotations

import asyncio
import gzip
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plant.equipment.portal import Portal
from plant.line import table
from protocols.field.replay import SPEC
from protocols.field.replay.trace import encode_gap, encode_reading, read_traced
from protocols.wire.reading import (
    SECOND,
    Doubt,
    Gap,
    GapReason,
    Kind,
    Reading,
    SignalName,
    Status,
    TagRead,
)
from tests.commissioning_bench import Bench
from tests.contract.driver_contract import HostClock

EPC = bytes.fromhex("3034257bf7194e4000001a85")


def rows_of(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


async def test_a_reader_is_recorded_and_played_as_equipment(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    path = tmp_path / "portal.jsonl.gz"
    async with Portal() as portal:
        portal.arrive(EPC, 1)
        bench.write(
            table("[source]", name="portal", driver="llrp", host="127.0.0.1", port=portal.port)
            + table("[source.signals]", name="portal/in", antenna=1)
            + table("[source.signals]", name="portal/events", reads="events")
        )
        said = await bench.run(
            *("record", "portal", "--to", str(path), "--readings", "8", "-s", str(bench.settings))
        )
        assert said.code == 0, said.err
        again = await bench.run("record", "portal", "--to", str(path), "-s", str(bench.settings))
        assert again.code == 2, "a trace is never written over"
    header, *rows = rows_of(path)
    assert (header["trace"], header["source"], header["driver"]) == (1, "portal", "llrp")
    tag_reads = [row for row in rows if row.get("signal") == "portal/in"]
    assert len(tag_reads) >= 7
    printed = await bench.run("replay", str(path))
    assert printed.code == 0, printed.err
    (source,) = tomllib.loads(printed.out)["source"]
    kinds = {each["name"]: each["kind"] for each in source["signals"]}
    assert kinds == {"portal/in": "tag_read", "portal/events": "text"}
    bench.write(printed.out)
    assert (await bench.run("check", "-s", str(bench.settings))).code == 0
    wanted = {key: value for key, value in source.items() if key not in ("name", "driver")}
    settings = SPEC.settings.model_validate({**wanted, "speed": 0, "times": "original"})
    driver = SPEC.connect("portal", settings, HostClock())
    await driver.open()
    try:
        delivery = await asyncio.wait_for(driver.read(), 10)
    finally:
        await driver.close()
    played = [each for each in delivery.readings if each.signal == "portal/in"]
    assert [
        (each.value.epc.hex(), each.value.rssi, each.source_time)
        for each in played
        if isinstance(each.value, TagRead)
    ] == [(row["value"]["epc"], row["value"]["rssi"], row["time"]) for row in tag_reads]


async def test_a_source_that_cannot_be_read_is_recorded_as_such(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.write(
        table("[source]", name="portal", driver="llrp", host="127.0.0.1", port=1)
        + table("[source.signals]", name="portal/in", antenna=1)
    )
    path = tmp_path / "portal.jsonl.gz"
    said = await bench.run(
        *("record", "portal", "--to", str(path), "--seconds", "0.5", "-s", str(bench.settings))
    )
    assert said.code == 1
    _, *rows = rows_of(path)
    assert "cannot connect" in rows[0]["error"]
    for arguments, wrong in (
        (("record", "press", "--to", str(tmp_path / "a.jsonl")), "no source is named 'press'"),
        (("record", "portal", "--to", str(tmp_path / "a.csv")), ".jsonl"),
    ):
        said = await bench.run(*arguments, "-s", str(bench.settings))
        assert (said.code, wrong in said.err) == (2, True)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"trace": 2}', '{"trace": 1}\n{"signal": 1}'])
async def test_what_is_no_trace_is_not_played(tmp_path: Path, text: str) -> None:
    bench = Bench(tmp_path)
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    said = await bench.run("replay", str(path))
    assert (said.code, "no trace" in said.err) == (2, True)


T0 = 1_800_000_000 * SECOND
VALUES: st.SearchStrategy[tuple[Kind, Any]] = st.one_of(
    st.tuples(st.just(Kind.FLOAT64), st.floats(allow_nan=False, allow_infinity=False)),
    st.tuples(st.just(Kind.INT), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just(Kind.UINT), st.integers(0, 2**64 - 1)),
    st.tuples(st.just(Kind.BOOL), st.booleans()),
    st.tuples(st.just(Kind.TEXT), st.text(max_size=20)),
    st.tuples(st.just(Kind.BYTES), st.binary(max_size=20)),
    st.tuples(
        st.just(Kind.TAG_READ),
        st.builds(
            TagRead,
            epc=st.binary(min_size=3, max_size=12),
            epc_bits=st.integers(17, 24),
            antenna=st.integers(0, 9),
            rssi=st.integers(-12800, 0),
            first_seen=st.integers(0, T0),
            last_seen=st.integers(0, T0),
            count=st.integers(0, 99),
        ),
    ),
)


@given(
    VALUES,
    st.sampled_from([Status.GOOD, Status.UNCERTAIN]),
    st.integers(-9, 2**31),
    st.binary(max_size=9),
    st.one_of(st.none(), st.integers(0, T0)),
)
def test_a_reading_comes_back_from_its_line(
    kind_and_value: tuple[Kind, Any], status: Status, code: int, raw: bytes, time: int | None
) -> None:
    kind, value = kind_and_value
    reading = Reading(
        signal=SignalName("a"),
        kind=kind,
        value=value,
        gateway_time=T0,
        source_time=time,
        status=status,
        code=code,
        raw=raw,
    )
    row = json.loads(json.dumps(encode_reading(reading)))
    (traced,) = read_traced(iter([row]), {"a": kind})
    assert traced is not None
    assert (traced.value, type(traced.value)) == (value, type(value))
    assert (traced.at, traced.time, traced.status) == (T0, time, status)
    assert (traced.code, traced.raw) == (code, raw)


async def test_what_is_wrong_in_a_trace_is_told_and_its_gaps_come_again(tmp_path: Path) -> None:
    gap = Gap(subject="a", start=T0, end=T0 + 5, reason=GapReason.OVERRUN, count=3)
    bad = Reading(
        signal=SignalName("a"),
        kind=Kind.INT,
        value=None,
        gateway_time=T0,
        status=Status.BAD,
        code=Doubt.WRONG_TYPE,
        raw=b"\x01",
    )
    lines = [{"trace": 1}, encode_reading(bad), encode_gap(gap, T0), {"at": -1, "signal": "a"}]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "no JSON\n")
    settings = SPEC.settings.model_validate(
        {"file": path, "form": "trace", "speed": 0, "times": "original"}
        | {"signals": [{"name": "a", "kind": "int"}]}
    )
    driver = SPEC.connect("again", settings, HostClock())
    await driver.open()
    try:
        delivery = await driver.read()
    finally:
        await driver.close()
    (found,) = delivery.readings
    assert (found.status, found.code, found.raw) == (Status.BAD, Doubt.WRONG_TYPE, b"\x01")
    recorded, spoilt = delivery.gaps
    assert recorded == gap
    assert (spoilt.reason, spoilt.count, spoilt.subject) == (GapReason.REFUSED, 2, "again")
