"""Forms of pages: their fields, and where they may come from."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from fastapi import Request

from aggregator.errors import InvalidError

_FORM_BYTES_MAX: Final = 16_384


class Form:
    """The fields of a form that was sent; what was left empty is there as empty text."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        """Return a field without white space around it."""
        return self.secret(name).strip()

    def secret(self, name: str) -> str:
        """Return a field exactly as it was typed."""
        return self._fields.get(name, [""])[0]

    def every(self, name: str) -> list[str]:
        """Return the values of a field that can be chosen several times."""
        return self._fields.get(name, [])

    def whole(self, name: str) -> int:
        """Return a whole number; InvalidError for anything else."""
        text = self.text(name)
        if not text.isdecimal() or len(text) > 9:
            raise InvalidError(f"{text[:20]!r} is no whole number")
        return int(text)


async def form_of(request: Request, *, bytes_max: int = _FORM_BYTES_MAX) -> Form:
    """Return the form that a request carries; InvalidError for a body larger than such a form."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > bytes_max:
            raise InvalidError("that is larger than any form of this console")
    return Form(parse_qs(body.decode("ascii", errors="replace")))
