"""What can be set of the agent; ``settings_file.py`` reads it, ``sources.py`` its sources."""

from __future__ import annotations

import typing
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from edge_agent.buffer.buffer import BYTES_MAX_LEAST
from protocols.settings import SealRates, UplinkRates
from protocols.wire.checkpoint import NoteKey
from protocols.wire.errors import WireError
from protocols.wire.header import GatewayId, check_gateway_id
from protocols.wire.seal import Algorithm, PublicKey

_FORM: Final = ConfigDict(frozen=True, extra="forbid")


class SealAlgorithm(StrEnum):
    """What kind of seal key is made at the first start."""

    ED25519 = "ed25519"
    ESP256 = "esp256"  # P-256, for keys that will move into a TPM

    @property
    def wire(self) -> Algorithm:
        """The algorithm as the wire numbers it."""
        return Algorithm[self.name]


class MqttVersion(StrEnum):
    """Which MQTT is spoken."""

    AUTO = "auto"  # 5 where the broker has it, else 3.1.1
    V5 = "5"
    V311 = "3.1.1"


class GatewaySettings(BaseModel):
    """Who this gateway is and where it keeps things."""

    model_config = _FORM

    id: str = Field(
        description="The gateway's id: lower-case letters, digits and hyphens. It is also the "
        "common name of its TLS certificate.",
        examples=["gw-01"],
    )
    data_dir: Path = Field(
        default=Path("/var/lib/lotproof-agent"),
        description="Folder of the buffer, on a local disk.",
    )

    @field_validator("id")
    @classmethod
    def _id_reads(cls, text: str) -> str:
        return _read(check_gateway_id, text)


class SealSettings(SealRates):
    """The seal key, and when a bundle is cut."""

    key: Path = Field(
        default=Path("seal.key"),
        description="File of the seal key (PEM), made at the first start; readable by the agent "
        "alone. Relative to gateway.data_dir.",
    )
    algorithm: SealAlgorithm = Field(
        default=SealAlgorithm.ED25519, description="Kind of a key that is made."
    )


class BufferSettings(BaseModel):
    """How much is kept on disk."""

    model_config = _FORM

    bytes_max: int = Field(
        default=1_073_741_824,
        ge=BYTES_MAX_LEAST,
        description="Cap of the buffer; leave as much again free on the disk, for a buffer that "
        "had to be set aside.",
    )
    write_bytes_per_day_max: int = Field(
        default=0,
        ge=0,
        description="Budget of bytes written to the disk a day; beyond it bundles are cut later, "
        "at most after age_stretch_max_s. 0: none.",
    )
    age_stretch_max_s: float = Field(
        default=10.0, ge=0.02, le=600, description="Longest seal age that the budget may ask for."
    )
    endurance_bytes: int = Field(
        default=0,
        ge=0,
        description="Bytes that the disk may be written in its life, by its maker's word, for the "
        "days left; 0: not known.",
    )
    retention_days: float = Field(
        default=7.0,
        ge=0,
        le=365,
        description="Keep what the aggregator has for this long, to refill one that was restored.",
    )
    retention_share: float = Field(
        default=0.2,
        ge=0,
        le=0.8,
        description="Share of the cap above which what the aggregator has is freed earlier.",
    )


class UplinkSettings(UplinkRates):
    """The broker, and how much it is given at once."""

    host: str = Field(description="Broker's name, as in its certificate.", examples=["broker"])
    port: int = Field(default=8883, ge=1, le=65535, description="Broker's port for MQTT over TLS.")
    ca: Path = Field(
        description="Certificates of the plant's own authority (PEM); no other is trusted.",
        examples=["tls/ca.pem"],
    )
    certificate: Path = Field(
        description="This gateway's client certificate (PEM).", examples=["tls/gateway.pem"]
    )
    key: Path = Field(description="Its private key (PEM).", examples=["tls/gateway.key"])
    mqtt: MqttVersion = Field(default=MqttVersion.AUTO, description="Which MQTT to speak.")
    renew_days: float = Field(
        default=20.0,
        ge=0,
        le=365,
        description="Ask the aggregator for a new certificate when the present one is valid for "
        "fewer days; 0: somebody else renews it.",
    )
    keepalive_s: int = Field(
        default=15, ge=1, le=600, description="A line silent for 1.5 times this is given up."
    )
    timeout_s: float = Field(
        default=10.0, ge=0.1, le=300, description="How long any answer of the broker may take."
    )
    backoff_max_s: float = Field(
        default=30.0, ge=0.1, le=3600, description="Longest wait before connecting again."
    )
    receipt_wait_s: float = Field(
        default=1.0,
        ge=0.05,
        le=60,
        description="How long to wait at connect for the aggregator's retained receipt.",
    )


class AggregatorSettings(BaseModel):
    """Whose receipts count."""

    model_config = _FORM

    seal_key: str = Field(
        description="The aggregator's public seal key (`lotproof-aggregator key` prints it).",
        examples=["ED25519:" + "00" * 32],
    )
    log_key: str = Field(
        description="Verifier key of the aggregator's log, `name+id+base64`.",
        examples=["lotproof.example/plant-1+00000000+..."],
    )

    @field_validator("seal_key")
    @classmethod
    def _seal_key_reads(cls, text: str) -> str:
        return _read(PublicKey.from_text, text)

    @field_validator("log_key")
    @classmethod
    def _log_key_reads(cls, text: str) -> str:
        return _read(NoteKey.from_text, text)


class CollectSettings(BaseModel):
    """How sources are read."""

    model_config = _FORM

    readings_max: int = Field(
        default=50_000,
        ge=100,
        le=5_000_000,
        description="Readings that may wait to be sealed; more are refused and declared.",
    )
    open_timeout_s: float = Field(
        default=60.0, ge=0.1, le=3600, description="How long a source may take to open."
    )
    ack_timeout_s: float = Field(
        default=10.0, ge=0.1, le=600, description="How long an acknowledgement may take."
    )
    backoff_min_s: float = Field(
        default=0.5, ge=0.01, le=600, description="Shortest wait before opening again."
    )
    backoff_max_s: float = Field(
        default=30.0, ge=0.01, le=3600, description="Longest wait before opening again."
    )
    replay_grace_s: float = Field(
        default=10.0,
        ge=0,
        le=3600,
        description="How long a source whose equipment can send again may be down before a gap "
        "is declared.",
    )


class ClockSettings(BaseModel):
    """Who says whether wall time is synchronised."""

    model_config = _FORM

    synchronised: bool | None = Field(
        default=None,
        description="true or false where the kernel cannot know (PTP by hand, a test); left out, "
        "the kernel is asked.",
    )


class MetricsSettings(BaseModel):
    """Metrics for Prometheus."""

    model_config = _FORM

    port: int | None = Field(
        default=None, ge=1, le=65535, description="Port of 127.0.0.1 to serve them on."
    )


class SourceSettings(BaseModel):
    """One piece of equipment; the driver's own keys stand beside these (see its page)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = Field(
        min_length=1, max_length=256, description="Unique name of the source.", examples=["press-1"]
    )
    driver: str = Field(description="Name of the driver.", examples=["opcua"])
    signals_csv: Path | None = Field(
        default=None, description="CSV file with a row a signal, instead of `signals`."
    )


class Settings(BaseModel):
    """Settings of lotproof-agent."""

    model_config = _FORM

    gateway: GatewaySettings
    seal: SealSettings = SealSettings()
    buffer: BufferSettings = BufferSettings()
    uplink: UplinkSettings
    aggregator: AggregatorSettings
    collect: CollectSettings = CollectSettings()
    clock: ClockSettings = ClockSettings()
    metrics: MetricsSettings = MetricsSettings()
    source: tuple[SourceSettings, ...] = ()

    @property
    def gateway_id(self) -> GatewayId:
        """The gateway's id."""
        return GatewayId(self.gateway.id)

    @property
    def seal_key_path(self) -> Path:
        """Where the seal key lies."""
        return self.gateway.data_dir / self.seal.key


def _read(parse: typing.Callable[[str], object], text: str) -> str:
    try:
        parse(text)
    except WireError as error:
        raise ValueError(f"{error}; {error.hint}" if error.hint else str(error)) from error
    return text
