"""Reads the settings file: one TOML file, checked whole before anything is opened.

A key may be overridden from the environment: ``LOTPROOF_AGENT_UPLINK__HOST`` is ``uplink.host``,
and ``LOTPROOF_AGENT_SOURCE`` all of ``source`` as JSON.
Paths are relative to the file's folder.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import tomllib
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from edge_agent.errors import SettingsFileError
from edge_agent.settings import SealSettings, Settings

ENVIRONMENT_PREFIX: Final = "LOTPROOF_AGENT_"
Overlay = Callable[[dict[str, Any]], dict[str, Any]]
"""Puts other settings over those of the file, whose paths are rooted."""


def load_settings(path: Path, overlay: Overlay | None = None) -> Settings:
    """Return the settings in the file, with others over them where there is an ``overlay``.

    SettingsFileError names every problem with its remedy.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsFileError(
            (f"{path}: cannot be read: {error}",), hint="give another file with --settings"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsFileError((f"{path}: not TOML: {error}",), hint="see toml.io") from error
    rooted = root_paths(Settings, data, path.absolute().parent)
    if overlay is not None:
        rooted = overlay(rooted)
    try:
        return Settings.model_validate(override(rooted, os.environ))
    except ValidationError as error:
        raise SettingsFileError(tuple(problems(str(path), error, Settings))) from error


def override(data: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return ``data`` with what the environment says of a key in its place.

    The variables of a table's keys count for more than one that holds the table; letters may be
    large or small. Names of no table are not ours: ``LOTPROOF_AGENT_SETTINGS`` is the command's.
    """
    found = dict(data)
    for name in sorted(environment):
        if not name.upper().startswith(ENVIRONMENT_PREFIX):
            continue
        *tables, key = name[len(ENVIRONMENT_PREFIX) :].lower().split("__")
        if [*tables, key][0] not in Settings.model_fields:
            continue
        table = found
        for each in tables:
            inner = table.get(each)
            table[each] = dict(inner) if isinstance(inner, dict) else {}
            table = table[each]
        table[key] = _merged(table.get(key), _value(environment[name]))
    return found


def problems(where: str, error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    """Yield ``where: key: what is wrong; remedy`` for each problem that pydantic found."""
    for found in error.errors(include_url=False):
        loc = found["loc"]
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
        text = found["msg"].removeprefix("Value error, ")
        if found["type"] == "missing":
            text = "is missing; give it"
        elif found["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(loc[-1]), _keys_at(model, loc[:-1]), n=1)
            text = f"there is no such key; {f'did you mean {near[0]!r}?' if near else 'remove it'}"
        elif isinstance(found["input"], str | int | float | bool):
            text = f"{text} (it is {found['input']!r})"
        yield f"{where}: {key.removeprefix('.')}: {text}"


def root_paths(model: type[BaseModel], data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return ``data`` with its relative paths taken from ``folder``, save the seal key's."""
    rooted = dict(data)
    for name, field in model.model_fields.items():
        value = rooted.get(name)
        inner = _models(field.annotation)
        if isinstance(value, str) and Path in (
            field.annotation,
            *typing.get_args(field.annotation),
        ):
            if model is not SealSettings:
                rooted[name] = folder / value
        elif isinstance(value, dict) and inner:
            rooted[name] = root_paths(inner[0], value, folder)
        elif isinstance(value, list) and inner:
            rooted[name] = [
                root_paths(inner[0], item, folder) if isinstance(item, dict) else item
                for item in value
            ]
    return rooted


def _value(text: str) -> object:
    """Return a list or a table that is written as JSON; any other text is for its field to read."""
    if text[:1] in ("[", "{"):
        with contextlib.suppress(json.JSONDecodeError):
            return json.loads(text)
    return text


def _merged(before: object, value: object) -> object:
    """Return a table with the keys of another in it; anything else takes the place of a value."""
    return before | value if isinstance(before, dict) and isinstance(value, dict) else value


def _keys_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    for part in loc:
        if isinstance(part, str):
            field = model.model_fields.get(part)
            inner = _models(field.annotation) if field else []
            if not inner:
                return []
            model = inner[0]
    return list(model.model_fields)


def _models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in typing.get_args(annotation) for model in _models(inner)]
