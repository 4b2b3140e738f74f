"""Packages of npm that tests use: installed once for a lock, each against its hash."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.arch.sources import ROOT

_PLACE: Final = ROOT / "out" / "npm"
_SECONDS: Final = 240.0


def installed(folder: Path) -> Path:
    """Return the folder with what a package.json and its package-lock.json in a folder name.

    Without optional dependencies, and without running any script of a package.
    """
    files = [folder / "package.json", folder / "package-lock.json"]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    place = _PLACE / digest
    if not place.exists():
        _PLACE.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f"{digest}.", dir=_PLACE))
        for file in files:
            shutil.copy(file, draft)
        ended = subprocess.run(
            ["npm", "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=draft,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, f"npm ci: {ended.stderr[-2000:]}"
        try:
            draft.rename(place)
        except OSError:  # another process of the tests was quicker
            shutil.rmtree(draft)
    return place / "node_modules"
