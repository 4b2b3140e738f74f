"""Sides measured in turn, A B A B, so that what the machine does meanwhile falls on all alike."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil  # type: ignore[import-untyped]  # it has no types

Figures = Mapping[str, float]
"""What one turn of a side gave, by name: ``readings_per_s``, ``cpu_us``, ``rss_mb``."""

Side = Callable[[], Awaitable[Figures]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """What every side gave in every round of one run."""

    turns: Mapping[str, tuple[Figures, ...]]

    def median(self, side: str, figure: str) -> float:
        """Return the median over the rounds."""
        return statistics.median(turn[figure] for turn in self.turns[side])

    def ratio(self, figure: str, ours: str, theirs: str) -> float:
        """Return the median of the rounds' ratios: each has both sides from nearly one moment."""
        pairs = zip(self.turns[ours], self.turns[theirs], strict=True)
        return statistics.median(mine[figure] / yours[figure] for mine, yours in pairs)


async def interleave(sides: Mapping[str, Side], *, rounds: int) -> Rounds:
    """Run every side once a round, every other round in the opposite order."""
    turns: dict[str, list[Figures]] = {name: [] for name in sides}
    for number in range(rounds):
        names = list(sides)
        for name in names if number % 2 == 0 else reversed(names):
            turns[name].append(await sides[name]())
    return Rounds(turns={name: tuple(found) for name, found in turns.items()})


class Stopwatch:
    """Seconds and this process's CPU seconds, as a context."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu_s = 0.0

    def __enter__(self) -> Self:
        self._began = (time.perf_counter(), time.process_time())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds = time.perf_counter() - self._began[0]
        self.cpu_s = time.process_time() - self._began[1]


def now() -> float:
    """Return seconds of a clock that never steps."""
    return time.perf_counter()


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process and its children have had so far."""
    first = psutil.Process(pid)
    times = [process.cpu_times() for process in (first, *first.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process and its children in MB (10^6 bytes)."""
    first = psutil.Process(pid)
    processes = (first, *first.children(recursive=True))
    return float(sum(process.memory_info().rss for process in processes)) / 1e6


def written_bytes(pid: int) -> int:
    """Return the bytes that a process caused to be written to the device so far."""
    return int(psutil.Process(pid).io_counters().write_bytes)


async def until(condition: Callable[[], bool], *, timeout_s: float, every_s: float = 0.005) -> None:
    """Wait for what other processes do; TimeoutError where they do not."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 # files of other processes have no event
            await asyncio.sleep(every_s)


def file_bytes(folder: Path) -> int:
    """Return the bytes of the files in a folder and those below it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
