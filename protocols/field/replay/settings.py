"""What can be configured of a replayed file and its signals; each signal field is a CSV column."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from protocols.field.driver import DriverSettings, SignalSettings
from protocols.wire.reading import Kind

__all__ = ["AtEnd", "Form", "ReplaySettings", "ReplaySignal", "Times"]


class Form(StrEnum):
    """How the file is laid out."""

    LONG = "long"  # a line for each reading
    WIDE = "wide"  # a line for each time, a column for each signal
    TRACE = "trace"  # what `lotproof-agent record` wrote: JSON lines, a line for each reading


class Times(StrEnum):
    """What becomes of the recorded times."""

    ORIGINAL = "original"  # they are the source times
    SHIFTED = "shifted"  # moved as a whole, so that the first row is now; paced by the speed


class AtEnd(StrEnum):
    """What follows the last row."""

    WAIT = "wait"
    LOOP = "loop"


class ReplaySignal(SignalSettings):
    """One recorded signal."""

    column: str = Field(
        default="", description="Its column, or its name in the signal column; empty: the name."
    )


class ReplaySettings(DriverSettings):
    """A file, its form and its pace."""

    file: Path = Field(description="CSV or JSON lines (.jsonl), also compressed (.gz).")
    form: Form = Field(default=Form.WIDE, description="long, wide or trace.")
    delimiter: str = Field(
        default="", max_length=1, description="Of the CSV; empty: what the first line shows."
    )
    time_column: str = Field(default="time", description="Column of the time; long form and wide.")
    time_unit: str = Field(
        default="iso",
        pattern="^(iso|s|ms|us|ns)$",
        description="iso for ISO 8601 (UTC where no zone is named), or the unit of a number "
        "counted since 1970.",
    )
    row_period_s: float | None = Field(
        default=None,
        gt=0,
        le=86400,
        description="For a file without time: seconds between two rows.",
    )
    speed: float = Field(
        default=1.0, ge=0, le=1e6, description="1 is real time, 0 as fast as possible."
    )
    times: Times = Field(
        default=Times.SHIFTED, description="original or shifted to now, for the source times."
    )
    at_end: AtEnd = Field(default=AtEnd.WAIT, description="wait or loop.")
    rows_max: int = Field(
        default=1000, ge=1, le=100_000, description="Most lines delivered at once."
    )
    signals: tuple[ReplaySignal, ...] = Field(min_length=1, description="What is replayed.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        tag_reads = any(signal.kind is Kind.TAG_READ for signal in self.signals)
        if tag_reads and self.form is not Form.TRACE:
            raise ValueError("a file of this form cannot hold tag reads")
        if self.form is Form.TRACE and ".jsonl" not in self.file.suffixes:
            raise ValueError("a trace is a file .jsonl or .jsonl.gz")
        if self.row_period_s is not None and self.form is not Form.WIDE:
            raise ValueError("row_period_s is for the wide form; the others have times")
        return self
