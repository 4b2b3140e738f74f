"""What is shipped is all that is needed, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.arch.sources import ROOT, SHIPPED


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """Build the wheel, and return the names of the files in it."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (built,) = folder.glob("lotproof-*.whl")
    with zipfile.ZipFile(built) as archive:
        return frozenset(archive.namelist())


def test_the_wheel_holds_every_file_of_the_packages(wheel: frozenset[str]) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for package in SHIPPED
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert files - wheel == set(), "code, SQL, templates, scripts and fonts alike"


def test_the_wheel_holds_nothing_else(wheel: frozenset[str]) -> None:
    tops = {Path(name).parts[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(SHIPPED)


def test_the_data_that_the_aggregator_reads_is_shipped(wheel: frozenset[str]) -> None:
    for folder in ("adapters", "dictionary"):
        names = {
            f"aggregator/config/{folder}/{path.name}"
            for path in (ROOT / "config" / folder).iterdir()
        }
        assert names
        assert names <= wheel


def test_the_licence_is_shipped(wheel: frozenset[str]) -> None:
    assert any(name.endswith("/LICENSE") for name in wheel)


def test_who_verifies_installs_cryptography_alone() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [name.partition(">")[0] for name in project["dependencies"]] == ["cryptography"]
    assert project["optional-dependencies"].get("verifier", []) == []


def test_the_verifier_runs_on_the_standard_library_and_cryptography() -> None:
    """Import every module of the verifier where nothing else can be imported."""
    code = (
        "import pkgutil, sys, importlib, verifier\n"
        "allowed = sys.stdlib_module_names | {'verifier', 'protocols', 'cryptography', 'cffi',"
        " '_cffi_backend'}\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] not in allowed:\n"
        "            raise ImportError('the verifier may not need ' + name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "for module in pkgutil.walk_packages(verifier.__path__, 'verifier.'):\n"
        "    importlib.import_module(module.name)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr


LOCKS = [ROOT / "requirements.lock", *sorted((ROOT / "deploy").glob("*.lock"))]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_has_a_hash_for_everything_and_names_no_index(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    entries = [line for line in text.replace("\\\n", " ").splitlines() if "==" in line]
    assert entries
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text


def test_a_party_installs_what_is_tested_and_nothing_of_another_party() -> None:
    locked = {lock.stem: _versions(lock) for lock in LOCKS}
    tested = locked.pop("requirements")
    assert sorted(locked) == ["agent", "aggregator", "verifier"]
    for versions in locked.values():
        assert versions <= tested
    names = {party: {name for name, _ in versions} for party, versions in locked.items()}
    assert names["verifier"] == {"cryptography", "cffi", "pycparser"}
    assert not names["agent"] & {"fastapi", "asyncpg", "numpy", "typst"}
    assert not names["aggregator"] & {"asyncua", "pymodbus", "llrpkit"}


def _versions(lock: Path) -> set[tuple[str, str]]:
    found = re.findall(r"^([a-z0-9.-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return set(found)
