"""The rules of documents: links lead somewhere, blocks run, translations keep up."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.arch.sources import ROOT

FOLDERS: Final = ("config", "deploy", "docs")
RUN: Final = "<!-- run -->"
"""Stands on the line before a shell or Python block that a test runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One Markdown file."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        """Return its path in the project."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def prose(self) -> str:
        """Return the text without its code, where a bracket is no link."""
        return re.sub(r"`[^`\n]*`", "", _FENCED.sub("", self.text))


_FENCED: Final = re.compile(r"^(```+)[^\n]*\n.*?^\1$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")


def documents() -> Iterator[Document]:
    """Yield every Markdown file of the project."""
    paths = [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in _markdown(folder))]
    for path in sorted(paths):
        yield Document(path=path, text=path.read_text(encoding="utf-8"))


def broken_links(document: Document) -> Iterator[str]:
    """Yield a message for each link to a file or a heading that is not there."""
    for target in _LINK.findall(document.prose):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (document.path.parent / name).resolve() if name else document.path
        if not path.exists():
            yield f"{document.name}: {target} is not there; correct the link or write the page"
        elif anchor and path.suffix == ".md" and anchor not in _anchors(path):
            yield f"{document.name}: {target} names no heading of that page; correct it"


def blocks_to_run(document: Document) -> Iterator[tuple[str, str]]:
    """Yield language (``sh`` or ``python``) and text of the blocks that are marked to be run."""
    marked = rf"^{RUN}\n```(sh|python)\n(.*?)^```$"
    yield from re.findall(marked, document.text, re.MULTILINE | re.DOTALL)


def sources_shown(document: Document) -> Iterator[dict[str, Any]]:
    """Yield every source of an agent's settings that the document shows in a TOML block."""
    for block in re.findall(r"^```toml\n(.*?)^```$", document.text, re.MULTILINE | re.DOTALL):
        yield from tomllib.loads(block).get("source", ())


def outline(document: Document) -> dict[str, object]:
    """Return what a translation keeps: depths of headings, code, commands, links, rows."""
    return {
        "headings": [len(marks) for marks in re.findall(r"^(#+) ", document.text, re.MULTILINE)],
        "blocks": [found[0] for found in _FENCED.finditer(document.text)],
        "commands": re.findall(r"`([^`\n]+)`", _FENCED.sub("", document.text)),
        "links": [link for link in _LINK.findall(document.prose) if "README" not in link],
        "rows": len(re.findall(r"^\|", document.text, re.MULTILINE)),
    }


def _markdown(folder: str) -> Iterator[Path]:
    return (ROOT / folder).rglob("*.md")


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
