"""What all tables of the settings have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


def _expanded(path: Path) -> Path:
    return path.expanduser()


def shipped(folder: str) -> Path:
    """Return a folder of data that comes along: in the wheel it lies here, else in `config`."""
    inside = Path(__file__).parents[1] / "config" / folder
    return inside if inside.is_dir() else Path(__file__).parents[2] / "config" / folder


UserPath = Annotated[Path, AfterValidator(_expanded)]


class Table(BaseModel):
    """A table of the settings: nothing in it changes, and nothing unknown is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")
