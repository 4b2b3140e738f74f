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
from dataclasses import asdict
from math import floor
from typing import Any, Final

import structlog
from prometheus_client import start_http_server

from edge_agent import metrics
from edge_agent.clock import GatewayClock, KernelClock
from edge_agent.collect.collector import Collector
from edge_agent.config_sync.central import CentralSettings, SettingsLoader
from edge_agent.config_sync.reload import Parts, Reloader, fingerprints
from edge_agent.config_sync.renewal import CertificateKeeper
from edge_agent.errors import LineError, SettingsFileError
from edge_agent.keys import load_or_create
from edge_agent.life import LifeStatements, ServiceManager, version
from edge_agent.sealing.inbox import Inbox
from edge_agent.sealing.sealer import Sealer
from edge_agent.sources import Loaded
from edge_agent.status import RELOAD, STATUS, LocalServer
from edge_agent.storage import Storage
from edge_agent.uplink.receipt_book import ReceiptBook
from edge_agent.uplink.uplink import Uplink
from edge_agent.wear import Upkeep, Wear
from protocols.wire.checkpoint import NoteKey
from protocols.wire.life import UpkeepReport
from protocols.wire.reading import SECOND
from protocols.wire.seal import PublicKey, SealKey

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
            line = _Line(self._loaded, self._loader, storage=storage, clock=clock, key=key)
            await self._supervise(line)
        finally:
            await storage.close()

    def stop(self) -> None:
        """End in good order: seal what there is, say goodbye."""
        self._stopping.set()

    async def _supervise(self, line: _Line) -> None:
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
        parts = (collect, seal, uplink, stop, tick, reload, central, certificate)
        try:
            for server in servers:
                await server.start()
            self._serve_metrics()
            self._manager.notify("READY=1")
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            self._manager.notify("STOPPING=1")
            ending = (reload, central, certificate, collect)
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

    def _servers(self, line: _Line) -> tuple[LocalServer, ...]:
        folder = self._settings.gateway.data_dir

        async def status() -> dict[str, Any]:
            return line.status()

        async def reload() -> dict[str, Any]:
            return await self._reload(line)

        return LocalServer(folder, STATUS, status), LocalServer(folder, RELOAD, reload)

    async def _reload_on_signal(self, line: _Line) -> None:
        """Take new settings at each SIGHUP; what is wrong with them is told, and ends nothing."""
        hung_up = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up.set)
        while True:
            await hung_up.wait()
            hung_up.clear()
            await self._reload(line)

    async def _reload(self, line: _Line) -> dict[str, Any]:
        self._manager.notify("RELOADING=1")
        try:
            changed = await line.reloader.reload()
        except SettingsFileError as error:
            return {"outcome": "refused", "problems": error.problems, "hint": error.hint}
        finally:
            self._manager.notify("READY=1")
        settings_hash = line.reloader.report.hash.hex()
        return {"outcome": "taken", "settings_hash": settings_hash, **changed._asdict()}

    async def _tick(self, line: _Line) -> None:
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


def _report_stray(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Count and tell what a task or callback raised that nobody waits for, such as a library's."""
    metrics.stray_errors.inc()
    _log.error(
        "an error that nobody waited for",
        what=context["message"],
        exc_info=context.get("exception"),
    )


class _Line:
    """The parts of the line, and what they say of themselves together."""

    def __init__(
        self,
        loaded: Loaded,
        loader: SettingsLoader,
        *,
        storage: Storage,
        clock: GatewayClock,
        key: SealKey,
    ) -> None:
        settings, sources = loaded.settings, loaded.sources
        self.storage = storage
        self.used_bytes = 0
        self.oldest: int | None = None  # sealed time of the oldest bundle without a receipt
        self.inbox = Inbox(
            readings_max=settings.collect.readings_max,
            cut_count=settings.seal.count_max,
            cut_bytes=settings.seal.bytes_max,
        )
        self.collector = Collector(
            sources, inbox=self.inbox, clock=clock, settings=settings.collect
        )
        self.uplink = Uplink(
            storage=storage,
            receipts=ReceiptBook(
                storage=storage,
                clock=clock,
                retention=settings.buffer,
                aggregator=PublicKey.from_text(settings.aggregator.seal_key),
                log=NoteKey.from_text(settings.aggregator.log_key),
            ),
            statements=LifeStatements(
                storage=storage,
                clock=clock,
                key=key,
                sources=self.collector.health,
                settings=lambda: self.reloader.report,
                upkeep=self._upkeep,
            ),
            settings=settings.uplink,
            declare=self.inbox.declare,
            commanded=self._commanded,
        )
        self.sealer = Sealer(
            inbox=self.inbox,
            storage=storage,
            clock=clock,
            key=key,
            settings=settings.seal,
            fingerprints=fingerprints(loaded),
            down=self.collector.down,
            sealed=self.uplink.sealed,
        )
        self._wear = Wear(
            settings.gateway.data_dir,
            budget=settings.buffer.write_bytes_per_day_max,
            endurance=settings.buffer.endurance_bytes,
            age_bound_s=settings.buffer.age_stretch_max_s,
        )
        self._disk: Upkeep | None = None
        self._clock = clock
        parts = Parts(
            inbox=self.inbox, collector=self.collector, sealer=self.sealer, uplink=self.uplink
        )
        self.reloader = Reloader(parts, loaded, loader)
        self.central = CentralSettings(loader, self.reloader)
        self.certificate = CertificateKeeper(
            gateway=settings.gateway_id,
            aggregator=loader.key,
            clock=clock,
            key=key,
            settings=lambda: self.reloader.loaded.settings.uplink,
            send=self.uplink.reply,
            renewed=self.uplink.reconnect,
        )

    async def look_at_upkeep(self) -> None:
        """Measure what is written, and have bundles cut later where that is over its budget."""
        now, age_s = asyncio.get_running_loop().time(), self.reloader.loaded.settings.seal.age_max_s
        self._disk = disk = await asyncio.to_thread(self._wear.look, now, age_s)
        self.sealer.age_s = disk.age_s
        metrics.seal_age_seconds.set(disk.age_s)
        metrics.written_bytes.set(disk.bytes_written)
        if disk.bytes_per_day is not None:
            metrics.written_bytes_per_day.set(disk.bytes_per_day)
        if (days := self.certificate.days_left()) is not None:
            metrics.certificate_days.set(days)

    def _upkeep(self) -> UpkeepReport | None:
        disk, days = self._disk, self.certificate.days_left()
        if disk is None:
            return None
        return UpkeepReport(
            bytes_per_day=disk.bytes_per_day,
            seal_age=round(disk.age_s * SECOND),
            disk_days_left=None if disk.days_left is None else int(disk.days_left),
            certificate_days_left=None if days is None else floor(days),
        )

    def status(self) -> dict[str, Any]:
        """Return all that ``lotproof-agent status`` shows of a running agent."""
        buffer = self.storage.buffer
        head = buffer.head
        report = self.reloader.report
        known = self.uplink.receipts.known
        return {
            "gateway": buffer.gateway,
            "version": version(),
            "epoch": buffer.epoch.hex(),
            "opened_because": buffer.opening.reason.name,
            "head": head.number,
            "receipted": self.uplink.receipted,
            "readings": head.counters.read,
            "readings_sealed": head.counters.sealed,
            "readings_refused": dict(head.counters.refused),
            "last_sealed": head.sealed_time,
            "buffer_bytes": self.used_bytes,
            "buffer_bytes_max": buffer.bytes_max,
            "uplink": self.uplink.state.name,
            "uplink_error": self.uplink.error,
            "alerts": [text for text in (*self.uplink.alerts(), self.certificate.alert) if text],
            "certificate_days": self.certificate.days_left(),
            "disk": None if self._disk is None else asdict(self._disk),
            "oldest_unacknowledged": self.oldest,
            "last_receipt": None if known is None else known.record_time,
            "clock": self._clock.state().state.name,
            "clock_offset_ns": self.uplink.receipts.clock_offset,
            "time": self._clock.gateway_time(),
            "settings": {
                "hash": report.hash.hex(),
                "version": report.version,
                "state": report.state.name,
                "offered": report.offered,
                "why": report.why,
            },
            "sources": [
                {**asdict(source), "state": source.state.name} for source in self.collector.health()
            ],
        }

    def _commanded(self, sealed: bytes) -> None:
        if not self.certificate.take(sealed):
            self.central.offer(sealed)

    def summary(self) -> str:
        """Return one sentence for ``systemctl status``."""
        sources = self.collector.health()
        running = sum(source.state.name == "RUNNING" for source in sources)
        return (
            f"{running} of {len(sources)} sources running, "
            f"uplink {self.uplink.state.name.lower()}, "
            f"{self.storage.buffer.head.number - self.uplink.receipted} bundles to go"
        )
