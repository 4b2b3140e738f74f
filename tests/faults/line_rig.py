"""The whole line of processes, and ``kill -9`` while it runs."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Final

from edge_agent.keys import load
from edge_agent.storage import BUFFER_FILE
from plant.broker import Broker
from plant.process import Process, ask, our_command
from plant.site import Site
from tests.faults.line_ledger import COUNTER, Head, Verdict, committed, judge, missing, stored

PATIENCE_S: Final = 120.0
_LONGEST_PAUSE_S: Final = 0.5
_BETWEEN_KILLS: Final = 3  # bundles
_ROWS: Final = 200_000
_ROW_PERIOD_S: Final = 0.01


class Victim(Enum):
    """Who is killed in a round, in this order; all are started again afterwards."""

    AGENT = ("agent",)
    BROKER = ("broker",)
    AGGREGATOR = ("aggregator",)
    AGGREGATOR_THEN_BROKER = ("aggregator", "broker")  # what the broker had queued is gone


class LineRig:
    """A site whose gateway counts, and what was seen committed before each kill."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self.site = site
        self.kills = 0
        self._chance = chance
        self._heads: list[Head] = []
        self._parts: dict[str, Process | Broker] = {
            "agent": site.agent,
            "broker": site.broker,
            "aggregator": site.aggregator,
        }

    @property
    def store(self) -> Path:
        """The aggregator's database."""
        return self.site.folder / "aggregator.db"

    @property
    def buffer(self) -> Path:
        """The gateway's database."""
        return self.site.buffer / BUFFER_FILE

    async def round(self, victim: Victim) -> None:
        """Let the line run until it has moved on, kill, and start again what was killed."""
        await self.moves_on()
        for at, name in enumerate(victim.value):
            if at:  # the broker takes these and acknowledges them, and nobody fetches them
                await self.seals(_BETWEEN_KILLS)
            await asyncio.sleep(self._chance.uniform(0, _LONGEST_PAUSE_S))
            self._heads.append(committed(self.buffer))
            await self._parts[name].kill()
            self.kills += 1
        await asyncio.sleep(self._chance.uniform(0, _LONGEST_PAUSE_S))
        for name in reversed(victim.value):
            await self._parts[name].start()

    @asynccontextmanager
    async def failing(self, part: Process, database: Path, fault: str) -> AsyncIterator[None]:
        """Let calls on a database's log fail in a part of the running line, in strace's words."""
        name = fault.partition(":")[0]
        command = ["strace", "-f", "-p", str(part.pid), "-P", f"{database}-wal", "-o", "/dev/null"]
        rules = ["-e", f"trace={name}", "-e", f"inject={fault}"]
        pipe = asyncio.subprocess.PIPE
        tracing = await asyncio.create_subprocess_exec(*command, *rules, stderr=pipe)
        assert tracing.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            assert b"attached" in await tracing.stderr.readline()
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                tracing.terminate()
            await tracing.communicate()

    async def seals(self, bundles: int) -> None:
        """Wait until the gateway has sealed so many more."""
        wanted = committed(self.buffer).number + bundles
        await _until(lambda: committed(self.buffer).number >= wanted)

    async def verdict(self, patience_s: float = PATIENCE_S) -> Verdict:
        """Stop collecting, let the line deliver what is left, end it all and compare."""
        await self.site.agent.stop()
        head = committed(self.buffer)
        with suppress(TimeoutError):  # what is missing then is counted below
            async with asyncio.timeout(patience_s):
                # What a start seals arrives before the backlog: a stop may leave a hole again.
                while missing(self.store, head):
                    await self.site.agent.start()
                    await _until(partial(self._has, head), patience_s)
                    await self.site.agent.stop()
                    head = committed(self.buffer)
        await self.site.agent.stop()
        await self.site.aggregator.stop()
        key = load(self.site.buffer / "seal.key").public
        verdict = judge(self.store, [*self._heads, head], key)
        return replace(verdict, problems=(*verdict.problems, *await self._proofs()))

    def _has(self, head: Head) -> bool:
        return not missing(self.store, head)

    async def _proofs(self) -> list[str]:
        """Return what both programs say of their own files."""
        found = []
        for module, settings in (
            ("edge_agent", self.site.agent_settings),
            ("aggregator", self.site.aggregator_settings),
        ):
            try:
                await ask(our_command(module, "fsck", "--settings", str(settings)))
            except RuntimeError as error:
                found.append(f"{module} fsck: {error}")
        return found

    async def moves_on(self) -> None:
        """Wait until the aggregator has stored something that was sealed from now on."""
        head = committed(self.buffer)
        await _until(lambda: max(stored(self.store, head.epoch), default=-1) > head.number)


@asynccontextmanager
async def running(
    folder: Path, chance: random.Random, *, agent: str = "edge_agent"
) -> AsyncIterator[LineRig]:
    """Run a site whose gateway counts rows of a file; ``agent`` is the module that is its agent."""
    recording = folder / "counter.csv"
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{number},{number % 97 / 7:.3f}\n" for number in range(_ROWS))
    recording.write_text(f"{COUNTER},press-1/temperature\n{rows}", encoding="utf-8")
    async with Site(folder, embedded_broker=False) as site:
        await site.set_up(_SOURCE.format(file=recording, period=_ROW_PERIOD_S))
        site.agent.command = our_command(agent, "run", "--settings", str(site.agent_settings))
        await site.aggregator.start()
        await site.agent.start()
        rig = LineRig(site, chance)
        await _until(rig.buffer.exists)
        yield rig


async def _until(holds: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait until something holds; TimeoutError if it does not in time."""
    async with asyncio.timeout(patience_s):
        while not _told(holds):  # noqa: ASYNC110 # files of other processes have no event
            await asyncio.sleep(0.05)


def _told(holds: Callable[[], object]) -> object:
    try:
        return holds()
    except sqlite3.OperationalError:
        return False  # the other process is just making the file, or its log


_SOURCE: Final = """
[[source]]
name = "press-1"
driver = "replay"
file = "{file}"
form = "wide"
row_period_s = {period}
signals = [
    {{ name = "press-1/counter", kind = "int" }},
    {{ name = "press-1/temperature", kind = "float64" }},
]
"""
