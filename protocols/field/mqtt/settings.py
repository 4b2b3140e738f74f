"""What can be configured of a broker and of what is published there; signals may be CSV rows."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from protocols.field.driver import DriverSettings, SignalSettings
from protocols.field.mqtt.path import parse_path
from protocols.wire.reading import Kind

__all__ = ["Format", "MqttSettings", "MqttSignal", "Version"]


class Version(StrEnum):
    """Of MQTT."""

    V5 = "5"
    V311 = "3.1.1"


class Format(StrEnum):
    """What a payload is."""

    JSON = "json"  # RFC 8259; a bare number or text is JSON too
    PLAIN = "plain"  # the payload itself, as text or octets
    SPARKPLUG = "sparkplug"  # Sparkplug B, namespace spBv1.0


class MqttSignal(SignalSettings):
    """One value in what is published."""

    topic: str = Field(
        min_length=1,
        max_length=1024,
        description="Topic, without wildcards; of sparkplug GROUP/NODE or GROUP/NODE/DEVICE.",
    )
    format: Format = Field(default=Format.JSON, description="json, plain or sparkplug.")
    path: str = Field(
        default="",
        description="Where in the JSON, for example press.zones[0].temp, empty for all of it; of "
        "sparkplug the metric's name.",
    )
    time_path: str = Field(
        default="", description="Where in the JSON its time is; empty: none is given."
    )
    time_unit: str = Field(
        default="iso",
        pattern="^(iso|s|ms|us|ns)$",
        description="iso for ISO 8601 (UTC where no zone is named), or the unit since 1970.",
    )
    optional: bool = Field(
        default=False, description="A message without the path says nothing of it, and is not BAD."
    )

    @field_validator("topic")
    @classmethod
    def _one_topic(cls, topic: str) -> str:
        if any(sign in topic for sign in "+#\0") or topic.startswith("$"):
            raise ValueError("name one topic: no +, # or $share, for a signal is one variable")
        return topic

    @model_validator(mode="after")
    def _agree(self) -> Self:
        match self.format:
            case Format.JSON:
                parse_path(self.path)
                parse_path(self.time_path)
            case Format.PLAIN:
                if self.path or self.kind not in (Kind.TEXT, Kind.BYTES):
                    raise ValueError("a plain payload is text or bytes as a whole, without path")
            case Format.SPARKPLUG:
                if not self.path:
                    raise ValueError("sparkplug needs path, the metric's name")
                if len(self.topic.split("/")) not in (2, 3):
                    raise ValueError("the topic of sparkplug is GROUP/NODE or GROUP/NODE/DEVICE")
        if self.kind is Kind.TAG_READ:
            raise ValueError("tag reads do not come by MQTT")
        return self


class MqttSettings(DriverSettings):
    """One broker, and what is published there."""

    host: str = Field(min_length=1, description="Name or address of the broker.")
    port: int | None = Field(
        default=None, ge=1, le=65535, description="Empty: 8883 with TLS, else 1883."
    )
    version: Version = Field(default=Version.V5, description="5 or 3.1.1.")
    client_id: str = Field(
        default="", description="Name of the session at the broker; empty: lotproof-<source>."
    )
    user: str = Field(default="", description="User at the broker.")
    password: SecretStr | None = Field(default=None, description="The user's password.")
    tls_ca_file: Path | None = Field(
        default=None, description="PEM file of the authority that issued the broker's key."
    )
    tls_certificate_file: Path | None = Field(
        default=None, description="PEM file of this gateway's certificate for the broker."
    )
    tls_key_file: Path | None = Field(default=None, description="PEM file of its private key.")
    qos: int = Field(default=1, ge=0, le=2, description="Most that is asked of the broker.")
    keepalive_s: int = Field(default=20, ge=2, le=3600, description="Seconds between pings.")
    timeout_s: float = Field(
        default=5.0, gt=0, le=60, description="Seconds to connect and to be answered."
    )
    session_s: int = Field(
        default=86_400,
        ge=0,
        le=2**32 - 2,
        description="Seconds for which the broker keeps what comes while we are away.",
    )
    inflight_max: int = Field(
        default=200, ge=1, le=65_535, description="Most messages that await our acknowledgement."
    )
    queue_max: int = Field(
        default=10_000, ge=1, le=1_000_000, description="Most messages that wait to be read."
    )
    payload_bytes_max: int = Field(
        default=262_144, ge=1, le=16_777_216, description="Longer payloads are refused."
    )
    rebirth: bool = Field(
        default=True,
        description="Ask Sparkplug nodes for their birth when we begin and when messages of theirs "
        "are missing; the only thing ever published.",
    )
    signals: tuple[MqttSignal, ...] = Field(min_length=1, description="What is taken.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.password is not None and not self.user:
            raise ValueError("user and password belong together")
        if (self.tls_certificate_file is None) is not (self.tls_key_file is None):
            raise ValueError("tls_certificate_file and tls_key_file belong together")
        if self.tls_certificate_file is not None and self.tls_ca_file is None:
            raise ValueError("a certificate needs tls_ca_file, which the broker is checked by")
        return self

    def port_or_default(self) -> int:
        """Return the port, by the protocol's custom where none is named."""
        return self.port or (1883 if self.tls_ca_file is None else 8883)
