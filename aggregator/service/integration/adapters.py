"""Mapping documents: one TOML file in ``imports.adapters_folder`` for each foreign form."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from aggregator.errors import NotFoundError, SettingsError
from aggregator.model.integration.mapping import Adapter, FieldRule, JsonPath


def load_adapter(folder: Path, name: str) -> Adapter:
    """Return the adapter ``name``; it is read anew, so a change of its file holds at once.

    Raises NotFoundError if there is none, SettingsError for a file that is no mapping document.
    """
    path = folder / f"{name}.toml"
    if not _NAME.fullmatch(name) or not path.is_file():
        known = ", ".join(adapter_names(folder)) or "none"
        raise NotFoundError(f"there is no interface {name[:80]!r}", hint=f"adapters: {known}")
    try:
        said = _Document.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read as TOML: {error}") from None
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        )
        raise SettingsError(
            f"{path} is no mapping document: {faults}", hint="see docs/howto/connect-an-erp.md"
        ) from None
    return _adapter(name, said)


def adapter_names(folder: Path) -> list[str]:
    """Return the names of the adapters in the folder."""
    return sorted(path.stem for path in folder.glob("*.toml") if _NAME.fullmatch(path.stem))


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is no time zone of the IANA data base")
    return name


class _Field(_Form):
    to: Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+$")]
    source: Annotated[str, Field(alias="from")] = ""
    constant: str = ""
    required: bool = True
    values: dict[str, str] = {}
    date_form: str = ""
    zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    append: str = ""
    append_values: dict[str, str] = {}


class _Document(_Form):
    title: Annotated[str, Field(min_length=1)]
    becomes: Literal["orders", "lots", "test-results"]
    refresh: Annotated[str, Field(min_length=1)]
    changes: Literal["take", "refuse"]
    items: str = ""
    only: dict[str, tuple[str, ...]] = {}
    field: Annotated[tuple[_Field, ...], Field(min_length=1)]


def _adapter(name: str, said: _Document) -> Adapter:
    return Adapter(
        name=name,
        title=said.title,
        becomes=said.becomes,
        items=_path(said.items),
        only={_path(path): frozenset(texts) for path, texts in said.only.items()},
        fields=tuple(_rule(each) for each in said.field),
        refresh=said.refresh,
        takes_changes=said.changes == "take",
    )


def _rule(said: _Field) -> FieldRule:
    return FieldRule(
        to=said.to,
        source=_path(said.source),
        constant=said.constant,
        is_required=said.required,
        values=said.values,
        date_form=said.date_form,
        zone=said.zone,
        append=_path(said.append),
        append_values=said.append_values,
    )


def _path(text: str) -> JsonPath:
    """Return ``lot_producing_id.name`` or ``lines.0.lot`` as steps."""
    return tuple(int(step) if step.isdigit() else step for step in text.split(".") if step)


_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,40}")
