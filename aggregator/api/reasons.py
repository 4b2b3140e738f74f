"""The reason of a change, as the API takes it: words, never white space (21 CFR 11.10(e))."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Header, Query
from pydantic import StringConstraints

_WORDS: Final = StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)
_SAID: Final = "Why, for the audit trail."

Reason = Annotated[str, _WORDS]
"""In a request's body."""

AskedReason = Annotated[str, _WORDS, Query(description=_SAID)]
"""In the address of a request that has no body."""

ReasonHeader = Annotated[str, _WORDS, Header(alias="X-Reason", description=_SAID)]
"""Beside a body that is a document."""
