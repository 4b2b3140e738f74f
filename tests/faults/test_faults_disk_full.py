"""A full disk destroys nothing that was not sent, is declared, and always drains.

Needs the right to mount: root, or a user namespace of one's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.faults.buffer_load import READINGS_A_CUT
from tests.faults.full_disk import Case

_DISK: Final = "8m"
_IN_NAMESPACE: Final = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'

Figures = Callable[[str, object], None]


def test_a_buffer_at_its_cap_declares_what_it_refuses_and_drains(
    tmp_path: Path, record_property: Figures
) -> None:
    found = on_a_small_disk(tmp_path, Case.CAP)
    record_property("figures", str(found))
    judge(found)
    assert found["urgent_taken"]  # what comes only once finds room for longer
    assert found["drained_while_full"]


def test_a_disk_that_somebody_else_filled_drains_once_there_is_room(
    tmp_path: Path, record_property: Figures
) -> None:
    found = on_a_small_disk(tmp_path, Case.OUTSIDER)
    record_property("figures", str(found))
    judge(found)


def judge(found: dict[str, Any]) -> None:
    """Nothing acknowledged is gone, what was refused is declared, what was receipted is freed."""
    assert found["violations"] == []
    assert found["refused"] >= 3
    assert found["declared"] == found["refused"] * READINGS_A_CUT
    assert found["left"] == 1  # the head stays: the next bundle links to it


def on_a_small_disk(folder: Path, case: Case) -> dict[str, Any]:
    """Return what ``full_disk`` found on a file system of ``_DISK`` bytes that nobody else sees."""
    disk, result = folder / "disk", folder / "result.json"
    disk.mkdir()
    namespace = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    module = [sys.executable, "-m", "tests.faults.full_disk", str(disk), case.value, str(result)]
    command = [*namespace, "sh", "-c", _IN_NAMESPACE, "sh", _DISK, str(disk), *module]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return found
