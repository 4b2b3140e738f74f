"""Pages and sample files from settings that describe themselves (pydantic models)."""

from __future__ import annotations

import enum
import json
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

NAMES: Final[Mapping[object, str]] = {
    bool: "true or false",
    bytes: "bytes",
    float: "number",
    int: "whole number",
    str: "text",
    Path: "path",
    SecretStr: "text, secret",
    types.NoneType: "nothing",
    Any: "anything",
}
BOUNDS: Final = {
    "ge": "at least",
    "gt": "more than",
    "le": "at most",
    "lt": "less than",
    "min_length": "length at least",
    "max_length": "length at most",
    "pattern": "matches",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One settable thing: its dotted key and its field."""

    key: str  # ``buffer.bytes_max``; a table that repeats ends in ``[]``
    field: FieldInfo
    open: bool = False  # whether its table takes keys that its model does not name


def settings_page(title: str, model: type[BaseModel]) -> str:
    """Return a page that lists every key of a settings model with type, default and meaning."""
    lines = [
        f"# {title}",
        "",
        "Written by `./dev docs`; do not edit.",
        "",
        (model.__doc__ or "").partition("\n")[0],
        "",
        "`table[]` is an array of tables (`[[table]]` in TOML).",
        "",
        "| key | what it takes | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for key in keys(model):
        cells = (f"`{key.key}`", takes(key.field), default(key.field), key.field.description or "")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[Key]:
    """Yield every key of a settings model, those of its tables after its own."""
    tables: list[tuple[str, type[BaseModel]]] = []
    takes_more = model.model_config.get("extra") == "allow"
    for name, field in model.model_fields.items():
        inner = _models(field.annotation)
        if not inner:
            yield Key(key=f"{prefix}{name}", field=field, open=takes_more)
        repeats = typing.get_origin(field.annotation) in {tuple, list}
        tables += [(f"{prefix}{name}{'[]' if repeats else ''}.", table) for table in inner]
    for table_prefix, table in tables:
        yield from keys(table, table_prefix)


def takes(field: FieldInfo) -> str:
    """Return what a key takes, with its bounds, in words."""
    bounds = [
        f"{word} {getattr(item, attribute)}"
        for item in field.metadata
        for attribute, word in BOUNDS.items()
        if getattr(item, attribute, None) is not None
    ]
    return ", ".join([_type(field.annotation), *bounds])


def default(field: FieldInfo) -> str:
    """Return the default of a key as TOML, or that it has to be given."""
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True, validated_data={})
    return "–" if value is None or value is PydanticUndefined else f"`{_toml(value)}`"


def sample(title: str, model: type[BaseModel]) -> str:
    """Return a settings file with every key: required ones by example, the others commented."""
    lines = [f"# {title}. Written by `./dev docs`; copy it and keep what you change."]
    for key in keys(model):
        table, _, name = key.key.rpartition(".")
        heading = _heading(table)
        if heading and heading not in lines:
            lines += ["", heading]
            if key.open:
                lines.append("# Besides these: the driver's own keys, docs/reference/drivers.md")
        lines += ["", f"# {key.field.description or name}", f"# {takes(key.field)}"]
        given = next(iter(key.field.examples or ()), None)
        if key.field.is_required() or given is not None:
            lines.append(f"{name} = {_toml('' if given is None else given)}")
        else:
            shown = default(key.field).strip("`")
            lines.append(f"# {name} = {shown if shown != '–' else ''}".rstrip())
    return "\n".join([*lines, ""])


def _heading(table: str) -> str:
    if not table:
        return ""
    name = table.replace("[]", "")
    return f"[[{name}]]" if table.endswith("[]") else f"[{name}]"


def _models(annotation: object) -> list[type[BaseModel]]:
    """Return the settings models that an annotation names, itself or inside."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) is dict:
        return []
    return [model for inner in typing.get_args(annotation) for model in _models(inner)]


def _type(annotation: object) -> str:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " or ".join(f"`{_toml(value)}`" for value in inner)
    if origin is typing.Annotated:
        return _type(inner[0])
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(_type(part) for part in inner if part is not types.NoneType)
    if origin in {tuple, list, set, frozenset}:
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return f"table of {_type(inner[1])}"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return " or ".join(f"`{_toml(member)}`" for member in annotation)
    return NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _toml(value: object) -> str:
    """Return a value as TOML writes it; JSON is the same for what settings hold."""
    match value:
        case enum.IntEnum():
            return json.dumps(value.name.lower())  # the name is taken as well, and can be read
        case enum.Enum():
            return json.dumps(value.value, ensure_ascii=False)
        case bool() | int() | float() | str():
            return json.dumps(value, ensure_ascii=False)
        case SecretStr():
            return _toml(value.get_secret_value())  # a default stands in the code: no secret
        case tuple() | list() | set() | frozenset():
            return "[" + ", ".join(_toml(item) for item in value) + "]"
        case dict():
            pairs = (f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items())
            return "{ " + ", ".join(pairs) + " }" if value else "{}"
        case _:
            return json.dumps(str(value), ensure_ascii=False)
