"""The simulated line: a sealing press, a clean room and an RFID portal, each a real server.

The line also knows what a gateway must be told to read it: ``describe`` writes the ``[[source]]``
tables of the agent's settings and the lists of signals beside them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Self

from plant.ca import PlantCA
from plant.equipment import cleanroom, press
from plant.equipment.cleanroom import CleanRoom
from plant.equipment.portal import Portal
from plant.equipment.press import Press
from protocols.wire.reading import Kind

PRESS_USER: Final = "lotproof"
PRESS_PASSWORD: Final = "press-demo"  # noqa: S105 # a simulated press on loopback
SOURCES: Final = ("press-1", "cleanroom-1", "portal-1")
TAG_READS: Final = "portal-1/tag-reads"


class Line:
    """Three pieces of equipment on loopback, from one seed."""

    def __init__(self, folder: Path, ca: PlantCA, *, seed: int = 1, speed: float = 1.0) -> None:
        """Keep certificates and lists in ``folder``; ``speed`` times real time in the models."""
        self.folder = folder
        self._server = ca.issue_opcua("press-1", application_uri=press.APPLICATION_URI)
        self._client = ca.issue_opcua("gw-1-opcua", application_uri="urn:lotproof:agent:gw-1")
        self.press = Press(
            seed=seed,
            speed=speed,
            certificate=self._server.certificate,
            private_key=self._server.key,
            user=PRESS_USER,
            password=PRESS_PASSWORD,
        )
        self.room = CleanRoom(seed=seed, speed=speed)
        self.portal = Portal(seed=seed)
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.press)
            await stack.enter_async_context(self.room)
            await stack.enter_async_context(self.portal)
            self._running = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    def describe(self) -> str:
        """Write the lists of signals into the folder and return the sources as TOML."""
        trusted = self.folder / "trusted"
        trusted.mkdir(parents=True, exist_ok=True)
        (trusted / "press-1.pem").write_bytes(self._server.certificate.read_bytes())
        _write_csv(self.folder / "press-1.csv", _prefixed("press-1", press.SIGNALS))
        _write_csv(self.folder / "cleanroom-1.csv", _prefixed("cleanroom-1", cleanroom.SIGNALS))
        return "\n".join(
            (
                table(
                    "[source]",
                    name="press-1",
                    driver="opcua",
                    endpoint=self.press.endpoint,
                    user=PRESS_USER,
                    password=PRESS_PASSWORD,
                    certificate=str(self._client.certificate),
                    private_key=str(self._client.key),
                    trusted=str(trusted),
                    signals_csv="press-1.csv",
                ),
                table(
                    "[source]",
                    name="cleanroom-1",
                    driver="modbus",
                    host=self.room.host,
                    port=self.room.port,
                    period_s=0.5,
                    signals_csv="cleanroom-1.csv",
                ),
                table(
                    "[source]",
                    name="portal-1",
                    driver="llrp",
                    host=self.portal.host,
                    port=self.portal.port,
                ),
                table("[source.signals]", name=TAG_READS, antenna=1),
                table("[source.signals]", name="portal-1/exit-reads", antenna=2),
                table("[source.signals]", name="portal-1/events", reads="events"),
            )
        )


def table(heading: str, /, **fields: str | float | bool | list[str]) -> str:
    """Return a TOML table; TOML's basic strings and JSON's agree for what stands here."""
    lines = (f"{key} = {json.dumps(value)}" for key, value in fields.items())
    return f"[{heading}]\n" + "\n".join(lines) + "\n"


def _prefixed(source: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Put the source's name before each signal's: names are unique in a gateway."""
    return [{**row, "name": f"{source}/{row['name']}"} for row in rows]


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {
                    column: value.name.lower() if isinstance(value, Kind) else value
                    for column, value in row.items()
                }
            )
