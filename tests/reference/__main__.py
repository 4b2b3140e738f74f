"""Write every generated file, or compare: ``python -m tests.reference [--check]``."""

from __future__ import annotations

import argparse

from tests.reference.pages import pages, stale


def main() -> int:
    """Return 0, or 1 where ``--check`` found a file that is not what it should be."""
    parser = argparse.ArgumentParser(prog="./dev docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, name what is stale")
    if parser.parse_args().check:
        found = list(stale())
        print("\n".join(found) or "every generated file is up to date")
        return 1 if found else 0
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
