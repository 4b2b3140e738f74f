"""A time as text: RFC 3339, UTC, always nine digits of a second, so that one time has one form."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from protocols.wire.errors import MalformedError
from protocols.wire.reading import SECOND, Nanoseconds


def format_time(time: Nanoseconds) -> str:
    """Return ``2026-11-22T08:00:00.000000000Z``; MalformedError outside the years 1970 to 9999."""
    seconds, fraction = divmod(time, SECOND)
    days, second = divmod(seconds, _DAY)
    minute = second // 60
    return f"{_date(days)}T{minute // 60:02}:{minute % 60:02}:{second % 60:02}.{fraction:09}Z"


def parse_time(text: str) -> Nanoseconds:
    """Return the nanoseconds that ``format_time`` wrote; MalformedError for any other text."""
    found = _FORM.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        seconds = (datetime.fromisoformat(found[1] + "+00:00") - _EPOCH) // timedelta(seconds=1)
        if seconds < 0:
            raise ValueError
    except ValueError:
        raise MalformedError(
            f"{text[:40]!r} is not a time", hint="write 2026-11-22T08:00:00.000000000Z"
        ) from None
    return seconds * SECOND + int(found[2])


@lru_cache(maxsize=64)  # a record names few days, and thousands of times
def _date(days: int) -> str:
    """Return the date so many days after the epoch."""
    if days < 0:
        raise MalformedError("a time is before 1970")
    try:
        return (_EPOCH + timedelta(days=days)).date().isoformat()
    except OverflowError:
        raise MalformedError("a time is past the year 9999") from None


_DAY: Final = 86_400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FORM: Final = re.compile(r"([1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d)\.([0-9]{9})Z", re.ASCII)
