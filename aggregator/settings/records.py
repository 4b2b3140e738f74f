"""How records are made, by which master data."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import Field

from aggregator.settings.table import Table, UserPath, shipped


class RecordSettings(Table):
    """Making batch records."""

    processes: int = Field(
        default=2,
        ge=0,
        le=64,
        description="processes that verify the seals of a long lot; 0: none but the aggregator's",
    )
    timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        description="longest wait for such a process over a thousand bundles; then it is ended",
    )
    rebind_seconds: float = Field(
        default=0.05, gt=0, description="wait between two looks for what has come about any lot"
    )
    idle_seconds: float = Field(
        default=3600.0,
        gt=0,
        description="proved idleness after which the end of a job that nobody ended is proposed",
    )
    assemble_seconds: float = Field(
        default=60.0,
        gt=0,
        description="wait before a record that was overtaken is assembled again",
    )


class MasterKind(StrEnum):
    """Kinds of master data that can be made to take a second person."""

    EQUIPMENT = "equipment"
    SIGNAL = "signal"
    PHYSICAL_ASSET = "physical_asset"
    INSTALLATION = "installation"
    CALIBRATION = "calibration"
    MATERIAL = "material"
    RECIPE = "recipe"
    LIMIT = "limit"
    QUALIFICATION = "qualification"


class MasterSettings(Table):
    """Master data."""

    approval: tuple[MasterKind, ...] = Field(
        default=(MasterKind.RECIPE, MasterKind.LIMIT),
        description="kinds of which a new version waits until another person approves it",
    )
    dictionary_folder: UserPath | None = Field(
        default=None,
        description="folder of the data dictionary, a TOML file for each kind of document; without "
        "it: the one that comes along",
    )

    @property
    def dictionary(self) -> Path:
        """Folder of the data dictionary."""
        return self.dictionary_folder or shipped("dictionary")
