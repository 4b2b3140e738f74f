"""Settings of an OPC UA source and its signals."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from protocols.field.driver import DriverSettings, SignalSettings
from protocols.field.opcua.address import ENDPOINT, NodeAddress, parse_address, parse_path
from protocols.field.opcua.values.part import parse_part
from protocols.wire.reading import Kind


class Security(StrEnum):
    """How the line is protected; None is for commissioning and for a line of its own."""

    NONE = "None"
    BASIC256SHA256 = "Basic256Sha256"
    AES256_SHA256_RSAPSS = "Aes256_Sha256_RsaPss"


class Trigger(StrEnum):
    """What makes the server send a value (DataChangeTrigger, OPC 10000-4 section 7.22.2)."""

    VALUE = "value"  # the value or its status changed
    TIME = "time"  # the source time changed: a constant value is confirmed at its own rate


_NUMERIC = (Kind.INT, Kind.UINT, Kind.FLOAT32, Kind.FLOAT64)


class OpcuaSignal(SignalSettings):
    """One OPC UA Variable."""

    address: str = Field(
        min_length=1,
        max_length=4096,
        description=(
            "NodeId (`nsu=urn:acme:press;s=Press.Temperature`, `ns=2;i=1001`) or browse path from "
            "the root (`/Objects/nsu=urn:acme:press;Press/2:Temperature`). `@endpoint` is the "
            "address of the server in use, as text."
        ),
    )
    part: str = Field(
        default="",
        max_length=1024,
        description=(
            "The part of the value that the signal is: an element of an array (`[3]`, from 0), a "
            "field of a structure (`.speed`), or both (`.zones[2].temperature`)."
        ),
    )
    events: tuple[str, ...] = Field(
        default=(),
        description="Makes it a signal of events of the object at `address`: the fields to keep, "
        "by browse path in the event's type (`Severity`, `Message`, `ActiveState/Id`, `2:Lot`). "
        "The kind is text (JSON). A signal of the kind tag_read takes RFID scans and needs none.",
    )
    event_type: str = Field(
        default="",
        max_length=4096,
        description="NodeId of the events' type, its subtypes included; left out, every event "
        "(BaseEventType), or RfidScanEventType of OPC 30010 for tag reads.",
    )
    sampling_s: float = Field(
        default=0.2, ge=0.0, le=3600.0, description="Interval at which the server looks."
    )
    deadband: float = Field(
        default=0.0, ge=0.0, description="Smallest change to send, absolute; 0 sends every change."
    )
    deadband_percent: float = Field(
        default=0.0,
        ge=0.0,
        le=100.0,
        description="Smallest change to send, in percent of the variable's EURange.",
    )
    heartbeat_s: float = Field(
        default=0.0,
        ge=0.0,
        le=86_400.0,
        description="Longest silence: a value that does not change is read after so long and told "
        "again, so that silence is proved; 0: never.",
    )
    trigger: Trigger = Field(
        default=Trigger.VALUE, description="Send on a new value, or on a new source time too."
    )
    queue_max: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Values the server is asked to keep while the line is down.",
    )

    @field_validator("address")
    @classmethod
    def _address_reads(cls, address: str) -> str:
        parse_address(address)
        return address

    @field_validator("events", mode="before")
    @classmethod
    def _events_from_a_cell(cls, events: object) -> object:
        """Take ``Severity Message`` as well as a list: a table has cells."""
        return tuple(events.replace(",", " ").split()) if isinstance(events, str) else events

    @field_validator("events")
    @classmethod
    def _events_read(cls, events: tuple[str, ...]) -> tuple[str, ...]:
        for field in events:
            parse_path("/" + field)
        return events

    @field_validator("event_type")
    @classmethod
    def _event_type_reads(cls, event_type: str) -> str:
        if event_type and not isinstance(parse_address(event_type), NodeAddress):
            raise ValueError("give the event type as a NodeId")
        return event_type

    @property
    def is_of_events(self) -> bool:
        """Whether readings are events of an object, not values of a variable."""
        return bool(self.events) or self.kind is Kind.TAG_READ

    @field_validator("part")
    @classmethod
    def _part_reads(cls, part: str) -> str:
        parse_part(part)
        return part

    @model_validator(mode="after")
    def _options_fit_the_kind(self) -> Self:
        if self.address == ENDPOINT and self.kind is not Kind.TEXT:
            raise ValueError(f"{ENDPOINT} is text; set kind to text")
        if self.events and self.kind is not Kind.TEXT:
            raise ValueError("events are told as text; set kind to text")
        if self.event_type and not self.is_of_events:
            raise ValueError("an event_type needs events, the fields to keep")
        if self.is_of_events and (self.part or self.heartbeat_s or self.trigger is Trigger.TIME):
            raise ValueError("part, heartbeat_s and trigger are a variable's, not of events")
        if (self.deadband or self.deadband_percent) and self.kind not in _NUMERIC:
            raise ValueError(f"a deadband needs a number, and {self.name!r} is {self.kind.name}")
        if self.deadband and self.deadband_percent:
            raise ValueError("a deadband is absolute or in percent; give one of them")
        if (self.deadband or self.deadband_percent) and self.part:
            raise ValueError("a server knows no deadband of a part of a value")
        return self


class OpcuaSettings(DriverSettings):
    """One OPC UA server."""

    endpoint: str = Field(description="Address of the server, `opc.tcp://host:4840/path`.")
    standby: tuple[str, ...] = Field(
        default=(),
        max_length=15,
        description="Addresses of redundant servers: where one cannot be had, the next one is "
        "observed, and stays until it is lost.",
    )
    security: Security = Field(
        default=Security.BASIC256SHA256,
        description="Security policy; other than None, always SignAndEncrypt.",
    )
    certificate: Path | None = Field(
        default=None, description="This gateway's application certificate, DER or PEM."
    )
    private_key: Path | None = Field(default=None, description="Its RSA key, DER or PEM.")
    trusted: Path | None = Field(
        default=None,
        description="Folder of server certificates, or of their CAs, that are trusted.",
    )
    application_uri: str | None = Field(
        default=None,
        description="URI of this application; read from the certificate where it is not given.",
    )
    user: str | None = Field(default=None, description="User name; none is anonymous.")
    password: SecretStr | None = Field(default=None, description="The user's password.")
    publishing_s: float = Field(
        default=0.2, ge=0.01, le=60.0, description="Interval at which the server sends."
    )
    keepalive_s: float = Field(
        default=5.0, ge=0.1, le=300.0, description="A silent server must say so this often."
    )
    lifetime_s: float = Field(
        default=600.0,
        ge=1.0,
        le=86_400.0,
        description="How long the server is asked to keep session and queue without a line.",
    )
    timeout_s: float = Field(
        default=5.0, ge=0.1, le=120.0, description="How long any request may take."
    )
    retry_s: float = Field(
        default=60.0, ge=0.1, description="How often a signal that the server refused is tried."
    )
    history_lag_s: float = Field(
        default=30.0,
        ge=0.0,
        le=3600.0,
        description="How long the server's history is asked for what an interruption cost, since "
        "it may lag behind; 0: history is not read.",
    )
    publish_requests: int = Field(
        default=3, ge=1, le=100, description="Publish requests kept waiting at the server."
    )
    queue_max: int = Field(
        default=100_000, ge=1, description="Readings that may wait for the gateway to take them."
    )
    signals: tuple[OpcuaSignal, ...] = Field(min_length=1, description="What to observe.")

    @field_validator("standby")
    @classmethod
    def _standby_reads(cls, standby: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(cls._endpoint_reads, standby))

    def at(self, endpoint: str) -> Self:
        """Return the settings for one of the redundant servers."""
        return self.model_copy(update={"endpoint": endpoint})

    @field_validator("endpoint")
    @classmethod
    def _endpoint_reads(cls, endpoint: str) -> str:
        url = urlsplit(endpoint)
        if url.scheme != "opc.tcp" or not url.hostname or not url.port:
            raise ValueError("write it as opc.tcp://host:port")
        if url.username or url.password:
            raise ValueError("give the user and the password in their own settings")
        return endpoint

    @model_validator(mode="after")
    def _options_fit_together(self) -> Self:
        if self.security is not Security.NONE:
            needed = ("certificate", "private_key", "trusted")
            missing = [name for name in needed if getattr(self, name) is None]
            if missing:
                raise ValueError(f"security {self.security} needs: {', '.join(missing)}")
        elif self.user is not None:
            raise ValueError("a user's password is sent over an encrypted line only; set security")
        if (self.user is None) is not (self.password is None):
            raise ValueError("user and password belong together")
        if self.lifetime_s < 3 * self.keepalive_s:
            raise ValueError(
                "lifetime_s must be at least three times keepalive_s (OPC 10000-4 section 5.14.2)"
            )
        names = [signal.name for signal in self.signals]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"signal names given twice: {', '.join(twice)}")
        return self
