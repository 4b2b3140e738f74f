"""Which Python files the house's rules look at, read once."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SHIPPED: Final = ("aggregator", "edge_agent", "protocols", "verifier")
"""The import packages that a wheel holds."""

PACKAGES: Final = (*SHIPPED, "plant", "tests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One Python file: ``path`` is relative to the project, with forward slashes."""

    path: str
    text: str

    @property
    def package(self) -> str:
        """Return the import package that the file belongs to."""
        return self.path.partition("/")[0]

    @property
    def tree(self) -> ast.Module:
        """Return the parsed file."""
        return _parse(self.path, self.text)


def sources(*packages: str) -> Iterator[Source]:
    """Yield every Python file of these packages (default: of all), sorted by path."""
    for package in packages or PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            relative = path.relative_to(ROOT).as_posix()
            yield Source(path=relative, text=path.read_text(encoding="utf-8"))


@functools.lru_cache(maxsize=1024)
def _parse(path: str, text: str) -> ast.Module:
    return ast.parse(text, filename=path)
