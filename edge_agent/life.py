"""What the gateway says of itself: sealed birth, heartbeat and death, and a word to systemd."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from importlib import metadata

import structlog

from edge_agent.clock import GatewayClock
from edge_agent.storage import Storage
from protocols.wire.life import (
    Life,
    LifeKind,
    SettingsReport,
    SourceHealth,
    UpkeepReport,
    seal_life,
)
from protocols.wire.seal import SealKey

_log = structlog.get_logger("life")


def version() -> str:
    """Return the version of the agent that is installed."""
    try:
        return metadata.version("lotproof")
    except metadata.PackageNotFoundError:
        return "unknown"


class LifeStatements:
    """Seals statements about this gateway as it is now."""

    def __init__(
        self,
        *,
        storage: Storage,
        clock: GatewayClock,
        key: SealKey,
        sources: Callable[[], Sequence[SourceHealth]],
        settings: Callable[[], SettingsReport],
        upkeep: Callable[[], UpkeepReport | None] = lambda: None,
    ) -> None:
        """Ask ``sources``, ``settings`` and ``upkeep`` at each statement how these are."""
        self._settings = settings
        self._upkeep = upkeep
        self._storage = storage
        self._clock = clock
        self._key = key
        self._sources = sources
        self._version = version()

    def connection(self) -> int:
        """Return a number for a new connection that is greater than any before it in this boot."""
        return self._clock.monotonic_ns() // 1_000_000

    async def seal(self, kind: LifeKind, connection: int) -> bytes:
        """Return a sealed statement."""
        used = await self._storage.run(lambda buffer: buffer.used_bytes())
        buffer = self._storage.buffer
        life = Life(
            gateway=buffer.gateway,
            epoch=buffer.epoch,
            kind=kind,
            boot=self._clock.boot,
            connection=connection,
            time=self._clock.gateway_time(),
            head=buffer.head.number,
            receipted=buffer.receipt.number,
            buffer_bytes=used,
            buffer_bytes_max=buffer.bytes_max,
            version=self._version,
            sources=tuple(self._sources()),
            settings=self._settings(),
            upkeep=self._upkeep(),
        )
        return seal_life(life, self._key)


class ServiceManager:
    """systemd's notification socket (sd_notify(3)); silent where there is none."""

    def __init__(self, address: str | None = None) -> None:
        """Speak to ``address``, or to what NOTIFY_SOCKET names."""
        self._address = os.environ.get("NOTIFY_SOCKET") if address is None else address

    def notify(self, state: str) -> None:
        """Send ``READY=1``, ``RELOADING=1``, ``STATUS=...``, ``WATCHDOG=1`` or ``STOPPING=1``."""
        if not self._address:
            return
        address = self._address
        if address.startswith("@"):  # an abstract socket
            address = "\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)
                out.sendto(state.encode(), address)
        except OSError as error:
            _log.debug("service manager not reached", error=str(error))
