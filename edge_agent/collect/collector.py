"""Reads every source, each in a task of its own, and hands what comes to the sealer.

A source that fails is opened again, with growing waits; one whose settings cannot work is left
alone; neither touches the others. While a source is down, every bundle declares what it misses.

New settings reach a running collector by ``change``: a source that is as it was keeps its
connection, the others end and begin, and nothing that was read is lost between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from edge_agent import metrics
from edge_agent.clock import GatewayClock
from edge_agent.collect.source_line import LEAVE_S, SourceLine, Start
from edge_agent.sealing.inbox import Inbox
from edge_agent.settings import CollectSettings
from edge_agent.sources import Source
from protocols.field.driver import Memory
from protocols.wire.life import SourceHealth
from protocols.wire.reading import Gap


class Collector:
    """All sources of the gateway."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        inbox: Inbox,
        clock: GatewayClock,
        settings: CollectSettings,
        memories: Mapping[str, Memory] | None = None,
    ) -> None:
        """``memories`` tell, by source, what is known from before the agent was stopped."""
        known = memories or {}
        self._inbox = inbox
        self._clock = clock
        self._settings = settings
        self._lines = {
            source.name: SourceLine(
                source,
                inbox=inbox,
                clock=clock,
                settings=settings,
                start=Start.WITH_AGENT,
                memory=known.get(source.name),
            )
            for source in sources
        }
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Read until cancelled; the drivers are closed then."""
        async with asyncio.TaskGroup() as self._group:
            for line in self._lines.values():
                self._begin(line)
            await asyncio.Event().wait()

    async def change(
        self,
        sources: Sequence[Source],
        settings: CollectSettings,
        seal: Callable[[], Awaitable[None]],
    ) -> Changed:
        """Go on with other sources: what is as it was stays connected, the rest ends and begins.

        ``seal`` is awaited once: all that was read before stands on disk when it returns. What
        ended is acknowledged and closed after it, and what begins is opened after that, since
        equipment may take one client alone. A signal that stays in a changed source is declared
        missing between; one that went or came is not.
        """
        wanted = {source.name: source for source in sources}
        ended = {
            name: line for name, line in self._lines.items() if wanted.get(name) != line.source
        }
        self._settings = settings
        for name, line in self._lines.items():
            if name not in ended:
                line.settings = settings
        await asyncio.gather(*(line.leave() for line in ended.values()))
        await seal()
        await asyncio.gather(*(self._end(name, line) for name, line in ended.items()))
        begun = [source for source in sources if source.name not in self._lines]
        for source in begun:
            line = SourceLine(
                source,
                inbox=self._inbox,
                clock=self._clock,
                settings=settings,
                start=Start.ADDED,
                before=ended.get(source.name),
            )
            self._lines[source.name] = line
            self._begin(line)
        self._lines = {name: self._lines[name] for name in wanted}
        return Changed(
            added=tuple(source.name for source in begun if source.name not in ended),
            removed=tuple(name for name in ended if name not in wanted),
            changed=tuple(name for name in ended if name in wanted),
        )

    def health(self) -> list[SourceHealth]:
        """Return how each source is."""
        return [line.health() for line in self._lines.values()]

    def certificate_days(self) -> dict[str, dict[str, float]]:
        """Return by source for how many days its certificates are valid, by whose they are."""
        return {name: line.certificate_days() for name, line in self._lines.items()}

    def down(self) -> list[Gap]:
        """Return what is missing up to now and was not declared yet; called at each cut."""
        return [gap for line in self._lines.values() for gap in line.down()]

    def _begin(self, line: SourceLine) -> None:
        if self._group is not None:  # else ``run`` begins with it
            self._tasks[line.name] = self._group.create_task(line.run(), name=line.name)

    async def _end(self, name: str, line: SourceLine) -> None:
        line.release()
        task = self._tasks.pop(name, None)
        if task is not None:
            await asyncio.wait({task}, timeout=2 * self._settings.ack_timeout_s + LEAVE_S)
            task.cancel()  # a driver that hangs is not waited for
        del self._lines[name]
        metrics.forget_source(name)


class Changed(NamedTuple):
    """Names of the sources that a change of settings touched."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
