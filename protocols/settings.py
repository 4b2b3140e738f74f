"""What a gateway's settings may say when they come from the aggregator: sources, seal and rates.

The aggregator checks a document by this before two persons decide on it, and the gateway again;
what a driver's own keys must be, the gateway knows alone, and is asked. Keys and paths stay in the
gateway's own file: a document that names one is refused there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from protocols.wire.life import SOURCES_MAX
from protocols.wire.limits import (
    DOCUMENT_BYTES_MAX,
    READINGS_PER_BUNDLE_MAX,
    SIGNAL_NAME_BYTES_MAX,
)


class SealRates(BaseModel):
    """When a bundle is cut."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    age_max_s: float = Field(
        default=1.0, ge=0.02, le=600, description="Cut when the oldest reading is this old."
    )
    count_max: int = Field(
        default=10_000,
        ge=1,
        le=READINGS_PER_BUNDLE_MAX,
        description="Cut when this many readings wait.",
    )
    bytes_max: int = Field(
        default=262_144,
        ge=1024,
        le=1_048_576,
        description="Cut when this many bytes wait, before compression.",
    )
    heartbeat_s: float = Field(
        default=10.0,
        ge=0.1,
        le=3600,
        description="Seal an empty bundle when nothing came for this long.",
    )


class UplinkRates(BaseModel):
    """How much the broker is given at once, and how often the gateway says how it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backlog_bytes_per_s: int = Field(
        default=262_144,
        ge=1024,
        description="Rate at which bundles sealed before the connection are sent.",
    )
    inflight_max: int = Field(
        default=32, ge=1, le=10_000, description="Bundles on their way to the broker at once."
    )
    unreceipted_max: int = Field(
        default=512,
        ge=1,
        le=100_000,
        description="Bundles sent since the last receipt before waiting for one.",
    )
    resend_after_s: float = Field(
        default=15.0, ge=0.1, le=3600, description="Send again what has no receipt after this."
    )
    life_s: float = Field(
        default=30.0, ge=0.2, le=3600, description="Interval of the sealed sign of life."
    )


class SourceEntry(BaseModel):
    """One piece of equipment; the driver's own keys stand beside these."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = Field(min_length=1, max_length=256)
    driver: str = Field(min_length=1, max_length=64)


class SettingsDocument(BaseModel):
    """Settings that the aggregator may give a gateway; what it leaves out is the gateway's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seal: SealRates = SealRates()
    uplink: UplinkRates = UplinkRates()
    source: tuple[SourceEntry, ...] | None = Field(default=None, max_length=SOURCES_MAX)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [source.name for source in self.source or ()]
        for what, found in (("source", names), ("signal", list(_signal_names(self)))):
            twice = sorted({name for name in found if found.count(name) > 1})
            if twice:
                raise ValueError(f"{what} {twice[0]!r} stands there twice")
        return self

    def to_text(self) -> str:
        """Return the document in its one form: canonical JSON of what it says itself."""
        said = self.model_dump(mode="json", exclude_unset=True)
        return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def check_document(said: object) -> tuple[SettingsDocument | None, tuple[str, ...]]:
    """Return the document that ``said`` is, or None and what is wrong with it, by key."""
    try:
        document = SettingsDocument.model_validate(said)
    except ValidationError as error:
        return None, tuple(
            f"{'.'.join(map(str, fault['loc'])) or 'document'}: "
            f"{fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors(include_url=False)
        )
    if (size := len(document.to_text().encode())) > DOCUMENT_BYTES_MAX:
        return None, (f"document: {size} bytes are over {DOCUMENT_BYTES_MAX}",)
    return document, ()


_SIGNALS_MAX: Final = 100_000


def _signal_names(document: SettingsDocument) -> Iterator[str]:
    """Yield the names of all signals; ValueError where one cannot be a name."""
    count = 0
    for source in document.source or ():
        signals: Any = (source.model_extra or {}).get("signals", ())
        if not isinstance(signals, list | tuple):
            raise ValueError(f"the signals of {source.name!r} are not a list")  # noqa: TRY004 # pydantic reports ValueError alone
        for signal in signals:
            name = signal.get("name") if isinstance(signal, dict) else None
            if not isinstance(name, str) or not 0 < len(name.encode()) <= SIGNAL_NAME_BYTES_MAX:
                raise ValueError(f"a signal of {source.name!r} has no name of at most 256 bytes")
            count += 1
            if count > _SIGNALS_MAX:
                raise ValueError(f"more than {_SIGNALS_MAX} signals")
            yield name
