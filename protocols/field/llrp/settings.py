"""Settings of one LLRP reader: its address, its read points and how it reports."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from protocols.field.driver import DriverSettings, SignalSettings
from protocols.wire.reading import Kind


class Reads(StrEnum):
    """What a signal of a reader carries."""

    TAGS = "tags"  # tag reads of one read point
    PRESENCE = "presence"  # who entered and left a read point, as text
    EVENTS = "events"  # what the reader says of itself, as text


class Security(StrEnum):
    """How the line to the reader is protected."""

    NONE = "none"
    TLS = "tls"


class WhileAway(StrEnum):
    """What the reader does with its reports while nobody is connected."""

    HOLD = "hold"  # keep them, as far as its memory goes, and send them when we are back
    DROP = "drop"


class LlrpSignal(SignalSettings):
    """One read point of the reader, or the reader's events."""

    reads: Reads = Field(
        default=Reads.TAGS,
        description="tags: tag reads; presence: who entered and left, made of them; events: reader "
        "events.",
    )
    antenna: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Antenna port of the read point; 0 takes every port no other signal takes.",
    )
    kind: Kind = Field(
        default=Kind.TAG_READ, description="TAG_READ for tag reads, else TEXT (set for you)."
    )

    @model_validator(mode="before")
    @classmethod
    def _kind_of_texts(cls, given: object) -> object:
        if isinstance(given, dict) and "kind" not in given:
            tags = given.get("reads", Reads.TAGS) == Reads.TAGS
            return given | {"kind": Kind.TAG_READ if tags else Kind.TEXT}
        return given

    @model_validator(mode="after")
    def _kind_fits(self) -> Self:
        wanted = Kind.TAG_READ if self.reads is Reads.TAGS else Kind.TEXT
        if self.kind is not wanted:
            raise ValueError(f"signal {self.name!r} reads {self.reads}: its kind is {wanted.name}")
        if self.reads is Reads.EVENTS and self.antenna:
            raise ValueError(f"signal {self.name!r} reads events, which have no antenna")
        return self


class PresenceSettings(BaseModel):
    """When a carrier counts as being at a read point."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reads_min: int = Field(default=2, ge=1, le=1000, description="Reads before it enters.")
    dbm_min: float = Field(
        default=-70.0, ge=-128, le=0, description="Weakest signal, in dBm, with which it enters."
    )
    db_margin: float = Field(
        default=6.0,
        ge=0,
        le=60,
        description="By how many dB another antenna must hear it better before it changes place.",
    )
    leave_s: float = Field(
        default=5.0, gt=0, le=86400, description="Seconds without a read after which it has left."
    )
    carriers_max: int = Field(
        default=10_000, ge=1, le=1_000_000, description="Most carriers remembered at once."
    )


class LlrpSettings(DriverSettings):
    """One LLRP reader and its read points."""

    host: str = Field(min_length=1, description="Reader's host name or address.")
    port: int = Field(default=5084, ge=1, le=65535, description="TCP port; 5085 is usual for TLS.")
    security: Security = Field(default=Security.NONE, description="none or tls.")
    ca_file: Path | None = Field(
        default=None, description="PEM of the authority that vouches for the reader (tls)."
    )
    certificate_file: Path | None = Field(
        default=None, description="PEM of our certificate, where the reader asks for one (tls)."
    )
    key_file: Path | None = Field(default=None, description="PEM of its private key (tls).")
    server_name: str | None = Field(
        default=None, description="Name in the reader's certificate, where it is not the host."
    )
    signals: tuple[LlrpSignal, ...] = Field(
        default=(), description="Read points, and at most one signal for events."
    )
    antennas: tuple[int, ...] = Field(
        default=(), description="Antenna ports to read with; empty: all that the reader has."
    )
    epc_prefixes: tuple[str, ...] = Field(
        default=(),
        max_length=4,
        description="Hexadecimal beginnings of the EPCs that are read; empty: all. Few readers "
        "take more than two.",
    )
    presence: PresenceSettings = Field(
        default=PresenceSettings(), description="Rules for signals that read presence."
    )
    tx_power_index: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Entry of the reader's transmit power table; unset: the reader's own.",
    )
    hop_table_id: int = Field(
        default=1, ge=0, le=65535, description="Hop table that goes with tx_power_index."
    )
    channel_index: int = Field(
        default=1, ge=0, le=65535, description="Channel that goes with tx_power_index."
    )
    session: int = Field(default=1, ge=0, le=3, description="Gen2 session, 0 to 3.")
    tag_population: int = Field(
        default=32, ge=1, le=65535, description="Tags expected in the field at once."
    )
    report_every: int = Field(
        default=1, ge=1, le=65535, description="Tag reads that the reader collects into a report."
    )
    collect_s: float = Field(
        default=1.0,
        gt=0,
        le=3600,
        description="Seconds after which a report that is not full is fetched (report_every > 1).",
    )
    rospec_id: int = Field(
        default=1, ge=1, le=2**32 - 1, description="Number under which our ROSpec stands."
    )
    while_away: WhileAway = Field(
        default=WhileAway.HOLD, description="hold or drop: the reader's reports while we are away."
    )
    keepalive_s: float = Field(
        default=5.0, gt=0, le=3600, description="Seconds between the reader's signs of life."
    )
    keepalives_missed_max: int = Field(
        default=2, ge=1, le=100, description="Signs of life that may be missing before it is lost."
    )
    check_s: float = Field(
        default=60.0, gt=0, le=86400, description="Seconds between checks that our ROSpec runs."
    )
    connect_timeout_s: float = Field(default=5.0, gt=0, le=300, description="For the TCP line.")
    answer_timeout_s: float = Field(default=5.0, gt=0, le=300, description="For each answer.")
    message_bytes_max: int = Field(
        default=1_048_576, ge=4096, le=16_777_216, description="Longest message taken, in bytes."
    )
    messages_queued_max: int = Field(
        default=1024,
        ge=1,
        le=1_000_000,
        description="Messages that wait for the gateway; then the reader is made to wait.",
    )
    repeats_remembered_max: int = Field(
        default=65_536,
        ge=1,
        le=10_000_000,
        description="Tag reads remembered to know what the reader sends again.",
    )

    @model_validator(mode="after")
    def _unambiguous(self) -> Self:
        names = [signal.name for signal in self.signals]
        takes = [(signal.reads, signal.antenna) for signal in self.signals]
        for what, given in (("name", names), ("antenna", takes)):
            if len(set(given)) != len(given):
                raise ValueError(f"two signals have the same {what}")
        if not all(_PREFIX.fullmatch(prefix) for prefix in self.epc_prefixes):
            raise ValueError("epc_prefixes are hexadecimal digits, for example 3034257b")
        if not all(1 <= antenna <= 65535 for antenna in self.antennas):
            raise ValueError("antennas are numbered from 1")
        if self.certificate_file is not None and self.key_file is None:
            raise ValueError("certificate_file needs key_file")
        return self


_PREFIX: Final = re.compile(r"[0-9A-Fa-f]{1,124}")
