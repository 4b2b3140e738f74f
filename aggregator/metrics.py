"""The aggregator's metrics; defined here alone, served as Prometheus text at ``/metrics``."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

BUNDLES: Final = Counter(
    "lotproof_aggregator_bundles_total",
    "Bundles verified and stored, by what the chain said of them (next, ahead, repeat).",
    ["verdict"],
)
READINGS: Final = Counter(
    "lotproof_aggregator_readings_total", "Readings in bundles that were verified and stored."
)
BUNDLE_BYTES: Final = Counter(
    "lotproof_aggregator_bundle_bytes_total", "Bytes of bundles that were verified and stored."
)
QUARANTINED: Final = Counter(
    "lotproof_aggregator_quarantined_messages_total",
    "Messages that were refused, by the number of the check (docs/specs/intake.md) and the reason.",
    ["check", "reason"],
)
RECEIPTS: Final = Counter(
    "lotproof_aggregator_receipts_total", "Receipts that were sealed and given to the broker."
)
GROUPS: Final = Histogram(
    "lotproof_aggregator_group_messages",
    "Messages that were committed in one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
GROUP_SECONDS: Final = Histogram(
    "lotproof_aggregator_group_seconds",
    "Time from taking a group of messages to its commit.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
WAITING: Final = Gauge(
    "lotproof_aggregator_waiting_messages", "Messages taken from the broker and not yet stored."
)
CONNECTED: Final = Gauge(
    "lotproof_aggregator_broker_connected", "1 while the broker is connected, else 0."
)
STORE_FAILURES: Final = Counter(
    "lotproof_aggregator_store_failures_total", "Groups of messages that the store failed to take."
)
LIVES: Final = Counter(
    "lotproof_aggregator_lives_total", "Statements of gateways about themselves.", ["kind"]
)
LOCKED: Final = Counter(
    "lotproof_aggregator_locked_accounts_total",
    "Accounts that were locked after failures in a row.",
)
SIGNATURES: Final = Counter(
    "lotproof_aggregator_signatures_total", "Electronic signatures, by their meaning.", ["meaning"]
)
LOG_SIZE: Final = Gauge("lotproof_aggregator_log_leaves", "Leaves in the transparency log.")
CHECKPOINTS: Final = Counter(
    "lotproof_aggregator_checkpoints_total", "Checkpoints of the log that were signed."
)
SEGMENTS: Final = Counter(
    "lotproof_aggregator_segments_total", "Segments of the index that were built."
)
UNSEGMENTED: Final = Gauge(
    "lotproof_aggregator_unsegmented_bundles", "Bundles that no segment of the index covers yet."
)
OVERTAKEN: Final = Gauge(
    "lotproof_aggregator_overtaken_records", "Records that something came about since."
)
DRILL_SECONDS: Final = Histogram(
    "lotproof_aggregator_recall_drill_seconds",
    "Time that a drill took to locate everything that was made of a lot drawn by chance.",
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60),
)
EVENTS_DELIVERED: Final = Counter(
    "lotproof_aggregator_events_delivered_total",
    "Events that a receiver or the broker has taken, by the way they went.",
    ["way"],
)
EVENT_FAILURES: Final = Counter(
    "lotproof_aggregator_event_failures_total", "Attempts at a webhook that took no event."
)
EVENTS_WAITING: Final = Gauge(
    "lotproof_aggregator_waiting_events", "Events that the receiver furthest behind has not had."
)
DEAD_LETTERS: Final = Gauge(
    "lotproof_aggregator_dead_letters", "Events that were given up and not sent again since."
)
IMPORTED: Final = Counter(
    "lotproof_aggregator_imported_items_total",
    "Items that came from other systems, by interface and what became of them.",
    ["interface", "outcome"],
)
MISFITS: Final = Gauge(
    "lotproof_aggregator_waiting_misfits", "Items that do not fit and wait for a person."
)
