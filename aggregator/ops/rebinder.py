"""Finds the lots that what comes is about, and assembles their records again."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from aggregator import metrics
from aggregator.access.roles import Actor, Role
from aggregator.errors import AggregatorError, StoreError
from aggregator.model.master.lot import LotKey
from aggregator.service.assemble_record import assemble_record
from aggregator.service.binding.rebind import Overtaken, overtaken
from aggregator.service.context import Context
from protocols.wire.reading import SECOND

SYSTEM: Final = Actor(name="rebinder", roles=frozenset({Role.INTEGRATION}))
"""Who assembles, in the audit trail: this program, not a person."""

_log: Final = structlog.get_logger(__name__)


class Rebinder:
    """Keeps records up with the evidence.

    A lot that has a record gets a new version when it has been overtaken for so long: what comes
    while it is being made is taken together. What became of older versions is for persons: one that
    was released stays as it is, and the new one waits for an addendum.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._settings = context.settings.records
        self._failed: set[tuple[LotKey, int]] = set()

    async def run(self) -> None:
        """Look for what came, again and again, until cancelled."""
        failing = False
        while True:
            try:
                await self.catch_up()
            except AggregatorError as error:
                if not failing:
                    _log.error("records are not kept up", error=str(error), hint=error.hint)
                failing = True
            else:
                if failing:
                    _log.info("records are kept up again")
                failing = False
            await asyncio.sleep(self._settings.rebind_seconds)

    async def catch_up(self) -> None:
        """Assemble the records that have been overtaken for long enough."""
        waiting = await overtaken(self._context, SYSTEM)
        metrics.OVERTAKEN.set(len(waiting))
        self._failed &= {(each.lot, each.mark) for each in waiting}
        for each in waiting:
            if self._due(each):
                await self._assemble(each)

    def _due(self, waiting: Overtaken) -> bool:
        age = self._context.clock.now() - waiting.since
        long_enough = age >= round(self._settings.assemble_seconds * SECOND)
        return long_enough and (waiting.lot, waiting.mark) not in self._failed

    async def _assemble(self, waiting: Overtaken) -> None:
        """Assemble one record; where that cannot be, wait for what comes next about its lot."""
        try:
            await assemble_record(self._context, SYSTEM, waiting.lot.gtin, waiting.lot.lot)
        except StoreError:
            raise
        except AggregatorError as error:
            self._failed.add((waiting.lot, waiting.mark))
            lot = str(waiting.lot)
            _log.warning("a record cannot be made", lot=lot, error=str(error), hint=error.hint)
