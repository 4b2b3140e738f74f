"""How what gateways send is taken and kept."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, SecretStr

from aggregator.settings.table import Table, UserPath


class Mqtt(StrEnum):
    """Versions of MQTT."""

    AUTO = "auto"  # 5, and 3.1.1 where the broker has no 5
    V5 = "5"
    V311 = "3.1.1"


class StoreSettings(Table):
    """Where evidence, master data and records are kept."""

    url: SecretStr = Field(
        default=SecretStr("sqlite:///var/lotproof/aggregator.db"),
        description="`sqlite:///<path>` (four slashes for an absolute one) or `postgresql://...`",
    )
    readers: int = Field(default=2, ge=1, le=64, description="connections that only read")
    timeout_seconds: float = Field(
        default=10.0, gt=0, description="longest wait for the store, for one statement or a lock"
    )


class BrokerSettings(Table):
    """How to reach the MQTT broker."""

    host: str = Field(default="127.0.0.1", description="host name or address")
    port: int = Field(default=8883, ge=1, le=65535, description="port; 8883 is MQTT over TLS")
    version: Mqtt = Field(default=Mqtt.AUTO, description="version of MQTT to speak")
    client_id: str = Field(
        default="lotproof-aggregator",
        min_length=1,
        description="name of the session; stable, and different for each worker",
    )
    ca_file: UserPath | None = Field(
        default=None, description="PEM file of the CA that the broker's certificate is checked by"
    )
    certificate_file: UserPath | None = Field(
        default=None, description="PEM file of our client certificate"
    )
    key_file: UserPath | None = Field(
        default=None, description="PEM file of our client certificate's private key"
    )
    gateways: str = Field(
        default="+", description="gateways whose messages are taken: one id, or `+` for all"
    )
    share: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_-]*$",
        description="name of a shared subscription, where several workers divide the messages",
    )
    keepalive_seconds: int = Field(
        default=30, ge=5, le=3600, description="longest silence before a ping"
    )
    connect_timeout_seconds: float = Field(
        default=10.0, gt=0, description="longest wait for the broker's answer"
    )
    retry_seconds_max: int = Field(
        default=30, ge=1, le=3600, description="longest wait between two attempts to connect"
    )
    inflight_max: int = Field(
        default=1024,
        ge=1,
        le=65535,
        description="messages taken and not yet acknowledged; the broker keeps the others",
    )


class IntakeSettings(Table):
    """How messages become evidence."""

    group_messages_max: int = Field(
        default=256, ge=1, le=10_000, description="messages committed in one transaction"
    )
    group_bytes_max: int = Field(
        default=16_777_216, ge=1_048_576, description="bytes of messages in one transaction"
    )
    quarantine_bytes_max: int = Field(
        default=1_073_741_824,
        ge=0,
        description="bytes of refused messages kept; beyond it only what was wrong is kept",
    )
    retry_seconds: float = Field(
        default=1.0, gt=0, description="wait before a group is tried again when the store failed"
    )


class LogSettings(Table):
    """The transparency log."""

    origin: str = Field(
        default="lotproof.local/plant",
        pattern=r"^[^\s+]+$",
        description="name of the log and of its key, as verifiers know it; never changed",
    )
    checkpoint_seconds: float = Field(
        default=10.0, gt=0, description="longest wait from a new leaf to a checkpoint over it"
    )


class SegmentSettings(Table):
    """The index over the bundles."""

    build_seconds: float = Field(
        default=10.0, gt=0, description="wait between two looks for bundles to be indexed"
    )
    bundles_min: int = Field(
        default=60, ge=1, description="new bundles of an epoch that are worth a segment"
    )
    span_seconds: int = Field(
        default=3600, ge=60, description="time that a finished segment covers, about"
    )
