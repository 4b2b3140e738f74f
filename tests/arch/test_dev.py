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
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("cat", "cksum", "dirname", "id", "mktemp", "rm", "sed", "tail"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    return tmp_path


def test_without_python_it_says_what_to_install(bare: Path) -> None:
    run = _dev("docs", cwd=bare, path=str(bare / "bin"))
    assert run.returncode == 1
    assert "Python 3.11 or later" in run.stderr
    assert "  -> " in run.stderr


def test_what_fails_is_shown_without_addresses(bare: Path) -> None:
    """A Python whose pip cannot reach its index: the error is shown, the index's name is not."""
    python = bare / "bin" / "python3"
    python.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        '*venv*--clear*) /bin/mkdir -p .venv/bin; /bin/cp "$0" .venv/bin/python ;;\n'
        '*"-m pip"*) echo "no answer from https://index.example/simple"\n'
        "echo \"host='index.example'\"; exit 1 ;;\n"
        "*--version*) echo Python 3.12 ;;\n"
        "esac\n"
    )
    python.chmod(0o755)
    run = _dev("docs", cwd=bare, path=str(bare / "bin"))
    assert run.returncode == 1
    assert "no answer from <address>" in run.stderr
    assert "index.example" not in run.stderr
    assert not (bare / ".venv" / "lotproof-stamp").exists()
