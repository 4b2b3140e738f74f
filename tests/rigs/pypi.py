"""Packages of PyPI that tests use and the project does not: installed once, each against its hash.

They stand in a folder of their own, so that nothing of ours can lean on them.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.arch.sources import ROOT

_PLACE: Final = ROOT / "out" / "pypi"
_SECONDS: Final = 240.0


def installed(requirements: Path) -> Path:
    """Return the folder with what a requirements file names, for PYTHONPATH; nothing beside it."""
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    place = _PLACE / digest
    if not place.exists():
        _PLACE.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f"{digest}.", dir=_PLACE))
        options = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-compile")
        command = (sys.executable, "-m", "pip", "install", "--quiet", *options)
        ended = subprocess.run(
            (*command, "--target", str(draft), "--requirement", str(requirements)),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, f"pip: {ended.stderr[-2000:]}"
        try:
            draft.rename(place)
        except OSError:  # another process of the tests was quicker
            shutil.rmtree(draft)
    return place
