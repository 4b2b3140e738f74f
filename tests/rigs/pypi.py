"""Packages of PyPI that tests use and the project does not: installed once, each against its hash.

They stand in a folder of their own, so that nothing of ours can lean on them.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.arch.sources import ROOT
from tests.rigs.installing import made_once

_PLACE: Final = ROOT / "out" / "pypi"


def installed(requirements: Path) -> Path:
    """Return the folder with what a requirements file names, for PYTHONPATH; nothing beside it."""
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    options = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-compile")

    def command(draft: Path) -> Sequence[str]:
        pip = (sys.executable, "-m", "pip", "install", "--quiet", *options)
        return (*pip, "--target", str(draft), "--requirement", str(requirements.absolute()))

    return made_once(_PLACE / digest, command)
