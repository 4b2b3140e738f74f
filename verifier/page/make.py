"""Joins the page's sources into the one file that is handed out: ``python -m verifier.page.make``.

The page names the hash of its own script and style and allows a browser nothing else: no
connection, no other script, no picture. It stays readable: sources are joined, not packed.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent
PAGE: Final = FOLDER / "verify.html"


def make_page() -> str:
    """Return the whole page."""
    script = '\n"use strict";\n\n' + "\n".join(_read(f"scripts/{name}.js") for name in _SCRIPTS)
    style = "\n" + _read("page.css")
    rules = (
        "default-src 'none'",
        f"script-src '{_hash(script)}'",
        f"style-src '{_hash(style)}'",
        "base-uri 'none'",
        "form-action 'none'",
    )
    page = _read("page.html")
    for mark, text in (("policy", "; ".join(rules)), ("style", style), ("script", script)):
        page = page.replace(f"{{{mark}}}", text, 1)
    return page


_SCRIPTS: Final = (
    "text",
    "bytes",
    "cbor",
    "inflate",
    "keys",
    "column",
    "bundle",
    "placement",
    "dossier",
    "policy",
    "document",
    "record",
    "report",
    "chinese",
    "chains",
    "readings",
    "signatures",
    "verify",
    "page",
)
"""In the order in which they need each other."""


def _read(name: str) -> str:
    return FOLDER.joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


if __name__ == "__main__":
    PAGE.write_text(make_page(), encoding="utf-8")
