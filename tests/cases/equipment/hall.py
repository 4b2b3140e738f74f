"""The equipment that runs: what takes long to start serves one case after the other."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from plant.running import Running
from tests.cases.equipment.case import Case
from tests.cases.equipment.equipment import Equipment
from tests.cases.equipment.kinds import equipment_of

__all__ = ["Hall"]


class Hall(Running):
    """Lend equipment to cases, as new each time; what a case left behind broken is ended."""

    def __init__(self) -> None:
        self._idle: dict[str, Equipment] = {}

    async def _begin(self) -> None:
        """Have nothing: it is started when it is wanted."""

    async def _end(self) -> None:
        while self._idle:
            _, equipment = self._idle.popitem()
            await equipment.__aexit__()

    @asynccontextmanager
    async def lend(self, case: Case, kind: str) -> AsyncIterator[Equipment]:
        """Yield equipment of a kind that holds what the case says, and nothing of another case."""
        name = f"{kind} {json.dumps(case.holds, sort_keys=True)}"
        equipment = self._idle.pop(name, None)
        if equipment is None:
            equipment = equipment_of(kind, case.holds)
            await equipment.__aenter__()
        kept = False
        try:
            yield equipment
            kept = await equipment.as_new()
        finally:
            if kept:
                self._idle[name] = equipment
            else:
                await equipment.__aexit__()
