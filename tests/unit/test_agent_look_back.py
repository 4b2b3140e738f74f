"""What the buffer tells of a source from before the agent was stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge_agent.buffer.look_back import look_back
from edge_agent.clock import SKEW_MAX
from protocols.field.driver import Memory
from protocols.wire.reading import SECOND, Gap, GapReason
from tests.agent_line import NOW, Line, line_in

HOUR = 3600 * SECOND


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with line_in(tmp_path) as found:
        yield found


async def seal(line: Line, *values: tuple[str, float, int]) -> None:
    """Seal readings (signal, value, source time), a minute after what was sealed before."""
    line.source.advance(60 * SECOND)
    for signal, value, time in values:
        line.offer(line.reading(value, signal=signal, source_time=time))
    await line.sealer.cut()


async def memory(line: Line, *signals: str, since: int = NOW + HOUR) -> Memory:
    def work(buffer: object) -> dict[str, Memory]:
        return look_back(
            line.storage.buffer,
            {"press-1": signals},
            since=since,
            now=since + SECOND,
            skew_max=SKEW_MAX,
        )

    return (await line.storage.run(work))["press-1"]


async def test_the_last_reading_is_the_one_of_the_latest_source_time(line: Line) -> None:
    await seal(line, ("a", 1.0, NOW), ("a", 2.0, NOW + 1), ("b", 5.0, NOW))
    await seal(line, ("a", 3.0, NOW + 60 * SECOND))
    await seal(line, ("a", 2.5, NOW + 30 * SECOND))  # came late, from history
    found = await memory(line, "a", "b", "never")
    assert {name: reading.value for name, reading in found.last.items()} == {"a": 3.0, "b": 5.0}
    assert (found.since, found.until) == (NOW + HOUR, NOW + HOUR + SECOND)


async def test_of_one_time_the_reading_that_came_last_counts(line: Line) -> None:
    await seal(line, ("a", 1.0, NOW), ("a", 2.0, NOW))
    await seal(line, ("b", 1.0, NOW))
    await seal(line, ("b", 2.0, NOW))
    found = await memory(line, "a", "b")
    assert {name: reading.value for name, reading in found.last.items()} == {"a": 2.0, "b": 2.0}


async def test_a_reading_without_a_source_time_places_nothing(line: Line) -> None:
    await seal(line, ("a", 1.0, NOW))
    line.offer(line.reading(1.0))
    await line.sealer.cut()
    assert (await memory(line, "a")).last["a"].source_time == NOW


async def test_what_a_freed_bundle_may_have_held_is_not_guessed(line: Line) -> None:
    await seal(line, ("a", 9.0, NOW + 120 * SECOND))
    await seal(line, ("a", 2.0, NOW))
    with_all = await memory(line, "a")
    assert with_all.last["a"].value == 9.0
    await line.storage.run(
        lambda buffer: buffer._connection.execute("DELETE FROM bundle WHERE number = 0")
    )
    assert not (await memory(line, "a")).last


async def test_a_source_that_was_down_already_is_missing_from_then_on(line: Line) -> None:
    await seal(line, ("a", 1.0, NOW + 60 * SECOND))
    spans = ((61, 100, "press-1"), (100, 150, "press-1"), (10, 20, "press-1"), (5, 9, "press-2"))
    for start, end, subject in spans:
        line.down.append(
            Gap(
                subject=subject,
                start=NOW + start * SECOND,
                end=NOW + end * SECOND,
                reason=GapReason.SOURCE_DOWN,
            )
        )
        await seal(line, ("of another source", 1.0, NOW))
    found = await memory(line, "a")
    assert found.since == NOW + 61 * SECOND, "what was missing before the last reading is past"
