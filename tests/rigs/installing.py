"""Makes a folder of installed packages once, whichever process of the tests comes first."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

_SECONDS: Final = 240.0


def made_once(place: Path, command: Callable[[Path], Sequence[str]]) -> Path:
    """Return ``place``; where it is not there, ``command`` has filled a draft of it.

    ``command`` gets the empty draft, in which what it returns is run.
    """
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
        wanted = command(draft)
        ended = subprocess.run(
            wanted, cwd=draft, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        assert ended.returncode == 0, f"{' '.join(wanted[:4])}: {ended.stderr[-2000:]}"
        try:
            draft.rename(place)
        except OSError:  # another process of the tests was quicker
            shutil.rmtree(draft)
    return place
