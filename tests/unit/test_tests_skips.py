"""A skip in continuous integration is a failure, unless the material is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import ANNOUNCED, refusal

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("reason", "strict", "material", "refused"),
    [
        ("no broker", True, True, True),
        ("no broker", True, False, True),
        ("no broker", False, True, False),
        (f"{ANNOUNCED} llrp is not here", True, True, True),
        (f"{ANNOUNCED} llrp is not here", True, False, False),
        (f"{ANNOUNCED} llrp is not here", False, False, False),
    ],
)
def test_which_skips_are_refused(reason: str, strict: bool, material: bool, refused: bool) -> None:
    said = refusal(reason, strict=strict, material=material)
    assert (said is not None) is refused
    assert said is None or reason in said


PLANTED = """
import pytest

def test_left_out():
    pytest.skip("no broker")

@pytest.mark.xfail(strict=True, reason="known")
def test_known():
    raise ValueError
"""


@pytest.mark.parametrize(("watched", "closing"), [("true", "1 failed"), ("false", "1 skipped")])
def test_a_planted_skip_fails_only_where_skips_are_watched(
    tmp_path: Path, watched: str, closing: str
) -> None:
    planted = tmp_path / "test_planted.py"
    planted.write_text(PLANTED)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.skips", "-c", os.devnull, planted],
        cwd=tmp_path,
        env={**os.environ, "CI": watched, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert f"{closing}, 1 xfailed" in run.stdout, run.stdout + run.stderr
