"""Composition root: builds the line from the settings and supervises it.

    collect -> inbox -> sealer -> storage -> uplink

Nothing else constructs its neighbours. Whatever part ends with an error ends the agent with exit
code 1; systemd starts it again, and the next start declares what was missing meanwhile. What a
driver does wrong is its source's alone (``collect``).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import structlog
from prometheus_client import start_http_server

from edge_agent import metrics
from edge_agent.clock import GatewayClock, KernelClock
from edge_agent.collect import Collector
from edge_agent.errors import LineError
from edge_agent.keys import load_or_create
from edge_agent.life import LifeStatements, ServiceManager, version
from edge_agent.sealing.inbox import Inbox
from edge_agent.sealing.sealer import Fingerprints, Sealer
from edge_agent.settings import Settings
from edge_agent.sources import Source, dictionary_hash, settings_hash
from edge_agent.status import StatusServer
from edge_agent.storage import Storage
from edge_agent.uplink.receipt_book import ReceiptBook
from edge_agent.uplink.uplink import Uplink
from protocols.wire.checkpoint import NoteKey
from protocols.wire.seal import PublicKey, SealKey

_log = structlog.get_logger("agent")
_TICK_S: Final = 5.0
_GOODBYE_S: Final = 3.0


class Agent:
    """One agent in one process."""

    def __init__(self, settings: Settings, sources: Sequence[Source]) -> None:
        self._settings = settings
        self._sources = sources
        self._stopping = asyncio.Event()
        self._manager = ServiceManager()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; an error that nothing could recover from leaves it."""
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
            line = _Line(settings, self._sources, storage=storage, clock=clock, key=key)
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
        server = StatusServer(self._settings.gateway.data_dir, line.status)
        loop.set_exception_handler(_report_stray)
        collect = asyncio.create_task(self._collect(line), name="collect")
        seal = asyncio.create_task(line.sealer.run(), name="seal")
        uplink = asyncio.create_task(line.uplink.run(), name="uplink")
        stop = asyncio.create_task(self._stopping.wait(), name="stop")
        tick = asyncio.create_task(self._tick(line), name="tick")
        parts = (collect, seal, uplink, stop, tick)
        try:
            await server.start()
            self._serve_metrics()
            self._manager.notify("READY=1")
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            self._manager.notify("STOPPING=1")
            collect.cancel()
            await asyncio.gather(collect, return_exceptions=True)
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
            await server.stop()
        for name, end in zip([part.get_name() for part in parts], ends, strict=True):
            if isinstance(end, Exception):
                _log.error("the agent ends: a part of it failed", part=name)
                raise end

    async def _collect(self, line: _Line) -> None:
        """Read the sources; where all were refused the gateway still proves its silence."""
        await line.collector.run()
        await self._stopping.wait()

    async def _tick(self, line: _Line) -> None:
        """Keep gauges, the service manager's status and its watchdog fresh."""
        metrics.build.labels(version()).set(1)
        while True:
            used = await line.storage.run(lambda buffer: buffer.used_bytes())
            buffer = line.storage.buffer
            metrics.buffer_bytes.set(used)
            metrics.buffer_max_bytes.set(buffer.bytes_max)
            metrics.head_number.set(buffer.head.number)
            metrics.receipted_number.set(line.uplink.receipted)
            metrics.inbox_readings.set(line.inbox.readings)
            line.used_bytes = used
            # Asked through the storage's thread: a disk that hangs makes the watchdog bark.
            self._manager.notify(f"WATCHDOG=1\nSTATUS={line.summary()}")
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
        settings: Settings,
        sources: Sequence[Source],
        *,
        storage: Storage,
        clock: GatewayClock,
        key: SealKey,
    ) -> None:
        self.storage = storage
        self.used_bytes = 0
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
                storage=storage, clock=clock, key=key, sources=self.collector.health
            ),
            settings=settings.uplink,
            declare=self.inbox.declare,
        )
        self.sealer = Sealer(
            inbox=self.inbox,
            storage=storage,
            clock=clock,
            key=key,
            settings=settings.seal,
            fingerprints=Fingerprints(settings_hash(settings, sources), dictionary_hash(sources)),
            down=self.collector.down,
            sealed=self.uplink.sealed,
        )

    def status(self) -> dict[str, Any]:
        """Return all that ``lotproof-agent status`` shows of a running agent."""
        buffer = self.storage.buffer
        head = buffer.head
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
            "alerts": [text for text in self.uplink.alerts() if text],
            "sources": [
                {**asdict(source), "state": source.state.name} for source in self.collector.health()
            ],
        }

    def summary(self) -> str:
        """Return one sentence for ``systemctl status``."""
        sources = self.collector.health()
        running = sum(source.state.name == "RUNNING" for source in sources)
        return (
            f"{running} of {len(sources)} sources running, "
            f"uplink {self.uplink.state.name.lower()}, "
            f"{self.storage.buffer.head.number - self.uplink.receipted} bundles to go"
        )
