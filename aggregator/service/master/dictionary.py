"""The data dictionary: every field of every document, with one name and one meaning everywhere.

It is data, ``config/dictionary``: a file with the version, and files of fields. It is checked
against the documents when the aggregator starts, and changes by a new version alone.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aggregator import audit
from aggregator.errors import SettingsError
from aggregator.model.master.classification import Classification
from aggregator.service.context import Context
from aggregator.service.master.document import EntityKind
from aggregator.service.master.fields import FieldType, fields_of_documents

T = TypeVar("T", bound=BaseModel)

VERSION_FILE: Final = "dictionary.toml"


class System(StrEnum):
    """Whose name of a field is meant."""

    B2MML = "b2mml"
    EPCIS = "epcis"
    ERP = "erp"  # the customer's ERP or MES: to be changed to what it is called there


class FieldEntry(BaseModel):
    """One field, as it means the same in every document that has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zh: str = Field(min_length=1)  # its name in Chinese
    meaning: str = Field(min_length=1)
    type: FieldType
    words: tuple[str, ...] = ()  # that a word may be
    unit: str = ""  # UCUM; empty: none
    rule: str = Field(min_length=1)  # what a valid value is
    classification: Classification
    documents: tuple[EntityKind, ...] = Field(min_length=1)
    b2mml: str  # empty: it has no counterpart
    epcis: str
    erp: str

    def called(self, system: System) -> str:
        """Return the name of the field in another system, empty where it has none."""
        return str(getattr(self, system.value))


class _Head(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=1)
    since: str = Field(min_length=1)
    why: str = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dictionary:
    """One version of the data dictionary."""

    version: int
    since: str
    why: str
    fields: Mapping[str, FieldEntry]  # by name, in alphabetical order

    def to_json(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {
            "version": self.version,
            "since": self.since,
            "why": self.why,
            "hash": self.hash,
            "fields": [
                {"name": name, **entry.model_dump(mode="json")}
                for name, entry in self.fields.items()
            ],
        }

    @property
    def content(self) -> str:
        """The fields as canonical JSON: what a version is a version of."""
        said: dict[str, audit.JsonValue] = {
            name: entry.model_dump(mode="json") for name, entry in self.fields.items()
        }
        return audit.canonical(said)

    @property
    def hash(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    def of(self, kind: EntityKind) -> Mapping[str, FieldEntry]:
        """Return the fields of one kind of document, by name."""
        return {name: entry for name, entry in self.fields.items() if kind in entry.documents}

    def names(self, kind: EntityKind, system: System) -> Mapping[str, str]:
        """Return what another system calls the fields of a document, by our names for them."""
        fields = self.of(kind).items()
        return {name: entry.called(system) for name, entry in fields if entry.called(system)}


@cache
def load_dictionary(folder: Path) -> Dictionary:
    """Return the data dictionary of a folder, checked against the documents.

    Raises SettingsError that names every file and field that is wrong.
    """
    head: _Head | None = None
    entries: dict[str, FieldEntry] = {}
    faults: list[str] = []
    for path in sorted(folder.glob("*.toml")):
        said = _read(path)
        if path.name == VERSION_FILE:
            head = _parsed(_Head, said, path.name, faults)
            continue
        for name, value in said.items():
            if name in entries:
                faults.append(f"{path.name}: {name} has a meaning already in another file")
            entry = _parsed(FieldEntry, value, f"{path.name}: {name}", faults)
            if entry is not None:
                entries[name] = entry
    if head is None:
        faults.append(f"{VERSION_FILE} is missing or wrong")
    faults += _unlike_documents(entries)
    if faults or head is None:
        raise SettingsError(
            f"the data dictionary in {folder} is wrong:\n" + "\n".join(faults),
            hint="docs/specs/master-data.md says what a field needs; settings name the folder",
        )
    return Dictionary(
        version=head.version, since=head.since, why=head.why, fields=dict(sorted(entries.items()))
    )


async def adopt(context: Context) -> Dictionary:
    """Begin to work with the data dictionary, and return it; keep each version of it once.

    Raises SettingsError where it was changed without a new version, or is older than the last one.
    """
    found = load_dictionary(context.settings.master.dictionary)
    async with context.store.write() as tx:
        newest = await tx.fetch_one("master.newest_dictionary")
        if newest is not None and newest["version"] == found.version:
            if newest["hash"] != found.hash:
                raise SettingsError(
                    f"version {found.version} of the data dictionary is not what it was",
                    hint=f"raise `version` in {VERSION_FILE} with every change, and say why",
                )
            return found
        if newest is not None and newest["version"] > found.version:
            raise SettingsError(
                f"the data dictionary is of version {found.version}, and was of version "
                f"{newest['version']} already",
                hint="put the newer one back, or give this one a higher version",
            )
        await tx.execute(
            "master.add_dictionary",
            version=found.version,
            hash=found.hash,
            content=found.content,
            recorded_at=context.clock.now(),
        )
        entry = audit.Entry(
            who="aggregator",
            act="adopt_dictionary",
            what="data dictionary",
            before=None if newest is None else {"version": newest["version"]},
            after={"version": found.version, "hash": found.hash},
            why=found.why,
        )
        await audit.record(tx, entry, context.clock)
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None


def _parsed(kind: type[T], said: object, where: str, faults: list[str]) -> T | None:
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        faults += [
            f"{where}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            for fault in error.errors()
        ]
        return None


def _unlike_documents(entries: Mapping[str, FieldEntry]) -> Iterator[str]:
    """Yield where dictionary and documents are not of one mind."""
    known = fields_of_documents()
    for name in sorted(known.keys() - entries.keys()):
        yield f"{name} of {', '.join(sorted(known[name].documents))} is not in it"
    for name in sorted(entries.keys() - known.keys()):
        yield f"{name} is in no document"
    for name in sorted(entries.keys() & known.keys()):
        entry, field = entries[name], known[name]
        if entry.type is not field.type:
            yield f"{name} is a {field.type} in the documents, not a {entry.type}"
        if set(entry.words) != set(field.words):
            yield f"{name} is one of {', '.join(field.words)} in the documents"
        if set(entry.documents) != field.documents:
            yield f"{name} is a field of {', '.join(sorted(field.documents))}"
