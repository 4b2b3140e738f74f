"""The console's words in English and Chinese: one catalogue a language, the English text the key.

A catalogue without one of the texts that the templates use fails a test.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import Request

LANGUAGES: Final = ("en", "zh-CN")
COOKIE: Final = "lotproof_language"


def language_of(request: Request) -> str:
    """Return the language asked for: by ``?lang=``, by cookie, else by the browser."""
    for asked in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if asked in LANGUAGES:
            return asked
    accepted = request.headers.get("Accept-Language", "").lower()
    return "zh-CN" if accepted.startswith("zh") else "en"


def translator(language: str) -> Callable[..., str]:
    """Return a function from an English text to that of ``language``, with ``{name}`` filled in."""
    words = catalogue(language)

    def translate(text: str, **values: object) -> str:
        return words.get(text, text).format(**values) if values else words.get(text, text)

    return translate


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return the catalogue of a language; English is its own key and has none."""
    if language == "en":
        return {}
    path = files("aggregator.web") / "locale" / f"{language}.json"
    words: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return words
