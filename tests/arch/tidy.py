"""The rules of tidiness that no linter has; each says what to do instead.

A rule takes a `Source` and yields a message for each breach, so a test can hand it a planted one.
``python -m tests.arch.tidy`` names the files that will have to be split soon.
"""

from __future__ import annotations

import ast
import io
import itertools
import re
import tokenize
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from tests.arch.sources import SHIPPED, Source, sources

Rule = Callable[[Source], Iterator[str]]

LINES_AIM: Final = 250
LINES_MAX: Final = 400
TEST_LINES_MAX: Final = 600
FUNCTION_LINES_MAX: Final = 60
FOLDER_FILES_MAX: Final = 16
VAGUE_NAMES: Final = ("common", "helper", "helpers", "manager", "misc", "util", "utils")


def file_length(source: Source) -> Iterator[str]:
    """Refuse a file that cannot be read in one sitting."""
    limit = TEST_LINES_MAX if source.package == "tests" else LINES_MAX
    lines = source.text.count("\n")
    if lines > limit:
        yield f"{source.path}: {lines} lines, at most {limit}; split it by subject"


def function_length(source: Source) -> Iterator[str]:
    """Refuse a function whose steps have no names."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = _last_line(node) - node.lineno + 1 - _docstring_lines(node)
            if lines > FUNCTION_LINES_MAX:
                yield (
                    f"{source.path}: {node.name}() has {lines} lines without its docstring, at "
                    f"most {FUNCTION_LINES_MAX}; name its steps as functions of their own"
                )


def vague_name(source: Source) -> Iterator[str]:
    """Refuse a name that collects what has no subject."""
    for part in source.path.removesuffix(".py").split("/"):
        if set(part.split("_")) & set(VAGUE_NAMES):
            yield f"{source.path}: {part!r} says nothing; name the file for its subject"


def one_sentence(source: Source) -> Iterator[str]:
    """Refuse a docstring whose first line could not stand in a list."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = (ast.get_docstring(node) or "").partition("\n")[0]
            if re.search(r"(?<!e\.g)(?<!i\.e)[.!?] [A-Z]", first):
                name = getattr(node, "name", "the module")
                yield (
                    f"{source.path}: the docstring of {name} begins with more than one sentence; "
                    "leave a blank line after the first"
                )


def no_promises(source: Source) -> Iterator[str]:
    """Refuse work left for later in a comment, where nobody sees it."""
    for comment in _comments(source):
        if found := re.search(r"\b(TODO|FIXME|XXX|HACK)\b", comment):
            yield f"{source.path}: {found[0]} in a comment; do it now, or open an issue"


def no_line_numbers(source: Source) -> Iterator[str]:
    """Refuse a citation that is wrong after the next edit."""
    for comment in _comments(source):
        if re.search(r"\b[Ll]ines? \d+", comment):
            yield f"{source.path}: a comment cites a line number; cite a name or a section"


def no_assert(source: Source) -> Iterator[str]:
    """Refuse a check that ``python -O`` removes."""
    if source.package == "tests":
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assert):
            yield f"{source.path}: assert outside tests; raise an error of the package's tree"


def reasoned_exemption(source: Source) -> Iterator[str]:
    """Refuse an exemption that does not say why, there or in the comment above.

    With its reason, the next reader can tell when it is over.
    """
    if source.package == "tests":
        return
    lines = ["", *source.text.splitlines()]
    for above, line in itertools.pairwise(lines):
        if EXEMPTION.search(line) and not above.lstrip().startswith("#"):
            yield f"{source.path}: {line.strip()!r} gives no reason; write it behind, after ' # '"


EXEMPTION: Final = re.compile(
    r"# (noqa(: *[A-Z]+\d+(, *[A-Z]+\d+)*)?|type: ignore(\[[a-z-, ]+\])?) *$"
)

RULES: Final[tuple[Rule, ...]] = (
    file_length,
    function_length,
    vague_name,
    one_sentence,
    no_promises,
    no_line_numbers,
    no_assert,
    reasoned_exemption,
)


def crowded_folders(paths: Iterable[str]) -> Iterator[str]:
    """Yield a message for each folder with more Python files than a reader can keep in mind.

    Folders of tests are exempt: they mirror the files that they test.
    """
    count = Counter(path.rpartition("/")[0] for path in paths if not path.startswith("tests/"))
    for folder, files in sorted(count.items()):
        if files > FOLDER_FILES_MAX:
            yield (
                f"{folder}: {files} Python files, at most {FOLDER_FILES_MAX}; move those of one "
                "subject into a folder named for it"
            )


def _comments(source: Source) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    if ast.get_docstring(node) is None:
        return 0
    return _last_line(node.body[0]) - node.body[0].lineno + 1


def _last_line(node: ast.stmt) -> int:
    return node.lineno if node.end_lineno is None else node.end_lineno


def main() -> None:
    """Print the files past the length to aim at, longest first."""
    lengths = {source.path: source.text.count("\n") for source in sources(*SHIPPED, "plant")}
    long = {path: lines for path, lines in lengths.items() if lines > LINES_AIM}
    if long:
        print(f"Over {LINES_AIM} lines, to be split before {LINES_MAX}:")
    for path in sorted(long, key=long.__getitem__, reverse=True):
        print(f"  {long[path]}  {path}")


if __name__ == "__main__":
    main()
