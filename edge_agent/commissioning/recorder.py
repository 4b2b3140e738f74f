"""Capture what a source sends as a trace, for a bug report, and play it back as equipment.

The driver is the agent's own, opened as the agent opens it. Nothing is acknowledged, sealed or
kept, so what equipment holds for the agent stays there.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from edge_agent.clock import GatewayClock
from edge_agent.errors import SettingsFileError
from edge_agent.life import version
from edge_agent.sources import Source
from protocols.field.driver import DriverError
from protocols.field.replay.trace import VERSION, encode_gap, encode_reading

_AGAIN_S: Final = 1.0  # between two attempts to open a source that was lost
_LINE_MAX: Final = 1 << 20


@dataclass(slots=True, kw_only=True)
class Recorded:
    """What came into a trace."""

    readings: int = 0
    gaps: int = 0
    errors: int = 0


async def record(
    source: Source, clock: GatewayClock, path: Path, *, seconds: float, readings_max: int
) -> Recorded:
    """Write what the source sends into ``path`` until a bound is reached; OSError if it cannot.

    A source that is lost is opened again, and that it was lost is written too.
    """
    done = Recorded()
    with _opened(path) as file:
        _write(file, _header(source))
        driver = source.spec.connect(source.name, source.settings, clock)
        try:
            async with asyncio.timeout(seconds):
                while done.readings < readings_max:
                    try:
                        await driver.open()
                        while done.readings < readings_max:
                            delivery = await driver.read()
                            now = clock.gateway_time()
                            for reading in delivery.readings:
                                _write(file, encode_reading(reading))
                            for gap in delivery.gaps:
                                _write(file, encode_gap(gap, now))
                            done.readings += len(delivery.readings)
                            done.gaps += len(delivery.gaps)
                    except DriverError as error:
                        _write(file, {"at": clock.gateway_time(), "error": str(error)})
                        done.errors += 1
                        await driver.close()
                        await asyncio.sleep(_AGAIN_S)
        except TimeoutError:
            pass
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_S):
                    await driver.close()
    return done


def replay_source(path: Path) -> str:
    """Return the source, in TOML, that plays a trace; SettingsFileError where it is none."""
    header: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    try:
        with _reading(path) as file:
            header = json.loads(file.readline(_LINE_MAX))
            if header.get("trace") != VERSION:
                raise ValueError(f"its first line does not say trace {VERSION}")
            while text := file.readline(_LINE_MAX):
                row = json.loads(text)
                if "signal" in row:
                    kinds.setdefault(str(row["signal"]), str(row["kind"]))
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsFileError((f"{path}: no trace: {error}",)) from error
    units = {str(each["name"]): str(each["unit"]) for each in header.get("signals", ())}
    lines = [
        "[[source]]",
        f"name = {json.dumps(str(header.get('source', 'recorded')))}",
        'driver = "replay"',
        f"file = {json.dumps(str(path))}",
        'form = "trace"',
    ]
    for name, kind in sorted(kinds.items()):
        lines += ["", "[[source.signals]]", f"name = {json.dumps(name)}", f'kind = "{kind}"']
        lines += [f"unit = {json.dumps(units[name])}"] if name in units else []
    return "\n".join(lines)


def _header(source: Source) -> dict[str, Any]:
    return {
        "trace": VERSION,
        "agent": version(),
        "source": source.name,
        "driver": source.spec.name,
        "signals": [
            {
                "name": str(getattr(signal, "name", "")),
                "kind": getattr(signal, "kind").name.lower(),  # noqa: B009 -- drivers add it
                "unit": str(getattr(signal, "unit", "1")),
            }
            for signal in source.signals()
            if hasattr(signal, "kind")
        ],
    }


def _opened(path: Path) -> TextIO:
    """Open a new file; FileExistsError where there is one."""
    if path.suffix == ".gz":
        return gzip.open(path, "xt", encoding="utf-8")
    return path.open("x", encoding="utf-8")


def _reading(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _write(file: TextIO, row: dict[str, Any]) -> None:
    file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
