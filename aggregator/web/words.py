"""The console's words in English and Chinese: one catalogue a language, the English text the key.

Errors have a catalogue of their own, the texts in which they are raised its keys: what an error
says has been filled in by then, and is found again by what stands around it. So a message that was
stored in English is told in Chinese too. A catalogue that lacks a text fails a test.
"""

from __future__ import annotations

import json
import re
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


def explainer(language: str) -> Callable[[object], str]:
    """Return a function from what an error or its hint says in English to that of ``language``.

    What the catalogue does not know stays as it is.
    """
    if language == "en":
        return str
    words, known = catalogue(language), _known(language)

    def explain(said: object) -> str:
        text = str(said)
        if text in words:
            return words[text]
        if len(text) <= _EXPLAINED_MAX:
            for pattern, meaning in known:
                found = pattern.fullmatch(text)
                if found:
                    return meaning.format(*map(listed, found.groups()))
        return text

    def listed(said: str) -> str:
        return "".join(map(explain, re.split("(, |; )", said)))

    return explain


_EXPLAINED_MAX: Final = 2_000  # characters


@cache
def _known(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return a pattern of every error and what it says, those that say the most of it first."""
    said = problems(language)
    return tuple(
        (re.compile(_FIELD.sub("(.+?)", re.escape(text)), re.DOTALL), said[text])
        for text in sorted(said, key=lambda text: len(_FIELD.sub("", text)), reverse=True)
    )


_FIELD: Final = re.compile(r"\\?\{\d+\\?\}")


def problems(language: str) -> dict[str, str]:
    """Return what errors say in a language, by the texts that they are raised with.

    Whatever fills a text in stands in both as its number: ``there is no lot {0}``.
    """
    return _read(f"{language}.problems.json")


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return the catalogue of a language; English is its own key and has none."""
    if language == "en":
        return {}
    return _read(f"{language}.json")


def _read(name: str) -> dict[str, str]:
    path = files("aggregator.web") / "locale" / name
    words: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return words
