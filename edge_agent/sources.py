"""The sources that the settings name: their drivers, their signals, and the signal dictionary.

Signals stand in the settings file or in a CSV file whose columns are the fields of the driver's
signal model; every problem is named with file, row and column.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from edge_agent.errors import SettingsFileError
from edge_agent.settings import Settings, SourceSettings
from edge_agent.settings_file import Overlay, load_settings, problems, root_paths
from protocols.field.driver import DriverSettings, SettingsError, Shed, Spec, load_driver
from protocols.wire import cbor


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source ready to be connected."""

    name: str
    spec: Spec
    settings: DriverSettings

    def signals(self) -> Sequence[BaseModel]:
        """Return its configured signals; none where the driver finds them itself."""
        return tuple(getattr(self.settings, "signals", ()))

    def classes(self) -> dict[str, Shed]:
        """Return when the readings of a signal are given up, where it is not as usual."""
        found = {str(getattr(s, "name", "")): getattr(s, "shed", None) for s in self.signals()}
        return {name: shed for name, shed in found.items() if shed not in (None, Shed.NORMAL)}


class Loaded(NamedTuple):
    """Settings that were checked whole, and the sources that they name."""

    settings: Settings
    sources: tuple[Source, ...]
    version: int = 0  # of the aggregator's document among them; 0: there is none


def load(path: Path, overlay: Overlay | None = None, *, version: int = 0) -> Loaded:
    """Return what the settings file says, with the document of ``version`` over it.

    SettingsFileError names every problem.
    """
    settings = load_settings(path, overlay)
    return Loaded(settings, load_sources(settings, path), version)


class SignalTable(NamedTuple):
    """Signals as they stand in a file, a row a signal, not judged yet."""

    place: str  # what names it in a message: the file, or a sheet of it
    header: int  # number of the row that names the columns
    columns: Sequence[str]
    rows: Sequence[tuple[int, Sequence[str]]]  # number and cells


def load_sources(
    settings: Settings, path: Path, tables: Mapping[str, SignalTable] | None = None
) -> tuple[Source, ...]:
    """Return the sources of the settings file ``path``; SettingsFileError names every problem.

    A source whose name is in ``tables`` has the signals there, whatever its ``signals_csv`` holds.
    """
    found: list[Source] = []
    wrong: list[str] = []
    for at, source in enumerate(settings.source):
        table = (tables or {}).get(source.name)
        try:
            found.append(_load(source, f"{path}: source[{at}]", path.absolute().parent, table))
        except SettingsFileError as error:
            wrong += error.problems
    names = [source.name for source in found]
    wrong += [
        f"{path}: source {name!r} stands there twice; give each its own name"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    wrong += _repeated_signals(found, path)
    if wrong:
        raise SettingsFileError(tuple(wrong))
    return tuple(found)


def settings_hash(loaded: Loaded) -> bytes:
    """Return SHA-256 of the settings in force, secrets masked, in one form of JSON."""
    settings, sources, version = loaded
    whole = settings.model_dump(mode="json", exclude={"source"})
    if version:
        whole["version"] = version
    whole["source"] = [
        {"name": s.name, "driver": s.spec.name, **s.settings.model_dump(mode="json")}
        for s in sources
    ]
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()


def dictionary(sources: Sequence[Source]) -> bytes:
    """Return the signal dictionary: deterministic CBOR of every signal and its address.

    An array of maps sorted by name; each holds the source, the driver and the fields of the
    signal as text, integers, booleans or null (a fraction as its shortest decimal text).
    """
    entries: list[dict[str, cbor.Item]] = []
    for source in sources:
        for signal in source.signals():
            fields = {name: _plain(value) for name, value in signal.model_dump(mode="json").items()}
            entries.append({**fields, "source": source.name, "driver": source.spec.name})
    entries.sort(key=lambda entry: str(entry.get("name", "")))
    return cbor.encode(entries)


def dictionary_hash(sources: Sequence[Source]) -> bytes:
    """Return SHA-256 of the signal dictionary."""
    return hashlib.sha256(dictionary(sources)).digest()


def read_csv(path: Path) -> SignalTable:
    """Return the rows of a CSV file; SettingsFileError where it cannot be read as one."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            columns = next(reader, [])
            rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsFileError((f"{path}: cannot be read as CSV in UTF-8: {error}",)) from error
    return SignalTable(place=str(path), header=1, columns=columns, rows=rows)


def _load(source: SourceSettings, where: str, folder: Path, table: SignalTable | None) -> Source:
    try:
        spec = load_driver(source.driver)
    except SettingsError as error:
        raise SettingsFileError((f"{where}.driver: {error}; {error.hint}",)) from error
    data = root_paths(spec.settings, source.model_extra or {}, folder)
    if source.signals_csv is not None:
        if "signals" in data:
            raise SettingsFileError(
                (f"{where}: has both signals and signals_csv; keep one of them",)
            )
        table = table or read_csv(source.signals_csv)
        data["signals"] = _signals(table, spec, where)
    try:
        settings = spec.settings.model_validate(data)
    except ValidationError as error:
        named = f"{where} ({source.name})"
        raise SettingsFileError(tuple(_problems(named, error, spec.settings, table))) from error
    return Source(name=source.name, spec=spec, settings=settings)


def _signals(table: SignalTable, spec: Spec, where: str) -> list[dict[str, str]]:
    """Return a mapping a row, empty cells left out."""
    model = signal_model(spec)
    if model is None:
        raise SettingsFileError(
            (f"{where}.signals_csv: the driver {spec.name!r} takes no signals; remove it",)
        )
    wrong = list(_wrong_columns(table, list(model.model_fields)))
    signals = []
    for number, row in table.rows:
        if len(row) > len(table.columns):
            wrong.append(f"{table.place}:{number}: more cells than columns; quote commas")
            continue
        cells = {name: cell.strip() for name, cell in zip(table.columns, row, strict=False)}
        signals.append({name: cell for name, cell in cells.items() if cell})
    if wrong:
        raise SettingsFileError(tuple(wrong))
    return signals


def signal_model(spec: Spec) -> type[BaseModel] | None:
    """Return the model of a driver's signals, None where it has none."""
    field = spec.settings.model_fields.get("signals")
    for inner in typing.get_args(field.annotation) if field else ():
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            return inner
    return None


def _wrong_columns(table: SignalTable, known: list[str]) -> Iterator[str]:
    for column in table.columns:
        where = f"{table.place}:{table.header}:{column}"
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"use: {', '.join(known)}"
            yield f"{where}: there is no such column; {remedy}"
        elif table.columns.count(column) > 1:
            yield f"{where}: the column stands there twice; remove one"


def _problems(
    where: str, error: ValidationError, model: type[BaseModel], table: SignalTable | None
) -> Iterator[str]:
    """Yield pydantic's problems, those of a table by row and column."""
    for found, text in zip(
        error.errors(include_url=False), problems(where, error, model), strict=True
    ):
        match found["loc"]:
            case ("signals", int(at), *rest) if table is not None and at < len(table.rows):
                what = text.removeprefix(where).partition(": ")[2].partition(": ")[2]
                yield f"{table.place}:{table.rows[at][0]}:{rest[0] if rest else 'row'}: {what}"
            case _:
                yield text


def _repeated_signals(sources: Sequence[Source], path: Path) -> Iterator[str]:
    seen: dict[str, str] = {}
    for source in sources:
        for signal in source.signals():
            name = str(getattr(signal, "name", ""))
            if name in seen:
                yield (
                    f"{path}: signal {name!r} stands in source {seen[name]!r} and again in "
                    f"{source.name!r}; a name is unique in its gateway"
                )
            seen[name] = source.name


def _plain(value: Any) -> cbor.Item:
    match value:
        case float():
            return repr(value)
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {str(name): _plain(item) for name, item in value.items()}
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)
