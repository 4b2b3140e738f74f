"""``lotproof-agent discover modbus`` against the clean room and equipment with holes."""

from __future__ import annotations

import asyncio
import contextlib
import csv
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from plant.equipment.registers import RefusalError, RegisterServer, Table
from plant.line import table
from plant.ports import free_port
from tests.commissioning_bench import Bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    async with bench.line.room:
        yield bench


class Holed:
    """A unit whose holding registers 0 to 4 and 90 to 140 can be read; register n holds n."""

    def __init__(self) -> None:
        self.asked: list[tuple[Table, int, int]] = []

    def read(self, name: Table, address: int, count: int) -> Sequence[int]:
        self.asked.append((name, address, count))
        if name != "holding":
            raise RefusalError(1)
        if not (address + count <= 5 or (address >= 90 and address + count <= 141)):
            raise RefusalError(2)
        return range(address, address + count)


async def test_a_room_is_found_written_and_well(bench: Bench) -> None:
    room = bench.line.room
    said = await bench.run(
        *("discover", "modbus", f"{room.host}:{room.port}", "--unit", "1-2", "--timeout", "0.3"),
        *("--table", "input,discrete", "--to", "20", "--write", "room.csv"),
    )
    assert said.code == 0, said.err
    assert "✓ unit 1 answers" in said.out
    assert "no answer from unit 2" in said.out
    assert "input 0 to 7" in said.out
    with (bench.folder / "room.csv").open(encoding="utf-8", newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    assert names == ["discrete-0", *(f"input-{address}" for address in range(8))]
    where = table("[source]", name="room", driver="modbus", host=room.host, port=room.port)
    bench.write(where + 'signals_csv = "room.csv"\n')
    code, found = await bench.found()
    assert code == 0, found
    assert found["input-0"]["well"]


async def test_holes_are_found_within_limits_and_without_a_write(bench: Bench) -> None:
    unit = Holed()
    server = RegisterServer({7: unit.read})
    await server.start()
    try:
        where = ("discover", "modbus", f"{server.host}:{server.port}", "--unit", "7")
        said = await bench.run(*where, "--to", "300", "--block", "50", "--pause", "0")
        assert said.code == 0, said.err
        assert "holding 0 to 4: 4 not 0: 0 1 2 3 4" in said.out
        assert "holding 90 to 140: 51 not 0" in said.out
        assert "56 registers and bits" in said.out
        assert all(count <= 50 for _, _, count in unit.asked)
        assert sum(name == "input" for name, _, _ in unit.asked) == 1  # illegal function: no more
        unit.asked.clear()
        said = await bench.run(*where, "--to", "300", "--requests", "4")
        assert len(unit.asked) == 4
        assert "not all was asked for" in said.out
    finally:
        await server.stop()


async def test_units_are_looked_for_with_one_request_each(tmp_path: Path) -> None:
    unit = Holed()
    server = RegisterServer({7: unit.read})
    await server.start()
    try:
        where = ("discover", "modbus", f"{server.host}:{server.port}", "--unit", "5-8", "--to", "0")
        said = await Bench(tmp_path).run(*where, "--timeout", "0.1", "--retries", "0")
    finally:
        await server.stop()
    assert said.code == 0, said.err
    assert "✓ unit 7 answers" in said.out
    assert "no answer from unit 5, 6, 8" in said.out
    assert "\n5 requests" in said.out  # two tables of the one that is there


async def test_equipment_that_hangs_up_on_a_unit_is_asked_on(tmp_path: Path) -> None:
    """Unit 1 gives one register a request, to unit 2 the connection is closed, unit 3 answers."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while (frame := await reader.readexactly(12))[6] != 2:
                count = int.from_bytes(frame[10:12])
                body = bytes([frame[6], frame[7], 2 * count]) + frame[8:10] * count
                if frame[6] == 1 and count > 1:
                    body = bytes([frame[6], frame[7] | 0x80, 3])
                writer.write(frame[:4] + len(body).to_bytes(2) + body)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        where = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        command = ("discover", "modbus", where, "--unit", "1-3", "--table", "holding")
        said = await Bench(tmp_path).run(*command, "--to", "3", "--pause", "0")
    assert said.code == 0, said.err
    assert "no answer from unit 2" in said.out
    assert "holding 0 to 3: 3 not 0: 0 1 2 3" in said.out
    assert "✓ unit 3 answers" in said.out


async def test_nothing_there_and_bad_arguments_end_apart(bench: Bench) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    said = await bench.run("discover", "modbus", nobody)
    assert (said.code, "no connection" in said.err) == (1, True)
    said = await bench.run("discover", "modbus", nobody, "--unit", "1-300")
    assert (said.code, "--unit" in said.err) == (2, True)
    said = await bench.run("discover", "modbus", nobody, "--from", "9", "--to", "3")
    assert (said.code, "--to 3 lies before --from 9" in said.err) == (2, True)
    said = await bench.run("discover", "modbus", nobody, "--table", "holdings")
    assert (said.code, "holding, input, coil, discrete" in said.err) == (2, True)
