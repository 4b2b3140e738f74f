"""The whole line as processes, watched from outside: who stored how much, at which cost."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from plant.line import table
from plant.site import Site
from tests.bench.measure import Figures, cpu_s, now, rss_mb, until

START_S: Final = 60.0


class Head(NamedTuple):
    """The end of a chain, as the agent's buffer or the aggregator's store has it."""

    number: int
    end_reading: int


class WatchedLine:
    """A site whose broker and aggregator run all the time, and whose agent runs in turns."""

    def __init__(
        self, folder: Path, *, seal_age_s: float = 1.0, over_network: bool = False
    ) -> None:
        """``over_network``: through what can be cut, which is a part of this process."""
        self.site = Site(folder)
        self._environment = {"LOTPROOF_AGENT_SEAL__AGE_MAX_S": str(seal_age_s)}
        if not over_network:
            self._environment["LOTPROOF_AGENT_UPLINK__PORT"] = str(self.site.broker.port)
        self._open = contextlib.AsyncExitStack()
        self._views: dict[Path, sqlite3.Connection] = {}

    async def __aenter__(self) -> Self:
        os.environ.update(self._environment)
        await self._open.enter_async_context(self.site)
        self._open.callback(self._close_views)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()
        for name in self._environment:
            os.environ.pop(name, None)

    async def set_up(self, sources: str) -> None:
        """Write the settings and start the aggregator."""
        await self.site.set_up(sources)
        await self.site.aggregator.start()

    async def turn(self, seconds: float) -> Figures:
        """Run the agent, watch it for so long once it is in its stride, and stop it."""
        try:
            await self.start_agent()
            return await self.watch(seconds)
        finally:
            await self.site.agent.stop()

    async def start_agent(self) -> None:
        """Start the agent and wait until readings of it are stored; RuntimeError with its log."""
        before = self.stored().end_reading
        await self.site.agent.start()
        deadline = now() + START_S
        while self.stored().end_reading <= before:
            if now() > deadline or not self.site.agent.alive:
                raise RuntimeError(
                    f"no reading was stored: {self.site.agent.tail()}{self.site.aggregator.tail()}"
                )
            await asyncio.sleep(0.05)
        await asyncio.sleep(2.0)
        # What had piled up before the store took its first bundle would count as speed.
        await until(lambda: self.committed().number - self.stored().number <= 1, timeout_s=START_S)

    async def watch(self, seconds: float) -> Figures:
        """Return what the running line does in so many seconds."""
        agent, aggregator = self.site.agent.pid, self.site.aggregator.pid
        first, sealed = await self._next_bundle(), self.committed()
        began, cost = now(), (cpu_s(agent), cpu_s(aggregator))
        await asyncio.sleep(seconds)
        last, taken = await self._next_bundle(), now() - began
        stored = max(1, last.end_reading - first.end_reading)
        committed = max(1, self.committed().end_reading - sealed.end_reading)
        return {
            "readings_per_s": stored / taken,
            "cpu_us": (cpu_s(agent) - cost[0]) / committed * 1e6,
            "aggregator_cpu_us": (cpu_s(aggregator) - cost[1]) / stored * 1e6,
            "rss_mb": rss_mb(agent),
        }

    async def _next_bundle(self) -> Head:
        """Wait until a bundle is stored: between two such moments whole bundles were made."""
        before = self.stored()
        await until(lambda: self.stored() != before, timeout_s=START_S)
        return self.stored()

    async def settled(self, *, timeout_s: float = 30.0) -> tuple[Head, Head]:
        """Wait until all that a stopped agent committed is stored; return both ends."""
        with contextlib.suppress(TimeoutError):
            await until(lambda: self.committed() == self.stored(), timeout_s=timeout_s)
        return self.committed(), self.stored()

    def committed(self) -> Head:
        """Return the end of the chain on the gateway's disk."""
        return self._head(self.buffer_file, COMMITTED)

    def stored(self) -> Head:
        """Return the end of the chain in the aggregator's store, as others see it."""
        return self._head(self.store_file, STORED)

    @property
    def buffer_file(self) -> Path:
        """The agent's buffer."""
        return self.site.buffer / "buffer" / "buffer.db"

    @property
    def store_file(self) -> Path:
        """The aggregator's store."""
        return self.site.folder / "aggregator.db"

    def _head(self, path: Path, sql: str) -> Head:
        if path not in self._views:
            if not path.exists():
                return Head(-1, 0)
            self._views[path] = view(path)
        row = self._views[path].execute(sql).fetchone()
        return Head(-1, 0) if row is None else Head(*row)

    def _close_views(self) -> None:
        for each in self._views.values():
            each.close()
        self._views.clear()


COMMITTED: Final = "SELECT head, end_reading FROM epoch"
STORED: Final = "SELECT head, end_reading FROM epochs"


def view(path: Path) -> sqlite3.Connection:
    """Open a file of SQLite to look at it while another process writes."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


def source(
    folder: Path,
    name: str,
    driver: str,
    signals: Sequence[dict[str, Any]],
    **settings: str | float | bool,
) -> str:
    """Write a list of signals and return the source's table of the agent's settings."""
    path = folder / f"{name}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(signals[0]))
        writer.writeheader()
        writer.writerows(signals)
    return table("[source]", name=name, driver=driver, signals_csv=str(path), **settings)
