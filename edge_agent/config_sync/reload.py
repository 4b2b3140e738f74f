"""Takes other settings into a running line, whole or not at all, and loses nothing by it.

What is wrong changes nothing and is told. Unchanged sources keep their connections; what was read
before is sealed under the settings before, and the bundle after it carries the new hash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from edge_agent.collect.collector import Changed, Collector
from edge_agent.errors import SettingsFileError
from edge_agent.sealing.inbox import Inbox
from edge_agent.sealing.sealer import Fingerprints, Sealer
from edge_agent.settings import Settings
from edge_agent.sources import Loaded, dictionary_hash, settings_hash
from edge_agent.uplink.mqtt import tls_context
from edge_agent.uplink.uplink import Uplink
from protocols.wire.life import SettingsReport, SettingsState, SourceHealth

_log = structlog.get_logger("settings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a line that take new settings while they run."""

    inbox: Inbox
    collector: Collector
    sealer: Sealer
    uplink: Uplink


class Reloader:
    """The settings in force, and how others take their place."""

    def __init__(self, parts: Parts, loaded: Loaded, load: Callable[[], Loaded]) -> None:
        """``load`` reads and checks the settings afresh; SettingsFileError where they are wrong."""
        self.loaded = loaded
        self.turn = asyncio.Lock()
        """Whoever changes settings does so alone, from the check to the end of a trial."""
        self.report = _report(loaded, SettingsState.IN_FORCE, loaded.version)
        self._parts = parts
        self._load = load

    async def reload(self) -> Changed:
        """Take the settings as they are written now; SettingsFileError changes nothing."""
        if self.turn.locked():
            _log.warning("settings are not read: others are being taken at this moment")
            raise SettingsFileError(
                ("other settings are being taken at this moment",), hint="try again when they are"
            )
        async with self.turn:
            try:
                wanted = await asyncio.to_thread(self._load)
                await asyncio.to_thread(check_taken, self.loaded.settings, wanted.settings)
            except SettingsFileError as error:
                self.tell(SettingsState.REFUSED, 0, str(error))
                _log.error("new settings refused", problems=error.problems, hint=error.hint)
                raise
            changed = await self.take(wanted)
            self.tell(SettingsState.IN_FORCE, wanted.version)
            return changed

    async def take(self, wanted: Loaded) -> Changed:
        """Go on under settings that were checked; the caller has the ``turn``."""
        parts, settings = self._parts, wanted.settings
        prints = fingerprints(wanted)

        async def seal() -> None:
            await parts.sealer.change(settings.seal, prints)

        changed = await parts.collector.change(wanted.sources, settings.collect, seal)
        parts.inbox.limit(
            readings_max=settings.collect.readings_max,
            cut_count=settings.seal.count_max,
            cut_bytes=settings.seal.bytes_max,
        )
        parts.uplink.change(settings.uplink)
        self.loaded = wanted
        _log.info(
            "settings taken",
            settings_hash=prints.settings.hex(),
            version=wanted.version,
            **changed._asdict(),
        )
        return changed

    def tell(self, state: SettingsState, offered: int, why: str = "") -> None:
        """Say in status and life what became of the settings that were offered last."""
        self.report = _report(self.loaded, state, offered, why=why)
        self._parts.uplink.speak()

    def health(self) -> Sequence[SourceHealth]:
        """Return how the sources are."""
        return self._parts.collector.health()


def fingerprints(loaded: Loaded) -> Fingerprints:
    """Return the hashes that headers carry under these settings."""
    return Fingerprints(settings_hash(loaded), dictionary_hash(loaded.sources))


def check_taken(before: Settings, after: Settings) -> None:
    """Raise SettingsFileError where a running agent cannot take ``after`` in place of ``before``.

    It cannot where a key differs that holds from start to end, or the certificates do not load.
    """
    problems = [
        f"{table}{key and '.'}{key}: changes only with a restart; put it back, or restart the agent"
        for table, keys in _FROM_START.items()
        for key in keys
        if _value(before, table, key) != _value(after, table, key)
    ]
    try:
        tls_context(after.uplink)
    except (OSError, ValueError) as error:
        problems.append(f"uplink.ca, certificate or key: {error}")
    if problems:
        raise SettingsFileError(tuple(problems))


_FROM_START: Final = {
    "gateway": ("",),
    "buffer": ("",),
    "aggregator": ("",),
    "clock": ("",),
    "metrics": ("",),
    "seal": ("key", "algorithm"),
}


def _value(settings: Settings, table: str, key: str) -> object:
    found = getattr(settings, table)
    return getattr(found, key) if key else found


def _report(loaded: Loaded, state: SettingsState, offered: int, *, why: str = "") -> SettingsReport:
    return SettingsReport(
        hash=settings_hash(loaded), version=loaded.version, state=state, offered=offered, why=why
    )
