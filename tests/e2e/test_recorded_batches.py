"""Recorded batches through the real line: the records say what the file says, dirt included.

The judge is pandas over the file itself. From the line it takes one thing: when each row arrived.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest

from plant.equipment.recorded import Recorded, Row
from plant.replay_batches import PERIODS_MAX, SOURCE, BatchReplay, read_batches
from plant.site import GATEWAY
from tests.data import third_party

NYLON: Final = Path(__file__).resolve().parents[2] / "config" / "demo" / "nylon.csv.gz"
PERIOD_S: Final = 0.05
DECLARED: Final = {"source_down", "overrun"}

# Rows of the tablet press, by place in the file: its start with empty cells and a step of 40 s; a
# step of 230 s after empty cells; counters that start again, then a new campaign five months
# later; a new batch after 297 s.
TS_5: Final = (range(30), range(9555, 9582), range(12_690, 12_725), range(20_205, 20_235))
TS_6: Final = (range(28_025, 28_060),)  # a new batch, and its counters from zero

Gaps = list[tuple[int, int]]


async def test_reactor_batches_become_records(tmp_path: Path) -> None:
    recorded, rows = read_batches(NYLON, batches=4)
    truth = pd.read_csv(NYLON).iloc[: len(rows)].rename(columns={"batch_id": "batch"})
    async with BatchReplay(tmp_path / "site", recorded.columns, rows) as replay:
        await replay.run()
        assert replay.server.served == len(rows) + 1, "every row, and the one that ends the last"
        assert replay.batches == (1, 2, 3, 4)
        for batch in replay.batches:
            record = await replay.record(batch)
            await judge(replay, record, truth, batch)
            assert (await replay.export(batch, tmp_path)).startswith("VERIFIED")


async def test_dirt_of_a_tablet_press_does_not_vanish(tmp_path: Path) -> None:
    rows, truth = tablet_press()
    async with BatchReplay(
        tmp_path / "site", Recorded(third_party("process/ts_5.csv.gz")).columns, rows,
        period_s=PERIOD_S,
    ) as replay:  # fmt: skip
        await replay.run()
        assert replay.server.served == len(rows) + 1
        steps = truth["timestamp"].diff().abs() > pd.Timedelta(seconds=15)
        assert replay.server.holes == int(steps.sum()) >= 7
        records = {batch: await replay.record(batch) for batch in replay.batches}
        assert tuple(records) == (117, 364, 365, 368, 369)
        for batch, record in records.items():
            await judge(replay, record, truth, batch)
        assert (await replay.export(117, tmp_path)).startswith("VERIFIED")

    empty = int(truth.drop(columns="timestamp").isna().to_numpy().sum())
    held = sum(each["figures"]["bad"] for record in records.values() for each in parameters(record))
    assert held == empty > 0, "every empty cell is a BAD reading of its batch"
    first = records[117]
    resets = [each["subject"] for each in first["exceptions"] if each["kind"] == "counter_reset"]
    assert sorted(resets) == [f"{SOURCE}/produced", f"{SOURCE}/waste"]
    causes = {
        cause for each in parameters(first) for gap in each["gaps"] for cause in gap["causes"]
    }
    assert {"bad_status", "source_down"} <= causes
    kinds = {(item["kind"], item["subject"]) for item in first["exceptions"]}
    for each in parameters(first):
        assert ("gap", each["parameter"]) in kinds
        assert (("status", each["signal"]) in kinds) is (each["figures"]["bad"] > 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("speed\n1\n", "names no batch"),
        ("batch;speed;timestamp\n1;2;noon\n", "cannot be read"),
    ],
    ids=["no file", "no batch", "no time"],
)
def test_a_file_that_cannot_be_replayed_is_refused_with_a_reason(
    tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "mine.csv"
    if text is not None:
        path.write_text(text)
    command = (sys.executable, "-m", "plant.replay_batches", str(path), "--out", str(tmp_path))
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2, ended.stderr
    assert said in ended.stdout


async def judge(
    replay: BatchReplay, record: dict[str, Any], truth: pd.DataFrame, batch: int
) -> None:
    """Hold one record against the rows of its batch in the file."""
    truth = truth.set_axis(truth.index + 1)  # as the equipment counts its rows
    rows = truth[truth["batch"] == batch]
    assert record["lot"]["lot"] == str(batch)
    assert record["complete"] is True
    (window,) = record["windows"]
    start, end = nanoseconds(window["start"]["time"]), nanoseconds(window["end"]["time"])
    arrived = await arrivals(replay, start, end)
    assert list(dict.fromkeys(arrived["row"])) == list(rows.index), "each row, in its order"
    assert arrived["time"].iloc[0] == start, "the batch begins with its first row"
    before = await arrivals(replay, start - 5 * 10**9, start)
    after = await arrivals(replay, end, end + 60 * 10**9)
    if batch != truth["batch"].iloc[0]:
        assert before["row"].iloc[-1] == rows.index[0] - 1
    assert after["row"].iloc[0] == rows.index[-1] + 1
    assert after["time"].iloc[0] == end, "and ends with the first row of the next"
    if "timestamp" in truth:
        told = await values(replay, "time", start, end)
        stamped = rows["timestamp"].to_numpy().astype("datetime64[ns]").astype("int64")
        assert list(dict.fromkeys(told)) == stamped.tolist()
    both = pd.concat([before, arrived]).merge(
        truth.drop(columns=["batch"]), left_on="row", right_index=True, suffixes=("", "_of_file")
    )
    found = {each["parameter"]: each for each in parameters(record)}
    assert set(found) == set(replay.columns)
    gap_max = round(PERIODS_MAX * replay.period_s * 10**9)
    for column, parameter in found.items():
        judge_parameter(parameter, both[["time", column]], rows[column], (start, end), gap_max)


def judge_parameter(
    parameter: dict[str, Any],
    arrived: pd.DataFrame,
    cells: Any,  # a column of numbers, NaN where the cell is empty
    window: tuple[int, int],
    gap_max: int,
) -> None:
    """Hold a parameter's figures and gaps against its column of the file."""
    figures, (start, end) = parameter["figures"], window
    column = arrived.columns[1]
    inside = arrived[(arrived["time"] >= start) & (arrived["time"] < end)]
    assert figures["readings"] == len(inside)
    assert figures["bad"] == int(inside[column].isna().sum())
    assert figures["good"] == int(inside[column].notna().sum())
    assert figures["min"] == cells.min()
    assert figures["max"] == cells.max()
    assert figures["first"] == cells.dropna().iloc[0]
    assert figures["last"] == cells.dropna().iloc[-1]
    valid = arrived.dropna()
    expected = silences(valid["time"].tolist(), window, gap_max)
    gaps = [(nanoseconds(each["start"]), nanoseconds(each["end"])) for each in parameter["gaps"]]
    told = [set(each["causes"]) for each in parameter["gaps"]]
    assert set(expected) <= set(gaps), "no silence of the file vanishes"
    for gap, causes in zip(gaps, told, strict=True):
        assert gap in expected or causes <= DECLARED, (gap, causes)
        bad = inside[inside[column].isna()]["time"]
        assert ("bad_status" in causes) is bool(((bad >= gap[0]) & (bad < gap[1])).any())
    mean, covered = weighted(valid, window, gaps, gap_max)
    assert figures["covered_ns"] == covered
    assert figures["mean"] == pytest.approx(mean, rel=1e-12)


def silences(times: Sequence[int], window: tuple[int, int], gap_max: int) -> Gaps:
    """Return the stretches of the window longer than ``gap_max`` without a valid reading."""
    start, end = window
    earlier = [time for time in times if time < start and start - time <= gap_max]
    edges = [earlier[-1] if earlier else start, *(t for t in times if start <= t < end), end]
    found = [(max(a, start), b) for a, b in pairwise(edges) if b - a > gap_max]
    return merged(found)  # two that touch are one: a single reading covers no time


def weighted(
    valid: pd.DataFrame, window: tuple[int, int], gaps: Gaps, gap_max: int
) -> tuple[float, int]:
    """Return the mean of values, each held until the next, and the time that they cover."""
    start, end = window
    times, numbers = valid["time"].to_numpy(), valid.iloc[:, 1].to_numpy(dtype=float)
    known = (times >= start - gap_max) & (times < end)
    # Of what was known before the start, only the last value counts.
    known &= np.append(times[1:], end) > start
    times, numbers = times[known], numbers[known]
    held = []
    for since, until in zip(times, np.append(times[1:], end), strict=True):
        low = max(int(since), start)
        lost = sum(max(0, min(int(until), b) - max(low, a)) for a, b in merged(gaps))
        held.append(int(until) - low - lost)
    weights = np.array(held, dtype=float)
    return float(np.average(numbers, weights=weights)), int(sum(held))


def merged(gaps: Gaps) -> Gaps:
    union: Gaps = []
    for start, end in sorted(gaps):
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], end))
        else:
            union.append((start, end))
    return union


async def arrivals(replay: BatchReplay, start: int, end: int) -> pd.DataFrame:
    """Return when which row of the file arrived, as the aggregator stored it; not what was BAD."""
    answer = await readings(replay, "row", start, end)
    found = [
        (time, row)
        for time, row in zip(answer["times"], answer["values"], strict=True)
        if row is not None
    ]
    return pd.DataFrame(found, columns=["time", "row"], dtype="int64")


async def values(replay: BatchReplay, name: str, start: int, end: int) -> list[Any]:
    found: list[Any] = (await readings(replay, name, start, end))["values"]
    return found


async def readings(replay: BatchReplay, name: str, start: int, end: int) -> dict[str, Any]:
    answer: dict[str, Any] = await replay.site.client.get(
        "/readings", gateway=GATEWAY, signal=f"{SOURCE}/{name}", start=start, end=end
    )
    return answer


def parameters(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [*record["parameters"], *record["other_parameters"]]


def nanoseconds(text: str) -> int:
    return int(pd.Timestamp(text).value)


def tablet_press() -> tuple[list[Row], pd.DataFrame]:
    """Return the dirty excerpts as rows to serve and as a table read by pandas alone."""
    rows: list[Row] = []
    frames = []
    for name, excerpts in (("ts_5", TS_5), ("ts_6", TS_6)):
        path = third_party(f"process/{name}.csv.gz")
        wanted = [place for excerpt in excerpts for place in excerpt]
        every = list(Recorded(path))
        rows += [every[place] for place in wanted]
        frame = pd.read_csv(path, sep=";", parse_dates=["timestamp"])
        frames.append(frame.iloc[wanted].drop(columns="campaign"))
    truth = pd.concat(frames, ignore_index=True)
    return [replace(row, number=at) for at, row in enumerate(rows, 1)], truth
