"""The cases that there are."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.cases.equipment.case import Case, load_case

FOLDERS: Final = sorted(
    path.parent for path in Path(__file__).parents[1].glob("equipment_*/case.toml")
)
CASES: Final[tuple[Case, ...]] = tuple(map(load_case, FOLDERS))
