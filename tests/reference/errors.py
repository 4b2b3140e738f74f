"""The page of errors, from the tree in each package's errors.py."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Final

from tests.arch.sources import SHIPPED, sources

ELSEWHERE: Final = ("protocols/field/driver.py",)
"""Trees that stand with the contract that raises them."""


def errors_page() -> str:
    """Return a page that draws the tree of errors of each package."""
    lines = [
        "# Errors",
        "",
        "Written by `./dev docs`; do not edit. Every error carries a message that says what is",
        "wrong and a hint that says what to do.",
    ]
    for source in sources(*SHIPPED):
        if source.path.endswith("/errors.py") or source.path in ELSEWHERE:
            module = importlib.import_module(source.path.removesuffix(".py").replace("/", "."))
            own = [
                found
                for found in vars(module).values()
                if isinstance(found, type)
                and issubclass(found, Exception)
                and found.__module__ == module.__name__
            ]
            roots = [error for error in own if not set(error.__bases__) & set(own)]
            lines += ["", f"## {module.__package__}", ""]
            lines += [line for root in roots for line in _tree(root, own, 0)]
    return "\n".join([*lines, ""])


def _tree(error: type[Exception], own: list[type[Exception]], depth: int) -> Iterator[str]:
    meaning = (error.__doc__ or "").strip().partition("\n")[0].replace("``", "`")
    yield f"{'  ' * depth}- `{error.__name__}`: {meaning}"
    for child in own:
        if error in child.__bases__:
            yield from _tree(child, own, depth + 1)
