"""What the documents say is there, and what they tell a reader to run works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.settings import SourceSettings
from protocols.field.driver import load_driver
from tests.arch.documents import (
    RUN,
    Document,
    blocks_to_run,
    broken_links,
    documents,
    outline,
    sources_shown,
)
from tests.arch.sources import ROOT

AGENTS_KEYS = SourceSettings.model_fields.keys()
BLOCKS = [
    pytest.param(language, block, id=f"{document.name}-{number}")
    for document in documents()
    for number, (language, block) in enumerate(blocks_to_run(document))
]


def test_every_link_leads_somewhere() -> None:
    broken = [message for document in documents() for message in broken_links(document)]
    assert not broken, "\n".join(["", *broken])


def test_a_planted_broken_link_is_caught() -> None:
    text = "[a](gone.md) [b](README.md#no-such-heading) [c](README.md) [d](https://example.com)"
    found = list(broken_links(Document(path=ROOT / "planted.md", text=text)))
    assert [said.split()[1] for said in found] == ["gone.md", "README.md#no-such-heading"]


def test_code_is_not_read_as_links() -> None:
    text = "`[a](gone.md)`\n\n```sh\n[b](gone.md)\n```\n"
    assert list(broken_links(Document(path=ROOT / "planted.md", text=text))) == []


@pytest.mark.parametrize(("language", "block"), BLOCKS)
def test_a_marked_block_runs(language: str, block: str, tmp_path: Path) -> None:
    code, said = _run(language, block, tmp_path)
    assert code == 0, said


def test_there_are_blocks_to_run() -> None:
    assert BLOCKS, f"mark a block with {RUN} on the line before it"


@pytest.mark.parametrize("block", ["sh\nfalse\ntrue", "python\nraise ValueError"])
def test_a_planted_block_that_fails_is_caught(block: str, tmp_path: Path) -> None:
    text = f"{RUN}\n```{block}\n```\n"
    (found,) = blocks_to_run(Document(path=ROOT / "planted.md", text=text))
    assert _run(*found, tmp_path)[0] != 0


def test_every_source_in_the_documents_fits_its_driver() -> None:
    shown = [source for document in documents() for source in sources_shown(document)]
    assert shown
    for source in shown:
        settings = {key: source[key] for key in source.keys() - AGENTS_KEYS}
        load_driver(source["driver"]).settings.model_validate(settings)


def test_the_translation_of_the_readme_keeps_up() -> None:
    found = {document.name: document for document in documents()}
    english, chinese = outline(found["README.md"]), outline(found["README.zh-CN.md"])
    assert chinese == english


def test_the_changelog_has_a_place_for_the_next_change() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, *versions = re.findall(r"^## \[([^]]+)\]", text, re.MULTILINE)
    assert first == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)


def test_every_decision_is_numbered_and_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    records = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [name[:4] for name in records] == [f"{n:04}" for n in range(1, len(records) + 1)]
    index = (folder / "index.md").read_text(encoding="utf-8")
    assert [name for name in records if f"({name})" not in index] == []


def test_every_page_of_the_documentation_is_reached() -> None:
    texts = [document.prose for document in documents()]
    pages = {path.name for path in (ROOT / "docs").rglob("*.md")} - {"template.md", "index.md"}
    assert [page for page in sorted(pages) if not any(page in text for text in texts)] == []


def _run(language: str, block: str, scratch: Path) -> tuple[int, str]:
    """Run a block from the project's root as a reader would, stopping at the first failure."""
    run = subprocess.run(
        ["sh", "-eu"] if language == "sh" else [sys.executable],
        input=block,
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "SCRATCH": str(scratch),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return run.returncode, run.stdout + run.stderr
