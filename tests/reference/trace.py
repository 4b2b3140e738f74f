"""The page that says which tests show which requirement, from their ``req`` markers."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from tests.arch.sources import ROOT, Source, sources

REQUIREMENTS: Final = ROOT / "docs" / "validation" / "requirements.md"


def trace_page() -> str:
    """Return the table of requirements and the tests that show each."""
    shown: defaultdict[int, set[str]] = defaultdict(set)
    for source in sources("tests"):
        for number, test in marked(source):
            shown[number].add(test)
    wanted = requirements()
    unknown = sorted(set(shown) - set(wanted))
    if unknown:
        raise ValueError(f"tests show requirements that {REQUIREMENTS.name} lacks: {unknown}")
    lines = [
        "# Requirements and the tests that show them",
        "",
        "Written by `./dev docs` from the marker `@pytest.mark.req(number)`; do not edit. A row",
        "without a test is not shown yet, whatever else is said of it.",
        "",
        f"Shown by at least one test: {len(shown)} of {len(wanted)}.",
        "",
        "| number | requirement | shown by |",
        "| --- | --- | --- |",
    ]
    for number, text in wanted.items():
        tests = "<br>".join(f"`{test}`" for test in sorted(shown[number])) or "not shown yet"
        lines.append(f"| {number} | {text} | {tests} |")
    return "\n".join([*lines, ""])


def requirements() -> dict[int, str]:
    """Return the requirements by number, as the list of the documents states them."""
    text = REQUIREMENTS.read_text(encoding="utf-8")
    found = re.findall(r"^(\d+)\. (.+)$", text, re.MULTILINE)
    return {int(number): sentence for number, sentence in found}


def marked(source: Source) -> Iterator[tuple[int, str]]:
    """Yield the number and the test of each marker; ``pytestmark`` stands for the whole file."""
    for node in source.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            yield from ((number, source.path) for number in _numbers(node.value))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                yield from (
                    (number, f"{source.path}::{node.name}") for number in _numbers(decorator)
                )


def _numbers(node: ast.expr) -> Iterator[int]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.req":
            yield from (ast.literal_eval(argument) for argument in call.args)
