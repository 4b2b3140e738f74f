"""Each import contract of .importlinter catches a planted violation of it."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.arch.sources import PACKAGES, ROOT

CONTRACT = "importlinter:contract:"


# contract -> (file to plant in, import to plant)
PLANTED = {
    "parties": ("edge_agent/__init__.py", "import verifier"),
    "auditor": ("verifier/__init__.py", "import protocols.field.driver"),
    "no-field": ("aggregator/__init__.py", "import protocols.field.driver"),
    "wire": ("protocols/wire/limits.py", "import protocols.wire.reading"),
    "drivers": ("protocols/field/planted_one.py", "import protocols.field.planted_two"),
    "agent": ("edge_agent/errors.py", "import edge_agent.app"),
    "aggregator": ("aggregator/errors.py", "import aggregator.app"),
    "pure": ("protocols/wire/limits.py", "import time"),
    "stores": ("aggregator/service/planted.py", "import aggregator.store.sqlite"),
    "shipped": ("plant/__init__.py", "import pytest"),
    "acyclic": ("plant/planted_one.py", "import plant.planted_two"),
}
NEEDED = {
    "protocols/field/planted_two.py": "",
    "plant/planted_two.py": "import plant.planted_one",
    "edge_agent/app.py": "",
    "aggregator/app.py": "",
}


def contracts() -> dict[str, str]:
    """Return the contracts: the name of the section, and the sentence that is printed."""
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter", encoding="utf-8")
    return {
        section.removeprefix(CONTRACT): config[section]["name"]
        for section in config.sections()
        if section.startswith(CONTRACT)
    }


@pytest.fixture(scope="module")
def said_of_planted(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Plant every violation in a copy of the sources, and return what lint-imports says of it."""
    copy = tmp_path_factory.mktemp("planted")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=_not_python)
    shutil.copy(ROOT / ".importlinter", copy)
    for path, line in [*NEEDED.items(), *PLANTED.values()]:
        with (copy / path).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    code, said = _lint_imports(copy)
    assert code == 1, said
    return said


@pytest.mark.parametrize("contract", contracts())
def test_a_planted_violation_breaks_the_contract(contract: str, said_of_planted: str) -> None:
    name = contracts()[contract]
    assert re.search(rf"^{re.escape(name)} BROKEN", said_of_planted, re.MULTILINE)


def test_the_sources_keep_every_contract() -> None:
    code, said = _lint_imports(ROOT)
    assert code == 0, said


def _not_python(folder: str, names: list[str]) -> set[str]:
    return {
        name for name in names if not name.endswith(".py") and not (Path(folder) / name).is_dir()
    } | {"__pycache__"}


def _lint_imports(folder: Path) -> tuple[int, str]:
    """Run the linter on the packages in this folder, whichever are installed."""
    run = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return run.returncode, run.stdout + run.stderr
