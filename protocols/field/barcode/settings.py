"""What can be configured of a barcode scanner; every signal field is a CSV column."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Self

from pydantic import Field, field_validator, model_validator

from protocols.field.driver import DriverSettings, SignalSettings
from protocols.wire.reading import Kind

__all__ = ["BarcodeSettings", "BarcodeSignal", "Form", "Suffix", "Transport"]


class Transport(StrEnum):
    """How scans arrive."""

    SERIAL = "serial"  # a serial port, a USB scanner in COM mode among them
    TCP = "tcp"  # the scanner listens
    KEYBOARD = "keyboard"  # the scanner is a keyboard of this computer (HID)


class Suffix(StrEnum):
    """What ends a scan."""

    LINE = "line"  # CR, LF or both
    TAB = "tab"
    ETX = "etx"  # STX in front is taken off
    NONE = "none"  # a pause


class Form(StrEnum):
    """What a scan has to be."""

    TEXT = "text"  # anything
    GS1 = "gs1"  # a GS1 element string or Digital Link; kept in its bracketed form


class BarcodeSignal(SignalSettings):
    """Scans of one sort; the first signal that fits a scan takes it."""

    kind: Kind = Field(default=Kind.TEXT, description="Always text.")
    form: Form = Field(default=Form.TEXT, description="text, or gs1 to have it read by its rules.")
    match: str = Field(
        default="", description="Regular expression that the scan begins with; empty: any scan."
    )

    @field_validator("match")
    @classmethod
    def _compiles(cls, match: str) -> str:
        try:
            re.compile(match)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return match

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.kind is not Kind.TEXT:
            raise ValueError("leave kind empty: a scan is text")
        return self


class BarcodeSettings(DriverSettings):
    """One scanner."""

    transport: Transport = Field(
        default=Transport.SERIAL, description="serial, tcp or keyboard (HID)."
    )
    device: str = Field(
        default="",
        description="For serial and keyboard, for example /dev/serial/by-id/usb-…-if00 or "
        "/dev/input/by-id/usb-…-event-kbd.",
    )
    host: str = Field(default="", description="For tcp: name or address of the scanner.")
    port: int | None = Field(default=None, ge=1, le=65535, description="For tcp.")
    baud_rate: int = Field(default=9600, ge=300, le=4_000_000, description="Bits per second.")
    parity: str = Field(default="N", pattern="^[NEO]$", description="N, E or O.")
    stop_bits: int = Field(default=1, ge=1, le=2, description="1 or 2.")
    exclusive: bool = Field(
        default=True,
        description="Take the keyboard from everything else on this computer, so that no scan "
        "types into a login.",
    )
    suffix: Suffix = Field(default=Suffix.LINE, description="line, tab, etx or none.")
    pause_s: float = Field(
        default=0.5,
        gt=0,
        le=60,
        description="Seconds of silence that end a scan; UNCERTAIN where a suffix should have.",
    )
    timeout_s: float = Field(default=5.0, gt=0, le=60, description="Seconds to connect over TCP.")
    signals: tuple[BarcodeSignal, ...] = Field(
        default=(), description="Scans that fit none become <source>/scans."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.transport is Transport.TCP:
            if not self.host or self.port is None:
                raise ValueError("transport tcp needs host and port")
        elif not self.device:
            raise ValueError(f"transport {self.transport} needs device, a path below /dev")
        return self
