"""The line of one gateway: its parts, put together, and what they say of themselves.

    collect -> inbox -> sealer -> storage -> uplink

Beside it stand those that change it while it runs: settings, the certificate, the disk's budget.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from math import floor
from typing import Any, Final

from edge_agent import metrics
from edge_agent.clock import GatewayClock
from edge_agent.collect.collector import Collector
from edge_agent.config_sync.central import CentralSettings, SettingsLoader
from edge_agent.config_sync.handover import HandoverSender
from edge_agent.config_sync.reload import Parts, Reloader, fingerprints
from edge_agent.config_sync.renewal import CertificateKeeper
from edge_agent.keys import handover_path
from edge_agent.life import LifeStatements, version
from edge_agent.sealing.inbox import Inbox
from edge_agent.sealing.sealer import Sealer
from edge_agent.settings import Settings
from edge_agent.sources import Loaded
from edge_agent.storage import Storage
from edge_agent.uplink.receipt_book import ReceiptBook
from edge_agent.uplink.uplink import Uplink
from edge_agent.wear import Upkeep, Wear
from protocols.field.driver import Memory
from protocols.wire.checkpoint import NoteKey
from protocols.wire.life import UpkeepReport
from protocols.wire.reading import SECOND
from protocols.wire.seal import PublicKey, SealKey


class Line:
    """The parts of the line, and what they say of themselves together."""

    def __init__(
        self,
        loaded: Loaded,
        loader: SettingsLoader,
        *,
        storage: Storage,
        clock: GatewayClock,
        key: SealKey,
        memories: Mapping[str, Memory],
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
            sources,
            inbox=self.inbox,
            clock=clock,
            settings=settings.collect,
            memories=memories,
        )
        self.uplink = self._uplink(settings, storage=storage, clock=clock, key=key)
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
        self.handover = HandoverSender(handover_path(settings.seal_key_path), self.uplink.reply)

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
        for source, ends in self.collector.certificate_days().items():
            for whose, days in ends.items():
                metrics.source_certificate_days.labels(source, whose).set(days)

    def status(self) -> dict[str, Any]:
        """Return all that ``lotproof-agent status`` shows of a running agent."""
        buffer = self.storage.buffer
        head = buffer.head
        report = self.reloader.report
        known = self.uplink.receipts.known
        certificates = self.collector.certificate_days()
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
            "alerts": [
                text
                for text in (*self.uplink.alerts(), self.certificate.alert, *_ending(certificates))
                if text
            ],
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
                {
                    **asdict(source),
                    "state": source.state.name,
                    "certificate_days": certificates.get(source.name, {}),
                }
                for source in self.collector.health()
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

    def _uplink(
        self, settings: Settings, *, storage: Storage, clock: GatewayClock, key: SealKey
    ) -> Uplink:
        return Uplink(
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

    def _commanded(self, sealed: bytes) -> None:
        if not self.certificate.take(sealed):
            self.central.offer(sealed)

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


_ENDING_DAYS: Final = 30
"""Days before the end of a source's certificate from which on it is told as an alert."""


def _ending(certificates: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    for source, ends in certificates.items():
        for whose, days in ends.items():
            if days < _ENDING_DAYS:
                yield f"source {source}: the {whose}'s certificate " + (
                    f"is valid for {days:.1f} days yet" if days >= 0 else "has ended"
                )
