"""Puts the aggregator's document of settings over the gateway's own file.

Keys, paths and passwords stay where they are: a source takes them from the source of the same name
and driver in the gateway's own file, and a document that gives one itself is refused.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from edge_agent.errors import SettingsFileError
from edge_agent.settings_file import Overlay
from protocols.field.driver import SettingsError, Spec, load_driver
from protocols.settings import SettingsDocument, check_document


def overlay_of(text: str) -> Overlay:
    """Return what puts the document ``text`` over a file; SettingsFileError where it is none."""
    try:
        said = json.loads(text)
    except ValueError as error:
        raise SettingsFileError((f"the document is not JSON: {error}",)) from error
    document, wrong = check_document(said)
    if document is None:
        raise SettingsFileError(wrong)
    return lambda file: _over(file, document)


def _over(file: dict[str, Any], document: SettingsDocument) -> dict[str, Any]:
    said = document.model_dump(mode="json", exclude_unset=True)
    merged = dict(file)
    for table in ("seal", "uplink"):
        merged[table] = {**file.get(table, {}), **said.get(table, {})}
    if document.source is not None:
        own = {str(source.get("name")): source for source in file.get("source", ())}
        merged["source"] = [
            _with_own(source, own.get(source["name"], {})) for source in said["source"]
        ]
    return merged


def _with_own(source: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return a source of the document with what the gateway's file alone may say of it."""
    try:
        private = {"signals_csv", *_private(load_driver(source["driver"]))}
    except SettingsError as error:
        raise SettingsFileError(
            (f"source {source['name']!r}: driver: {error}; {error.hint}",)
        ) from error
    if given := sorted(private & source.keys()):
        raise SettingsFileError(
            tuple(
                f"source {source['name']!r}: {name}: keys, paths and passwords are not taken from "
                "the aggregator; give it in the gateway's own file"
                for name in given
            )
        )
    if own.get("driver") != source["driver"]:
        return source
    kept = {name: own[name] for name in private if name in own}
    if "signals" in source:
        kept.pop("signals_csv", None)
    return {**kept, **source}


def _private(spec: Spec) -> set[str]:
    """Return the keys of a driver that are paths or secrets."""
    return {
        name
        for name, field in spec.settings.model_fields.items()
        if {Path, SecretStr} & {field.annotation, *typing.get_args(field.annotation)}
    }
