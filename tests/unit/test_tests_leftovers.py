"""A process that a test leaves behind is named, ended, and fails the run."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no types
import pytest

ROOT = Path(__file__).resolve().parents[2]
_LEAVING = """
import subprocess, sys
def test_it_leaves_one():
    subprocess.run([sys.executable, "-c", '''
import os, subprocess
left = subprocess.Popen(["sleep", "{seconds}"], start_new_session=True)
'''], check=True)
"""


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["alone", "in a worker"])
def test_a_daemon_that_outlives_its_test_fails_the_run(tmp_path: Path, workers: list[str]) -> None:
    seconds = f"312.{uuid.uuid4().int}"  # ours alone: the other of these tests may run beside us
    text = _LEAVING.replace("{seconds}", seconds)
    (tmp_path / "test_leaving.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.leftovers", "-c", "/dev/null"]
    run = subprocess.run(
        [*command, *workers, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "1 passed" in run.stdout, run.stdout + run.stderr
    assert "a process outlived its test" in run.stdout
    assert run.returncode == 1
    running = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert ["sleep", seconds] not in running
