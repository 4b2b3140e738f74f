"""Recorded production behind a server: what the file holds is what arrives, dirt included."""

from __future__ import annotations

import asyncio
import gzip
import math
from itertools import islice
from pathlib import Path

import pytest

from plant.equipment.recorded import Empty, Pace, Recorded, RecordedServer, Row
from protocols.field.driver import DriverError
from protocols.field.modbus import SPEC
from protocols.wire.reading import Doubt, Gap, GapReason, Reading, Status
from tests.contract.driver_contract import HostClock
from tests.data import third_party

FILE = """timestamp;campaign;batch;speed;produced
2019-03-20 14:56:17;33;117;0;10
2019-03-20 14:56:27;33;117;0.5;11
2019-03-20 14:56:37;33;117;;
2019-03-20 15:10:00;33;118;2;0
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "recorded.csv"
    path.write_text(FILE)
    return path


def test_rows_keep_empty_cells_times_and_numbers(path: Path) -> None:
    recorded = Recorded(path)
    assert recorded.columns == ("speed", "produced")
    rows = list(recorded)
    assert rows[1] == Row(
        number=2,
        time=1_553_093_787_000_000_000,
        campaign=33,
        batch=117,
        values={"speed": 0.5, "produced": 11.0},
    )
    assert rows[2].values == {"speed": None, "produced": None}
    assert rows[3].batch == 118
    assert list(recorded) == rows


def test_a_compressed_file_with_commas_and_no_time(tmp_path: Path) -> None:
    path = tmp_path / "recorded.csv.gz"
    path.write_bytes(gzip.compress(b"batch_id,Tag01\n1,4371\n2,none\n"))
    rows = list(Recorded(path))
    assert [(row.batch, row.time, row.values["Tag01"]) for row in rows] == [
        (1, None, 4371.0),
        (2, None, None),
    ]


async def collect(
    server: RecordedServer, *, last: int, retry_s: float = 60
) -> tuple[list[dict[str, Reading]], list[Gap]]:
    """Read polls and gaps as the agent would, until row ``last`` has been seen."""
    settings = SPEC.settings.model_validate(
        {
            "host": server.host,
            "port": server.port,
            "signals": server.signals(),
            "period_s": 0.01,
            "timeout_s": 1,
            "retry_s": retry_s,
        }
    )
    driver = SPEC.connect("press", settings, HostClock())
    polls: list[dict[str, Reading]] = []
    gaps: list[Gap] = []
    async with asyncio.timeout(30):
        while not (server.finished.is_set() and polls[-1]["row"].value == last):
            try:
                await driver.open()
                while not (server.finished.is_set() and polls[-1]["row"].value == last):
                    delivery = await driver.read()
                    gaps += delivery.gaps
                    if delivery.readings:
                        polls.append({reading.signal: reading for reading in delivery.readings})
            except DriverError:
                await driver.close()
                await asyncio.sleep(0.01)
    await driver.close()
    return polls, gaps


def assert_same(rows: list[Row], polls: list[dict[str, Reading]]) -> None:
    seen = {poll["row"].value: poll for poll in polls}
    for row in rows:
        poll = seen[row.number]
        assert poll["batch"].value == (row.batch or 0)
        assert poll["time"].value == (row.time or 0)
        for name, value in row.values.items():
            if value is None:
                assert poll[name].status is Status.BAD
                assert poll[name].code == Doubt.NOT_FINITE
            else:
                assert poll[name].value == value
                assert poll[name].status is Status.GOOD


async def test_what_arrives_is_what_the_file_holds(path: Path) -> None:
    recorded = Recorded(path)
    server = RecordedServer(
        recorded.columns, iter(recorded), row_period_s=0.01, pace=Pace.READ, off_s=0.1
    )
    async with server:
        polls, gaps = await collect(server, last=4)
    assert_same(list(recorded), polls)
    assert server.holes == 1  # 14:56:37 to 15:10
    assert GapReason.SOURCE_DOWN in [gap.reason for gap in gaps]


async def test_an_empty_cell_may_be_refused(path: Path) -> None:
    recorded = Recorded(path)
    server = RecordedServer(
        recorded.columns,
        iter(recorded),
        row_period_s=0.05,
        pace=Pace.READ,
        empty=Empty.REFUSED,
        off_s=0.05,
    )
    async with server:
        polls, _ = await collect(server, last=4, retry_s=0.01)
    # A refused cell is asked for again in polls of its own: not every poll speaks of it.
    spoken = [poll["speed"] for poll in polls if "speed" in poll]
    third = [poll for poll in polls if "row" in poll and poll["row"].value == 3]
    assert {poll["speed"].code for poll in third if "speed" in poll} == {4}
    assert spoken[-1].value == 2.0


async def test_real_tablet_press_rows_arrive_with_their_dirt() -> None:
    recorded = Recorded(third_party("process/ts_5.csv.gz"))
    rows = list(recorded)
    assert len(rows) == 45_547
    empty = next(n for n, row in enumerate(rows) if None in row.values.values())
    excerpt = rows[empty - 5 : empty + 5]
    steps = (
        n for n in range(1, len(rows)) if (rows[n].time or 0) - (rows[n - 1].time or 0) > 60 * 10**9
    )
    hole = next(steps)
    excerpt += rows[hole - 3 : hole + 3]
    server = RecordedServer(
        recorded.columns, excerpt, row_period_s=0.005, pace=Pace.READ, off_s=0.1
    )
    async with server:
        polls, gaps = await collect(server, last=excerpt[-1].number)
    assert_same(excerpt, polls)
    assert server.holes >= 1
    assert gaps


async def test_real_reactor_batches_arrive_without_a_time() -> None:
    recorded = Recorded(third_party("process/nylon.csv.gz"))
    rows = list(islice(recorded, 120))
    server = RecordedServer(recorded.columns, rows, row_period_s=0.001, pace=Pace.READ)
    async with server:
        polls, gaps = await collect(server, last=120)
    assert_same(rows, polls)
    assert {gap.reason for gap in gaps} <= {GapReason.OVERRUN}
    assert not math.isnan(rows[0].values["Tag01"] or math.nan)
