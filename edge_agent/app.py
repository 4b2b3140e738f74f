"""Composition root: builds the line from the settings and supervises it.

    collect -> inbox -> sealer -> storage -> uplink

Nothing else constructs its neighbours. Whatever part ends with an error ends the agent with exit
code 1; systemd starts it again, and the next start declares what was missing meanwhile. What a
driver does wrong is its source's alone (``collect``).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Sequence
from typing import Any, Final

import structlog
from prometheus_client import start_http_server

from edge_agent import metrics
from edge_agent.buffer.look_back import look_back
from edge_agent.clock import SKEW_MAX, GatewayClock, KernelClock
from edge_agent.config_sync.central import SettingsLoader
from edge_agent.errors import LineError, SettingsFileError
from edge_agent.keys import load_or_create
from edge_agent.life import ServiceManager, version
from edge_agent.line import Line
from edge_agent.sources import Source
from edge_agent.status import RELOAD, STATUS, LocalServer
from edge_agent.storage import Storage
from protocols.field.driver import Memory

_log = structlog.get_logger("agent")
_TICK_S: Final = 5.0
_YOUNG_MAX: Final = 20_000
"""Objects made since the last look for circular garbage before the next one.

Readings are made by the thousand and are no garbage of that kind: at Python's own 700 the collector
would go through each of them, for 0.8 us a reading."""
_GOODBYE_S: Final = 3.0


class Agent:
    """One agent in one process."""

    def __init__(self, loader: SettingsLoader) -> None:
        """Run with what ``loader`` gives; SettingsFileError where the settings cannot work."""
        self._loader = loader
        self._loaded = loader()
        self._settings = self._loaded.settings
        self._stopping = asyncio.Event()
        self._manager = ServiceManager()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; an error that nothing could recover from leaves it."""
        gc.set_threshold(_YOUNG_MAX)
        settings = self._settings
        clock = GatewayClock(KernelClock(synchronised=settings.clock.synchronised))
        key = load_or_create(settings.seal_key_path, settings.seal.algorithm.wire)
        storage = Storage(
            settings.gateway.data_dir,
            gateway=settings.gateway_id,
            bytes_max=settings.buffer.bytes_max,
            clock=clock,
        )
        try:
            await storage.open()
            clock.anchor()
            _log.info(
                "agent starts",
                gateway=settings.gateway.id,
                version=version(),
                epoch=storage.buffer.epoch.hex(),
                head=storage.buffer.head.number,
                seal_key=key.public.to_text(),
                clock=clock.state().state.name,
            )
            memories = await _memories(self._loaded.sources, storage, clock)
            line = Line(
                self._loaded,
                self._loader,
                storage=storage,
                clock=clock,
                key=key,
                memories=memories,
            )
            await self._supervise(line)
        finally:
            await storage.close()

    def stop(self) -> None:
        """End in good order: seal what there is, say goodbye."""
        self._stopping.set()

    async def _supervise(self, line: Line) -> None:
        """Run the parts; end all of them when one fails or a signal asks for it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.set_exception_handler(_report_stray)
        servers = self._servers(line)
        collect = asyncio.create_task(line.collector.run(), name="collect")
        seal = asyncio.create_task(line.sealer.run(), name="seal")
        uplink = asyncio.create_task(line.uplink.run(), name="uplink")
        stop = asyncio.create_task(self._stopping.wait(), name="stop")
        tick = asyncio.create_task(self._tick(line), name="tick")
        reload = asyncio.create_task(self._reload_on_signal(line), name="reload")
        central = asyncio.create_task(line.central.run(), name="settings")
        certificate = asyncio.create_task(line.certificate.run(), name="certificate")
        handover = asyncio.create_task(line.handover.run(), name="handover")
        parts = (collect, seal, uplink, stop, tick, reload, central, certificate, handover)
        try:
            for server in servers:
                await server.start()
            self._serve_metrics()
            self._manager.notify("READY=1")
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            self._manager.notify("STOPPING=1")
            ending = (reload, central, certificate, handover, collect)
            for each in ending:
                each.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
            line.inbox.close()
            if line.storage.failed is None:
                await asyncio.gather(seal, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    await line.uplink.flush()
            line.uplink.stop()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    await asyncio.gather(uplink, return_exceptions=True)
        finally:
            for part in parts:
                part.cancel()
            ends = await asyncio.gather(*parts, return_exceptions=True)
            for server in servers:
                await server.stop()
        for name, end in zip([part.get_name() for part in parts], ends, strict=True):
            if isinstance(end, Exception):
                _log.error("the agent ends: a part of it failed", part=name)
                raise end

    def _servers(self, line: Line) -> tuple[LocalServer, ...]:
        folder = self._settings.gateway.data_dir

        async def status() -> dict[str, Any]:
            return line.status()

        async def reload() -> dict[str, Any]:
            return await self._reload(line)

        return LocalServer(folder, STATUS, status), LocalServer(folder, RELOAD, reload)

    async def _reload_on_signal(self, line: Line) -> None:
        """Take new settings at each SIGHUP; what is wrong with them is told, and ends nothing."""
        hung_up = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up.set)
        while True:
            await hung_up.wait()
            hung_up.clear()
            await self._reload(line)

    async def _reload(self, line: Line) -> dict[str, Any]:
        self._manager.notify("RELOADING=1")
        try:
            changed = await line.reloader.reload()
        except SettingsFileError as error:
            return {"outcome": "refused", "problems": error.problems, "hint": error.hint}
        finally:
            self._manager.notify("READY=1")
        settings_hash = line.reloader.report.hash.hex()
        return {"outcome": "taken", "settings_hash": settings_hash, **changed._asdict()}

    async def _tick(self, line: Line) -> None:
        """Keep gauges, the service manager's status and its watchdog fresh."""
        metrics.build.labels(version()).set(1)
        while True:
            receipted = line.uplink.receipted
            used, oldest = await line.storage.run(
                lambda buffer: (buffer.used_bytes(), buffer.sealed_time(receipted + 1))  # noqa: B023 # run before the next turn
            )
            line.oldest = oldest if line.storage.buffer.head.number > receipted else None
            buffer = line.storage.buffer
            metrics.buffer_bytes.set(used)
            metrics.buffer_max_bytes.set(buffer.bytes_max)
            metrics.head_number.set(buffer.head.number)
            metrics.receipted_number.set(line.uplink.receipted)
            metrics.inbox_readings.set(line.inbox.readings)
            line.used_bytes = used
            await line.look_at_upkeep()
            # Asked through the storage's thread, and not without a cut in time: a disk or a
            # sealer that hangs makes the watchdog bark.
            watchdog = "WATCHDOG=1\n" if line.sealer.in_time() else ""
            self._manager.notify(f"{watchdog}STATUS={line.summary()}")
            await asyncio.sleep(_TICK_S)

    def _serve_metrics(self) -> None:
        port = self._settings.metrics.port
        if port is None:
            return
        try:
            start_http_server(port, addr="127.0.0.1")
        except OSError as error:
            raise LineError(
                f"metrics cannot be served on port {port}: {error}", hint="change metrics.port"
            ) from error


async def _memories(
    sources: Sequence[Source], storage: Storage, clock: GatewayClock
) -> dict[str, Memory]:
    """Return what is known of the sources that may be asked for what the agent's stop cost."""
    since, now = storage.missing_since, clock.gateway_time()
    wanted = {
        source.name: [str(getattr(signal, "name", "")) for signal in source.signals()]
        for source in sources
        if source.spec.recalls
    }
    # A new epoch's buffer is empty: nothing in it tells what came already.
    if not wanted or since is None or storage.buffer.head.number < 0:
        return {}
    return await storage.run(
        lambda buffer: look_back(buffer, wanted, since=since, now=now, skew_max=SKEW_MAX)
    )


def _report_stray(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Count and tell what a task or callback raised that nobody waits for, such as a library's."""
    metrics.stray_errors.inc()
    _log.error(
        "an error that nobody waited for",
        what=context["message"],
        exc_info=context.get("exception"),
    )
