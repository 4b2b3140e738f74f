"""``lotproof-agent import``: a list of signals, looked at and then put in its place."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from edge_agent.commissioning.signals_file import as_csv, write_new
from edge_agent.errors import CommissioningError, SettingsFileError
from edge_agent.settings import Settings, SourceSettings
from edge_agent.settings_file import load_settings
from edge_agent.sources import SignalTable, Source, load_sources, read_csv
from protocols.ucum import is_known

if TYPE_CHECKING:  # the driver is imported only where a source has it
    from protocols.field.modbus.settings import ModbusSettings


def read_table(signals: Path, sheet: str | None) -> tuple[SignalTable, bytes]:
    """Return the rows of a CSV file or of a workbook's sheet, and the CSV that is put in place.

    Raises SettingsFileError for all that is wrong, by file, sheet, row and column.
    """
    suffix = signals.suffix.lower()
    if suffix == ".xlsx":
        from edge_agent.commissioning.workbook import read_workbook

        table = read_workbook(signals, sheet)
        return table, as_csv(table)
    if suffix in _OTHER_WORKBOOKS:
        raise SettingsFileError(
            (f"{signals}: such a workbook is not read",), hint="save it as .xlsx or as CSV"
        )
    if sheet is not None:
        raise SettingsFileError((f"{signals}: --sheet goes with a workbook, .xlsx",))
    return read_csv(signals), signals.read_bytes()


def load_candidate(settings: Path, name: str, table: SignalTable) -> tuple[Settings, Source]:
    """Return the settings, and the source as it would be with the signals of ``table``.

    Raises SettingsFileError for all that is wrong, by file, row and column.
    """
    loaded = load_settings(settings)
    names = [source.name for source in loaded.source]
    if name not in names:
        raise SettingsFileError(
            (f"{settings}: there is no source {name!r}",),
            hint=f"use one of: {', '.join(names) or 'none is there yet; add a [[source]]'}",
        )
    replaced = tuple(
        _with_signals(source, table.place) if source.name == name else source
        for source in loaded.source
    )
    changed = loaded.model_copy(update={"source": replaced})
    sources = load_sources(changed, settings, {name: table})
    return loaded, next(source for source in sources if source.name == name)


def doubts(source: Source) -> Iterator[str]:
    """Yield a sentence for each unit that is not UCUM, and for signals that share their place."""
    seen: dict[str, str] = {}
    for signal in source.signals():
        name, unit = str(getattr(signal, "name", "")), str(getattr(signal, "unit", "1"))
        if not is_known(unit):
            meant = _MEANT.get(unit.strip().lower())
            remedy = f"did you mean {meant!r}?" if meant else "see ucum.org"
            yield f"{name}: {unit!r} is no unit of UCUM that is known here; {remedy}"
        address = getattr(signal, "address", None)
        if isinstance(address, str):
            if address in seen:
                yield f"{seen[address]} and {name} are the same value: {address}"
            seen.setdefault(address, name)
    if source.spec.name == "modbus":
        from protocols.field.modbus.preview import overlaps

        yield from overlaps(_modbus(source))


async def order_lines(source: Source) -> list[str]:
    """Return, of Modbus numbers of several registers, the value in all four orders.

    A ``*`` marks the order that is configured. Raises DriverError where the line fails.
    """
    if source.spec.name != "modbus":
        return []
    from protocols.field.modbus.preview import four_orders

    lines = []
    for each in await four_orders(_modbus(source)):
        signal = each.signal
        lines.append(
            f"  {signal.name}  {signal.table} {signal.address} {signal.type}  "
            f"{each.refusal or each.raw.hex(' ', 2)}"
        )
        for order, value in each.values:
            mark = "*" if order is signal.order else " "
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            lines.append(f"    {mark} {order}  {shown} {signal.unit if signal.unit != '1' else ''}")
    return [line.rstrip() for line in lines]


def install(loaded: Settings, name: str, data: bytes) -> tuple[Path, Path | None]:
    """Put the CSV file where the source's ``signals_csv`` says; return it, and the one before it.

    What stood there is kept beside it with a number. Raises CommissioningError.
    """
    place = next(source.signals_csv for source in loaded.source if source.name == name)
    if place is None:
        raise CommissioningError(
            f"source {name!r} names no file for its signals",
            hint=f'set signals_csv = "{name}.csv" in it, and take its [[source.signals]] away',
        )
    try:
        before = None
        if place.exists():
            if place.read_bytes() == data:
                return place, None
            before = next(path for n in count(1) if not (path := _numbered(place, n)).exists())
            write_new(before, place.read_bytes(), force=False)
        draft = place.with_name(f"{place.name}.new")
        write_new(draft, data, force=True)
        draft.replace(place)
    except OSError as error:
        raise CommissioningError(
            f"{place} cannot be replaced: {error}", hint="give this user the right to write there"
        ) from error
    return place, before


_OTHER_WORKBOOKS: Final = (".xls", ".xlsm", ".xlsb", ".ods")
_MEANT: Final = {  # what people write, in lower case, and UCUM's word for it
    "°c": "Cel",
    "degc": "Cel",
    "℃": "Cel",
    "celsius": "Cel",
    "°f": "[degF]",
    "degf": "[degF]",
    "sec": "s",
    "seconds": "s",
    "hr": "h",
    "hours": "h",
    "minutes": "min",
    "rpm": "/min",
    "psi": "[psi]",
    "ppm": "[ppm]",
    "ppb": "[ppb]",
    "ph": "[pH]",
    "mmhg": "mm[Hg]",
    "mmh2o": "mm[H2O]",
    "kwh": "kW.h",
    "ω": "Ohm",
    "ohms": "Ohm",
    "µm": "um",
    "μm": "um",
    "m³/h": "m3/h",
    "m³": "m3",
    "m²": "m2",
    "%rh": "%{RH}",
    "pcs": "{count}",
    "count": "{count}",
    "counts": "{count}",
    "°": "deg",
    "lpm": "L/min",
}


def _with_signals(source: SourceSettings, place: str) -> SourceSettings:
    """Return the source as one whose signals stand in a file."""
    own = {name: value for name, value in (source.model_extra or {}).items() if name != "signals"}
    given = {"name": source.name, "driver": source.driver, "signals_csv": Path(place)}
    return SourceSettings.model_validate({**own, **given})


def _modbus(source: Source) -> ModbusSettings:
    return cast("ModbusSettings", source.settings)


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}.{number}{path.suffix}")
