"""What the agent counts and measures, in base units; the only place where a metric is defined."""

from __future__ import annotations

import contextlib
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

readings_sealed: Final = Counter(
    "lotproof_agent_readings_sealed_total", "Readings sealed and on disk."
)
readings_refused: Final = Counter(
    "lotproof_agent_readings_refused_total",
    "Readings that could not be kept, by reason; each is declared in a gap.",
    ["reason"],
)
bundles_sealed: Final = Counter(
    "lotproof_agent_bundles_sealed_total", "Bundles sealed and on disk, heartbeats included."
)
commit_seconds: Final = Histogram(
    "lotproof_agent_commit_seconds",
    "Time from a cut to its bundles being on disk: encoding, sealing, the commit.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
bundles_sent: Final = Counter(
    "lotproof_agent_bundles_sent_total", "Bundles handed to the broker, by channel.", ["channel"]
)
bundles_freed: Final = Counter(
    "lotproof_agent_bundles_freed_total", "Bundles freed after a receipt covered them."
)
bundles_unreadable: Final = Counter(
    "lotproof_agent_bundles_unreadable_total", "Bundles that the disk did not give back whole."
)
receipts: Final = Counter(
    "lotproof_agent_receipts_total", "Receipts that came, by what became of them.", ["outcome"]
)
head_number: Final = Gauge("lotproof_agent_head_number", "Number of the last sealed bundle.")
receipted_number: Final = Gauge(
    "lotproof_agent_receipted_number", "Number up to which receipts have come."
)
buffer_bytes: Final = Gauge("lotproof_agent_buffer_bytes", "Bytes of the buffer that are in use.")
buffer_max_bytes: Final = Gauge("lotproof_agent_buffer_max_bytes", "Cap of the buffer.")
written_bytes: Final = Gauge(
    "lotproof_agent_written_bytes", "Bytes written to the disk by agents on this folder."
)
written_bytes_per_day: Final = Gauge(
    "lotproof_agent_written_per_day_bytes", "Bytes written to the disk a day, at the present rate."
)
seal_age_seconds: Final = Gauge(
    "lotproof_agent_seal_age_seconds", "Age after which a bundle is cut, the disk's budget held."
)
certificate_days: Final = Gauge(
    "lotproof_agent_certificate_days", "Days for which the gateway's certificate is valid."
)
inbox_readings: Final = Gauge("lotproof_agent_inbox_readings", "Readings that wait to be sealed.")
uplink_connected: Final = Gauge(
    "lotproof_agent_uplink_connected", "1 while connected to the broker, else 0."
)
source_state: Final = Gauge(
    "lotproof_agent_source_state",
    "State of a source: 0 connecting, 1 running, 2 down, 3 refused.",
    ["source"],
)
source_readings: Final = Counter(
    "lotproof_agent_source_readings_total", "Readings that a source delivered.", ["source"]
)
source_certificate_days: Final = Gauge(
    "lotproof_agent_source_certificate_days",
    "Days for which a certificate of a source's line is valid: the gateway's or the server's.",
    ["source", "whose"],
)
commands: Final = Counter(
    "lotproof_agent_commands_total",
    "Settings that came from the aggregator, by what became of them.",
    ["outcome"],
)
stray_errors: Final = Counter(
    "lotproof_agent_stray_errors_total", "Errors of tasks that nothing of the agent waited for."
)
build: Final = Gauge("lotproof_agent_info", "The version that runs, always 1.", ["version"])


def forget_source(name: str) -> None:
    """Show a source no more that the settings do not name any more."""
    for metric in (source_state, source_readings):
        with contextlib.suppress(KeyError):
            metric.remove(name)
    for whose in ("gateway", "server"):
        with contextlib.suppress(KeyError):
            source_certificate_days.remove(name, whose)
