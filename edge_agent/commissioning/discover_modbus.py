"""``lotproof-agent discover modbus``: where to ask, and what answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import ValidationError

from edge_agent.errors import SettingsFileError
from edge_agent.settings_file import problems
from protocols.field.modbus.discover import Scanned
from protocols.field.modbus.settings import ModbusSettings, ModbusSignal, Table

COLUMNS: Final = (
    *("name", "unit", "unit_id", "table", "address"),
    *("type", "order", "scale", "offset"),
)
"""What is written of each signal: also the columns that a person will fill in next."""


def line_settings(target: str, options: Mapping[str, object]) -> ModbusSettings:
    """Return settings for ``host``, ``host:port`` or a serial port, ``/dev/ttyUSB0``.

    ``options`` are more keys of the settings; SettingsFileError names what cannot work.
    """
    where: dict[str, object] = {"transport": "serial", "serial_port": target}
    if not target.startswith("/"):
        host, _, port = target.rpartition(":") if target.count(":") == 1 else (target, "", "")
        where = {"host": host.strip("[]"), "port": port or None}
    # A source has signals; before any is known, the first register stands in.
    first = ModbusSignal(name="first", address=0)
    try:
        return ModbusSettings.model_validate({**where, **options, "signals": (first,)})
    except ValidationError as error:
        wrong = tuple(problems("discover modbus", error, ModbusSettings))
        raise SettingsFileError(wrong, hint="--help names the options") from error


def numbers(text: str, what: str, last: int) -> tuple[int, ...]:
    """Return the numbers of ``1-3,7``; SettingsFileError where it is none, or past ``last``."""
    found: list[int] = []
    try:
        for part in text.split(","):
            low, _, high = part.partition("-")
            found += range(int(low), int(high or low) + 1)
    except ValueError:
        found = []
    if not found or max(found) > last or min(found) < 0:
        raise SettingsFileError((f"{what}: {text!r} is not like 1-3,7, up to {last}",))
    return tuple(dict.fromkeys(found))


def not_before(first: int, last: int) -> int:
    """Return the last address; SettingsFileError where it lies before the first."""
    if last < first:
        raise SettingsFileError((f"--to {last} lies before --from {first}",))
    return last


def tables(text: str) -> tuple[Table, ...]:
    """Return the tables of ``holding,input``; SettingsFileError where one is not known."""
    try:
        return tuple(dict.fromkeys(Table(part.strip()) for part in text.split(",")))
    except ValueError as error:
        names = ", ".join(Table)
        raise SettingsFileError((f"--table: {error}; use some of: {names}",)) from error


def found_lines(scanned: Scanned) -> Iterator[str]:
    """Yield a line a unit and a line a range with its first values, and a sum."""
    for unit in scanned.answering:
        yield f"✓ unit {unit} answers"
        ranges = [each for each in scanned.ranges if each.unit == unit]
        if not ranges:
            yield "    it refused every address that was asked for"
        for each in ranges:
            last = each.address + len(each.values) - 1
            shown = " ".join(map(str, each.values[:_SHOWN])) + (
                " …" if len(each.values) > _SHOWN else ""
            )
            filled = sum(value != 0 for value in each.values)
            yield f"    {each.table} {each.address} to {last}: {filled} not 0: {shown}"
    for gone in scanned.unanswered:
        yield f"! unit {gone.unit} gave no answer for {gone.table} {gone.address} to {gone.last}"
    if scanned.silent:
        yield f"- no answer from unit {', '.join(map(str, scanned.silent))}"
    if not scanned.complete:
        yield "! not all was asked for: raise --requests, or ask for less"
    count = sum(len(each.values) for each in scanned.ranges)
    yield f"{scanned.requests} requests, {count} registers and bits can be read"


_SHOWN: Final = 8
