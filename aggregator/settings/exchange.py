"""What other systems are told, and what is taken from them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from aggregator.settings.table import Table, UserPath, shipped


class EventSettings(Table):
    """What other systems are told, and how it is delivered."""

    deliver: bool = Field(
        default=True,
        description="deliver events from here; of several workers on one store, one does",
    )
    mqtt: bool = Field(
        default=False, description="publish every event at the broker, `lotproof/v1/events/<type>`"
    )
    poll_seconds: float = Field(
        default=0.5, gt=0, le=60, description="wait between two looks for new events"
    )
    timeout_seconds: float = Field(
        default=10.0, gt=0, description="longest wait for a receiver's answer, or the broker's"
    )
    attempts_max: int = Field(
        default=12, ge=1, le=100, description="attempts before an event becomes a dead letter"
    )
    retry_seconds: float = Field(
        default=5.0, gt=0, description="first wait before an event is sent again; it doubles"
    )
    retry_seconds_max: float = Field(default=3600.0, gt=0, description="longest such wait")
    networks: tuple[str, ...] = Field(
        default=(),
        description="networks that receivers may be in, like `10.0.0.0/8`; none given: any but "
        "link-local ones",
    )
    ca_file: UserPath | None = Field(
        default=None,
        description="PEM file of the CA of receivers; without it: those that the system trusts",
    )
    retention_days: int = Field(
        default=90, ge=1, description="days that a delivered event is kept, for who reads late"
    )
    streams_max: int = Field(
        default=32, ge=1, le=1000, description="streams of events that are open at a time"
    )
    heartbeat_seconds: float = Field(
        default=15.0, gt=0, description="longest silence on a stream of events"
    )


class ImportSettings(Table):
    """What is taken from other systems."""

    adapters_folder: UserPath | None = Field(
        default=None,
        description="folder of mapping documents, one TOML file for each foreign form; without it: "
        "those that come along",
    )
    items_max: int = Field(
        default=10_000, ge=1, le=1_000_000, description="items of one import, at most"
    )
    bytes_max: int = Field(default=16_777_216, ge=1024, description="bytes of one import, at most")
    answer_hours: int = Field(
        default=24, ge=1, description="hours that an answer is kept for its Idempotency-Key"
    )
    answer_bytes_max: int = Field(
        default=4_194_304, ge=1024, description="bytes of an answer that is kept"
    )

    @property
    def adapters(self) -> Path:
        """Folder of mapping documents."""
        return self.adapters_folder or shipped("adapters")
