"""Command line: ``lotproof-verify FILE --trust POLICY``; exit 0 verified, 1 not, 2 undecided."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from verifier.errors import PolicyError
from verifier.policy import read_policy
from verifier.report import Verdict
from verifier.verify import verify


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the dossier that ``arguments`` name, print the report and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        policy = read_policy(options.trust.read_bytes())
        data = options.file.read_bytes()
    except (OSError, PolicyError) as error:
        hint = getattr(error, "hint", "")
        print(f"CANNOT DECIDE  {error}{f' ({hint})' if hint else ''}", file=sys.stderr)
        return Verdict.CANNOT_DECIDE
    report = verify(data, policy)
    said = report.to_text(options.lang)
    if options.json:
        said = json.dumps(report.to_json(), indent=2, ensure_ascii=False)
    try:
        print(said, flush=True)
    except BrokenPipeError:  # whoever read the output has read enough; the status still counts
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return report.verdict


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lotproof-verify",
        description="Prove a batch record from its dossier, offline.",
        epilog="Exit status: 0 VERIFIED, 1 NOT VERIFIED, 2 CANNOT DECIDE.",
    )
    parser.add_argument("file", type=Path, help="the dossier")
    parser.add_argument(
        "--trust",
        type=Path,
        required=True,
        metavar="POLICY",
        help="TOML file with the keys to believe, from the site's QA (never from the dossier)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="language of the report")
    return parser


if __name__ == "__main__":
    sys.exit(main())
