"""Takes the aggregator's settings: proved, newer, checked, tried, and taken back where they fail.

    offered ── check ──> CHECKED | REFUSED
    offered ── apply ──> REFUSED | TRIAL ──> IN_FORCE | ROLLED_BACK

The next statement of life tells each of these. A version is tried once: what was refused or taken
back comes again under a greater one alone (docs/specs/settings.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from edge_agent import metrics
from edge_agent.config_sync.book import SettingsBook
from edge_agent.config_sync.document import overlay_of
from edge_agent.config_sync.reload import Reloader, check_taken
from edge_agent.errors import SettingsFileError
from edge_agent.settings_file import load_settings
from edge_agent.sources import Loaded, Source, load
from protocols.wire.control.command import CommandKind, SettingsCommand, open_command
from protocols.wire.errors import WireError
from protocols.wire.life import SettingsState, SourceState
from protocols.wire.seal import PublicKey

_log = structlog.get_logger("settings")
_LOOK_S: Final = 0.2
_UP: Final = SourceState.RUNNING


class SettingsLoader:
    """Reads the gateway's file with the document in force over it."""

    def __init__(self, path: Path) -> None:
        """Read the file's own part and the book beside the buffer; SettingsFileError."""
        self._path = path
        file = load_settings(path)
        self.book = SettingsBook(file.gateway.data_dir)
        self.key = PublicKey.from_text(file.aggregator.seal_key)
        self.gateway = file.gateway_id

    def __call__(self) -> Loaded:
        """Return what is in force; SettingsFileError names what is wrong with file or document."""
        sealed = self.book.in_force
        if sealed is None:
            return load(self._path)
        return self.with_command(self.open(sealed))

    def open(self, sealed: bytes) -> SettingsCommand:
        """Return a command that the aggregator sealed for this gateway; else SettingsFileError."""
        try:
            command = open_command(sealed, self.key)
        except WireError as error:
            raise SettingsFileError(
                (f"the aggregator's settings do not open: {error}",),
                hint="compare aggregator.seal_key with what the aggregator prints",
            ) from error
        if command.gateway != self.gateway:
            raise SettingsFileError((f"settings for gateway {command.gateway} came here",))
        return command

    def with_command(self, command: SettingsCommand) -> Loaded:
        """Return the file with the command's document over it; SettingsFileError."""
        return load(self._path, overlay_of(command.document), version=command.version)


class CentralSettings:
    """What becomes of the commands that come."""

    def __init__(self, loader: SettingsLoader, reloader: Reloader) -> None:
        self._loader = loader
        self._book = loader.book
        self._reloader = reloader
        self._offered: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
        self._refused = b""  # the last message that was not believed: said once

    def offer(self, sealed: bytes) -> None:
        """Take a command in; one that waits is replaced, for only the newest counts."""
        if self._offered.full():
            self._offered.get_nowait()
        self._offered.put_nowait(sealed)

    async def run(self) -> None:
        """Take commands one after the other, until cancelled."""
        await self._after_start()
        while True:
            await self._take(await self._offered.get())

    async def _after_start(self) -> None:
        """Tell what became of the last version; what was on trial when the agent ended is over."""
        if self._book.page.trial:
            await asyncio.to_thread(self._book.take_back, "the agent ended while it was on trial")
        if (version := self._book.page.rolled_back) > 0:
            self._reloader.tell(SettingsState.ROLLED_BACK, version, self._book.page.why)

    async def _take(self, sealed: bytes) -> None:
        try:
            command = self._loader.open(sealed)
        except SettingsFileError as error:
            metrics.commands.labels("refused").inc()
            if sealed != self._refused:
                _log.error("command refused", problems=error.problems, hint=error.hint)
            self._refused = sealed
            return
        newest = self._book.page.newest
        if command.version <= newest:
            metrics.commands.labels("repeat" if command.version == newest else "old").inc()
            if command.version < newest:
                _log.warning("older settings ignored", version=command.version, newest=newest)
            return
        metrics.commands.labels(command.kind.name.lower()).inc()
        async with self._reloader.turn:
            try:
                wanted = await asyncio.to_thread(self._checked, command)
            except SettingsFileError as error:
                if command.kind is CommandKind.APPLY:
                    await asyncio.to_thread(self._book.spend, command.version)
                _log.error(
                    "the aggregator's settings refused",
                    version=command.version,
                    problems=error.problems,
                )
                self._reloader.tell(SettingsState.REFUSED, command.version, str(error))
                return
            if command.kind is CommandKind.CHECK:
                self._reloader.tell(SettingsState.CHECKED, command.version)
            else:
                await self._try(command, sealed, wanted)

    def _checked(self, command: SettingsCommand) -> Loaded:
        wanted = self._loader.with_command(command)
        check_taken(self._reloader.loaded.settings, wanted.settings)
        return wanted

    async def _try(self, command: SettingsCommand, sealed: bytes, wanted: Loaded) -> None:
        reloader, before = self._reloader, self._reloader.loaded
        names = {source.name for source in wanted.sources}
        owed = {
            health.name: health.readings
            for health in reloader.health()
            if health.state is _UP and health.name in names
        }
        await asyncio.to_thread(self._book.begin, command.version, sealed)
        await reloader.take(wanted)
        reloader.tell(SettingsState.TRIAL, command.version)
        same = {source.name for source in before.sources if source in wanted.sources}
        loop = asyncio.get_running_loop()
        until = loop.time() + command.trial_seconds
        missing = owed.keys() - same
        while missing and loop.time() < until:
            await asyncio.sleep(_LOOK_S)
            missing = {name for name in owed if not self._is_up(name, owed[name], wanted, same)}
        if not missing:
            await asyncio.to_thread(self._book.keep)
            reloader.tell(SettingsState.IN_FORCE, command.version)
            return
        why = "; ".join(
            f"{health.name} did not come up: {health.error or health.state.name.lower()}"
            for health in reloader.health()
            if health.name in missing
        )
        _log.error("settings taken back", version=command.version, why=why)
        await reloader.take(before)
        await asyncio.to_thread(self._book.take_back, why)
        reloader.tell(SettingsState.ROLLED_BACK, command.version, why)

    def _is_up(self, name: str, readings: int, wanted: Loaded, same: set[str]) -> bool:
        """Tell whether a source runs again: one that changed, and is not quiet, has to deliver."""
        quiet = name in same or _source(wanted.sources, name).spec.quiet
        return any(
            health.name == name and health.state is _UP and (quiet or health.readings > readings)
            for health in self._reloader.health()
        )


def _source(sources: Sequence[Source], name: str) -> Source:
    return next(source for source in sources if source.name == name)
