"""``./dev`` lists what it can do, and says what to do when it cannot."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.arch.sources import ROOT

COMMANDS = ["demo", "test", "check", "fmt", "unit", "it", "e2e", "faults", "bench", "docs", "lock"]


def _dev(
    *arguments: str, cwd: Path = ROOT, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", cwd / "dev", *arguments],
        cwd="/",
        env=None if path is None else {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_alone_it_lists_every_command_with_a_line() -> None:
    run = _dev()
    assert run.returncode == 0
    listed = re.findall(r"^  (\w+).*?  +(\S.+)$", run.stdout, re.MULTILINE)
    assert [command for command, _ in listed] == COMMANDS


def test_an_unknown_command_is_refused_with_the_list() -> None:
    run = _dev("tset")
    assert run.returncode == 1
    assert "there is no command 'tset'" in run.stderr
    assert "  test " in run.stderr


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return a fresh copy of the project's root on a machine without Python and apt."""
    for name in ("dev", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in ("cat", "cksum", "cp", "dirname", "env", "mkdir", "mktemp", "rm", "sed", "tail"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or tool)
    return tmp_path


def _put(box: Path, tool: str, script: str) -> None:
    """Put a tool of that name on a bare box."""
    path = box / "bin" / tool
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def _dev_on(box: Path) -> subprocess.CompletedProcess[str]:
    return _dev("docs", cwd=box, path=str(box / "bin"))


NO_ENSUREPIP = """case "$*" in
*ensurepip*) exit 1 ;;
*python3.%d-venv*) echo python3.12-venv ;;
esac"""


def test_without_python_it_says_what_to_install(bare: Path) -> None:
    run = _dev_on(bare)
    assert run.returncode == 1
    assert "Python 3.11 or later" in run.stderr
    assert "  -> " in run.stderr


def test_a_python_that_is_too_old_is_passed_over(bare: Path) -> None:
    _put(bare, "python3", "exit 1")  # what asking for 3.11 or later ends with
    run = _dev_on(bare)
    assert run.returncode == 1
    assert "Python 3.11 or later" in run.stderr


def test_as_nobody_special_it_says_what_root_has_to_run(bare: Path) -> None:
    _put(bare, "python3", NO_ENSUREPIP)
    _put(bare, "apt-get", "exit 99")
    _put(bare, "id", "echo 1000")
    run = _dev_on(bare)
    assert run.returncode == 1
    assert "  -> as root: apt-get install python3.12-venv" in run.stderr


@pytest.mark.parametrize("user", ["0", "1000"])
def test_as_root_or_with_sudo_it_installs_what_is_missing_and_says_so(
    bare: Path, user: str
) -> None:
    _put(bare, "python3", NO_ENSUREPIP)
    _put(bare, "apt-get", f'echo "$*" >>{bare}/installed')
    _put(bare, "id", f"echo {user}")
    _put(bare, "sudo", f'echo "$1" >>{bare}/sudo; shift; "$@"')
    run = _dev_on(bare)
    assert "installing from apt: python3.12-venv" in run.stderr
    last = (bare / "installed").read_text().splitlines()[-1]
    assert last == "install --yes --no-install-recommends python3.12-venv"
    assert (bare / "sudo").exists() is (user != "0")


def test_what_fails_is_shown_without_addresses(bare: Path) -> None:
    """A Python whose pip cannot reach its index: the error is shown, the index's name is not."""
    _put(
        bare,
        "python3",
        """case "$*" in
*venv*--clear*) mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
*"-m pip"*)
    echo "no answer from https://index.example/simple"
    echo "host='index.example'"
    exit 1 ;;
*--version*) echo Python 3.12 ;;
esac""",
    )
    run = _dev_on(bare)
    assert run.returncode == 1
    assert "no answer from <address>" in run.stderr
    assert "index.example" not in run.stderr
    assert not (bare / ".venv" / "lotproof-stamp").exists()
