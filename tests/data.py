"""Where the third-party test material lies, and what to say where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def third_party(path: str) -> Path:
    """Return the material at ``path`` of the shared data, or skip and say what was left out."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"left out: third-party material {path} is not beside this checkout")
    return found
