"""Packages of npm that tests use: installed once for a lock, each against its hash."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.arch.sources import ROOT
from tests.rigs.installing import made_once

_PLACE: Final = ROOT / "out" / "npm"


def installed(folder: Path) -> Path:
    """Return the folder with what a package.json and its package-lock.json in a folder name.

    Without optional dependencies, and without running any script of a package.
    """
    files = [folder / "package.json", folder / "package-lock.json"]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]

    def command(draft: Path) -> Sequence[str]:
        for file in files:
            shutil.copy(file, draft)
        return ("npm", "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund")

    return made_once(_PLACE / digest, command) / "node_modules"
