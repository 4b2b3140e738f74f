"""Where in a JSON document a value is: names joined by points, indexes in brackets."""

from __future__ import annotations

import re
from typing import Any, Final

__all__ = ["Absent", "find", "parse_path"]


class Absent(LookupError):  # noqa: N818 -- what is not there is no error of anybody's
    """The document has no such place."""


def parse_path(path: str) -> tuple[str | int, ...]:
    """Return the steps of a path, ``()`` for the whole; raise ValueError where it is none.

    A name with a point or a bracket stands quoted: ``["a.b"][0]``.
    """
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None or (found["first"] is not None and at > 0):
            raise ValueError(f"no path: {path!r}; write for example press.zones[0].temp")
        if found["index"] is not None:
            steps.append(int(found["index"]))
        else:
            steps.append(found["quoted"] or found["name"] or found["first"])
        at = found.end()
    return tuple(steps)


def find(document: Any, steps: tuple[str | int, ...]) -> Any:
    """Return what stands at a path; raise Absent where there is nothing."""
    for step in steps:
        try:
            if isinstance(step, str) is not isinstance(document, dict):
                raise Absent(step)
            document = document[step]
        except (LookupError, TypeError) as error:
            raise Absent(step) from error
    return document


_STEP: Final = re.compile(
    r'\[(?P<index>[0-9]{1,9})\]|\["(?P<quoted>[^"]+)"\]|\.(?P<name>[^.\[\]]+)|(?P<first>[^.\[\]]+)'
)
