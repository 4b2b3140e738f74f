"""What must not leave a gateway: secrets of the settings are masked wherever they would stand.

A key that no model knows is masked too, since a misspelt password is one.
"""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from edge_agent.settings import Settings, SourceSettings
from edge_agent.settings_file import ENVIRONMENT_PREFIX
from protocols.field.driver import SettingsError, load_driver

MASK: Final = "**********"


class Redaction:
    """The secrets that were met, and texts without them."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def settings(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings, as read from their file, with every secret masked."""
        whole = {name: value for name, value in data.items() if name != "source"}
        masked = self._table(whole, Settings.model_fields)
        sources = data.get("source")
        if isinstance(sources, list):  # their fields are those of their drivers
            masked["source"] = [
                self._table(source, _source_fields(source)) if isinstance(source, dict) else MASK
                for source in sources
            ]
        return masked

    def environment(self, variables: Mapping[str, str]) -> list[str]:
        """Return the names of variables that override settings, and remember their secrets."""
        names = sorted(name for name in variables if name.startswith(ENVIRONMENT_PREFIX))
        for name in names:
            if _SECRET_NAME.search(name):
                self._learn(variables[name], certain=True)
        if sources := variables.get(_SOURCES):
            try:
                self.settings({"source": json.loads(sources)})
            except ValueError:
                self._learn(sources, certain=True)
        return names

    def text(self, text: str) -> str:
        """Return a text without the secrets met so far, and without keys and passwords in URLs."""
        forms = {form for secret in self._secrets for form in _forms(secret)}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, MASK)
        return _plain(text)

    def _table(self, data: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
        masked: dict[str, Any] = {}
        for name, value in data.items():
            field = fields.get(name)
            if field is None or _is_secret(name, field):
                self._learn(value, certain=_SECRET_NAME.search(name) is not None)
                masked[name] = MASK
            else:
                masked[name] = self._value(value, _inner(field.annotation))
        return masked

    def _value(self, value: Any, fields: Mapping[str, FieldInfo]) -> Any:
        match value:
            case dict():
                return self._table(value, fields)
            case list():
                return [self._value(each, fields) for each in value]
            case str():
                return _plain(value)
            case _:
                return value

    def _learn(self, value: Any, *, certain: bool) -> None:
        """Remember a secret; a number, or a short text, under an unknown name is in every text."""
        match value:
            case dict():
                for each in value.values():
                    self._learn(each, certain=certain)
            case list():
                for each in value:
                    self._learn(each, certain=certain)
            case str() if value and (certain or len(value) >= _TELLING):
                self._secrets.add(value)
            case int() | float() if certain and not isinstance(value, bool):
                self._secrets.add(str(value))


_SOURCES: Final = f"{ENVIRONMENT_PREFIX}SOURCE"
_TELLING: Final = 4  # characters
_SECRET_NAME: Final = re.compile(r"pass|secret|token|credential|\bpin\b", re.IGNORECASE)
_PEM: Final = re.compile(r"-----BEGIN [^-]+-----.*?(?:-----END [^-]+-----|\Z)", re.DOTALL)
_IN_URL: Final = re.compile(r"(\w://)[^/\s@\"']+@")


def _plain(text: str) -> str:
    return _IN_URL.sub(rf"\1{MASK}@", _PEM.sub(MASK, text))


def _forms(secret: str) -> tuple[str, ...]:
    """Return a secret as it stands in a text, in JSON and in what Python quotes."""
    forms = (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    return (*forms, repr(secret)[1:-1])


def _is_secret(name: str, field: FieldInfo) -> bool:
    types = (field.annotation, *typing.get_args(field.annotation))
    return SecretStr in types or _SECRET_NAME.search(name) is not None


def _inner(annotation: object) -> Mapping[str, FieldInfo]:
    """Return the fields of the model that an annotation holds, none where it holds none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.model_fields
    found: dict[str, FieldInfo] = {}
    for inner in typing.get_args(annotation):
        found |= _inner(inner)
    return found


def _source_fields(source: Mapping[str, Any]) -> Mapping[str, FieldInfo]:
    try:
        driver = load_driver(str(source.get("driver"))).settings.model_fields
    except SettingsError:
        driver = {}
    return {**SourceSettings.model_fields, **driver}
