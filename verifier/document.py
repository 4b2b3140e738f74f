"""Members of a dossier that are JSON: in their one form, and saying what they must."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, cast

from protocols.wire.dossier.file import canonical_json
from protocols.wire.errors import WireError
from verifier.errors import RecordError


@contextmanager
def saying(name: str) -> Iterator[None]:
    """Turn whatever taking a document apart raises into a RecordError about ``name``."""
    try:
        yield
    except RecordError:
        raise
    except WireError as error:
        raise RecordError(f"{name} cannot be read: {error}") from None
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise RecordError(
            f"{name} does not say what it must: {type(error).__name__} {error}"
        ) from None


def read_json(data: bytes, name: str) -> Any:
    """Return what ``data`` says; RecordError unless it is JSON in its one form."""
    with saying(name):
        said = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
        if not _is_one_form(said, data):
            raise RecordError(f"{name} is not in its one form: keys sorted, no white space")
    return said


def text(value: object) -> str:
    """Return ``value`` if it is a text, else raise RecordError."""
    if not isinstance(value, str):
        raise RecordError(f"{value!r} stands where a text belongs")
    return value


def number(value: object) -> float:
    """Return ``value`` if it is a finite number, else raise RecordError."""
    if type(value) not in (int, float) or not math.isfinite(cast(float, value)):
        raise RecordError(f"{value!r} stands where a number belongs")
    return cast(float, value)


def array(value: object) -> list[Any]:
    """Return ``value`` if it is an array, else raise TypeError; an empty object or text is none."""
    if not isinstance(value, list):
        raise TypeError("an array is missing")
    return value


def mapping(value: object) -> dict[str, Any]:
    """Return ``value`` if it is an object, else raise TypeError."""
    if not isinstance(value, dict):
        raise TypeError("an object is missing")
    return value


def _is_one_form(said: object, data: bytes) -> bool:
    try:
        return canonical_json(said) == data
    except WireError:  # a number past every float, or half a character
        return False


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RecordError("a field stands there twice")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise RecordError(f"{name} stands where a number belongs")
