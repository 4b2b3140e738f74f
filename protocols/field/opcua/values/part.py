"""The part of a value that a signal is: ``[3]``, ``.speed``, ``.zones[2].temperature``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from asyncua import ua

Part: TypeAlias = tuple[int | str, ...]
"""Indexes of arrays, from 0, and names of fields, from the whole to the part."""

Decode: TypeAlias = Callable[[ua.ExtensionObject], Mapping[str, Any] | None]
"""Returns the fields of a structure that asyncua left undecoded; None where it is not known."""


def parse_part(text: str) -> Part:
    """Return the part that the text writes; ValueError says what is wrong with it."""
    steps: list[int | str] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise ValueError(
                f"{text!r} is not a part of a value (`[3]`, `.speed`, `.zones[2].temperature`): "
                f"look at {text[at:]!r}"
            )
        steps.append(int(match["index"]) if match["index"] else match["name"])
        at = match.end()
    return tuple(steps)


def pick(value: Any, part: Part, decode: Decode) -> Any:
    """Return the part of ``value``; LookupError where it is not there."""
    for step in part:
        if isinstance(value, ua.Variant):
            value = value.Value
        if isinstance(value, ua.ExtensionObject) and type(value) is ua.ExtensionObject:
            value = decode(value)
        if isinstance(step, int):
            if not isinstance(value, Sequence) or isinstance(value, str | bytes):
                raise IndexError(step)
            value = value[step]
        elif isinstance(value, Mapping):
            value = value[step]
        elif step in getattr(value, "__dataclass_fields__", ()):
            value = getattr(value, step)
        else:
            raise LookupError(step)
    return value


_STEP: Final = re.compile(r"\[(?P<index>\d{1,9})\]|\.(?P<name>[^.\[\]]+)")
