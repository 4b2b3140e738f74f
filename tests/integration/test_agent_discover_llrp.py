"""``lotproof-agent discover llrp`` against the portal and a reader that is not ours."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from llrpkit.emulator import LLRPEmulator

from plant.line import table
from plant.ports import free_port
from tests.commissioning_bench import Bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    async with bench.line.portal:
        yield bench


async def test_a_portal_is_found_written_and_well(bench: Bench) -> None:
    portal = bench.line.portal
    command = ("discover", "llrp", f"{portal.host}:{portal.port}", "--prefix", "portal/")
    said = await bench.run(*command, "--write", "portal.csv")
    assert said.code == 0, said.err
    assert "firmware plant 1.0" in said.out
    assert "4 ports; the reader does not say which have an antenna" in said.out
    assert "2 inputs" in said.out
    with (bench.folder / "portal.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [
        *(f"portal/antenna-{port}" for port in (1, 2, 3, 4)),
        "portal/events",
    ]
    where = table("[source]", name="portal", driver="llrp", host=portal.host, port=portal.port)
    bench.write(where + 'signals_csv = "portal.csv"\n')
    code, found = await bench.found("--wait", "10")
    assert code == 0, found
    assert portal.reader.heard[:3] == [
        "GET_READER_CAPABILITIES",
        "GET_READER_CONFIG",
        "CLOSE_CONNECTION",
    ]


async def test_a_reader_of_another_maker(tmp_path: Path) -> None:
    async with LLRPEmulator(host="127.0.0.1", port=0) as reader:
        said = await Bench(tmp_path).run("discover", "llrp", f"127.0.0.1:{reader.port}")
    assert said.code == 0, said.err
    assert "Impinj (25882)" in said.out


async def test_a_reader_that_is_taken_or_absent_is_said(bench: Bench) -> None:
    portal = bench.line.portal
    command = ("discover", "llrp", f"{portal.host}:{portal.port}")
    portal.reader.unanswered.add("GET_READER_CAPABILITIES")
    said = await bench.run(*command, "--timeout", "0.5")
    assert (said.code, "says nothing" in said.err) == (1, True)
    said = await bench.run("discover", "llrp", f"127.0.0.1:{free_port()}")
    assert (said.code, "cannot connect" in said.err) == (1, True)
