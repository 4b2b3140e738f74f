"""The units of systemd are what systemd takes, and their watchdog waits longer than a slow disk."""

from __future__ import annotations

import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from edge_agent.sealing import sealer
from edge_agent.settings import SealSettings

UNITS = sorted((Path(__file__).parents[2] / "deploy" / "systemd").glob("*.service"))


def unit(path: Path) -> ConfigParser:
    read = ConfigParser(interpolation=None, strict=True)
    read.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys have capitals
    read.read(path, encoding="utf-8")
    return read


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_takes_the_unit(path: Path, tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    assert verify, "systemd-analyze is missing: install systemd (its tools are enough)"
    found = unit(path)["Service"]["ExecStart"].split()
    copy = tmp_path / path.name  # the program is where the package puts it, not here
    copy.write_text(path.read_text().replace(found[0], sys.executable), encoding="utf-8")
    said = subprocess.run([verify, "verify", copy], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")
    copy.write_text(copy.read_text().replace("WatchdogSec", "WatchdogSecs"), encoding="utf-8")
    said = subprocess.run([verify, "verify", copy], capture_output=True, text=True, check=False)
    assert "WatchdogSecs" in said.stdout + said.stderr, "a word that systemd does not know is found"


def test_the_watchdog_waits_longer_than_the_agent_may_take() -> None:
    (path,) = [each for each in UNITS if each.stem == "lotproof-agent"]
    service = unit(path)["Service"]
    assert service["Type"] == "notify"
    assert service["Restart"] == "always"
    seal = SealSettings()
    longest = 3 * max(seal.heartbeat_s, seal.age_max_s) + sealer._CUT_S
    assert int(service["WatchdogSec"]) >= 2 * longest
