"""``lotproof-agent import``: a list of signals, previewed against the clean room and then taken."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from pathlib import Path

import openpyxl
import pytest

from plant.line import table
from tests.commissioning_bench import Bench

HEAD = "name,unit,table,address,type,order,scale\n"
GOOD = HEAD + "t,Cel,input,0,int16,,0.01\np,Pa,input,2,float32,CDAB,\n"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    async with bench.line.room as room:
        where = table("[source]", name="room", driver="modbus", host=room.host, port=room.port)
        bench.write(where + 'period_s = 0.2\nsignals_csv = "room.csv"\n')
        yield bench


def command(bench: Bench, *more: str) -> tuple[str, ...]:
    return ("import", "new.csv", "--source", "room", "--settings", str(bench.settings), *more)


async def test_each_order_is_shown_beside_the_value_and_nothing_is_taken(bench: Bench) -> None:
    (bench.folder / "new.csv").write_text(GOOD, encoding="utf-8")
    said = await bench.run(*command(bench, "--preview"))
    assert said.code == 0, said.out + said.err
    lines = said.out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("  p  input 2 float32"))
    raw = bytes.fromhex(lines[at].split("float32")[1])
    shown = {line.split()[-3]: float(line.split()[-2]) for line in lines[at + 1 : at + 5]}
    words = {order: bytes(raw[at] for at in places) for order, places in PLACES.items()}
    for order, octets in words.items():
        (value,) = struct.unpack(">f", octets)
        assert shown[order] == pytest.approx(value, rel=1e-5), order
    assert "    * CDAB" in said.out
    assert not (bench.folder / "room.csv").exists()


PLACES = {"ABCD": (0, 1, 2, 3), "CDAB": (2, 3, 0, 1), "BADC": (1, 0, 3, 2), "DCBA": (3, 2, 1, 0)}
"""Where the octets of a number, the highest first, lie in what the equipment sends."""


async def test_units_duplicates_and_overlaps_are_named(bench: Bench) -> None:
    rows = "t,degC,input,0,int16,,0.01\np,Pa,input,2,float32,CDAB,\nlow,1,input,3,uint16,,\n"
    rows += "again,Pa,input,2,float32,CDAB,\n"
    (bench.folder / "new.csv").write_text(HEAD + rows, encoding="utf-8")
    said = await bench.run(*command(bench))
    assert said.code == 1
    assert "t: 'degC' is no unit of UCUM" in said.out
    assert "did you mean 'Cel'?" in said.out
    assert "p and low overlap: unit 1 input 3" in said.out
    assert "p and again are the same value: unit 1 input 2 to 3" in said.out
    assert not (bench.folder / "room.csv").exists()


async def test_a_good_list_is_taken_and_the_one_before_is_kept(bench: Bench) -> None:
    before = HEAD + "old,1,input,0,uint16,,\n"
    (bench.folder / "room.csv").write_text(before, encoding="utf-8")
    (bench.folder / "new.csv").write_text(GOOD, encoding="utf-8")
    said = await bench.run(*command(bench))
    assert said.code == 0, said.out + said.err
    assert (bench.folder / "room.csv").read_text(encoding="utf-8") == GOOD
    assert (bench.folder / "room.1.csv").read_text(encoding="utf-8") == before
    code, found = await bench.found()
    assert code == 0, found
    assert found["t"]["well"]


def workbook(bench: Bench, text: str) -> Path:
    """Write the rows of a CSV text as a person's workbook."""
    book = openpyxl.Workbook()
    book.active.title = "Signals"
    for line in text.splitlines():
        book.active.append([float(c) if c.isdecimal() else c or None for c in line.split(",")])
    path = bench.folder / "new.xlsx"
    book.save(path)
    return path


async def test_a_workbook_is_previewed_and_taken_like_a_csv_file(bench: Bench) -> None:
    workbook(bench, GOOD)
    xlsx = ("import", "new.xlsx", *command(bench)[2:])
    said = await bench.run(*xlsx, "--preview")
    assert said.code == 0, said.out + said.err
    assert "    * CDAB" in said.out
    assert not (bench.folder / "room.csv").exists()
    said = await bench.run(*xlsx)
    assert said.code == 0, said.out + said.err
    assert (bench.folder / "room.csv").read_text(encoding="utf-8") == GOOD
    code, found = await bench.found()
    assert (code, found["p"]["well"]) == (0, True)


async def test_what_is_wrong_in_a_workbook_is_named_by_sheet_row_and_column(bench: Bench) -> None:
    workbook(bench, HEAD + "t,Cel,input,70000,int16,,\n,Pa,input,2,float23,CDAB,\n")
    said = await bench.run("import", "new.xlsx", *command(bench)[2:])
    assert said.code == 2
    assert "new.xlsx[Signals]:2:address: Input should be less than" in said.err
    assert "new.xlsx[Signals]:3:name: is missing" in said.err
    assert "new.xlsx[Signals]:3:type: Input should be 'int16'" in said.err
    said = await bench.run("import", "new.xlsx", *command(bench)[2:], "--sheet", "Signal")
    assert (said.code, "use one of: Signals" in said.err) == (2, True)
    said = await bench.run(*command(bench), "--sheet", "Signals")
    assert (said.code, "--sheet goes with a workbook" in said.err) == (2, True)


async def test_what_cannot_be_loaded_is_named_by_row_and_column(bench: Bench) -> None:
    (bench.folder / "new.csv").write_text(HEAD + "t,Cel,input,70000,int16,,\n", encoding="utf-8")
    said = await bench.run(*command(bench, "--preview"))
    assert (said.code, "new.csv:2:address" in said.err) == (2, True)
    said = await bench.run("import", "x.ods", "--source", "room", "-s", str(bench.settings))
    assert (said.code, "save it as .xlsx or as CSV" in said.err) == (2, True)
    said = await bench.run("import", "new.csv", "--source", "hall", "-s", str(bench.settings))
    assert (said.code, "use one of: room" in said.err) == (2, True)
