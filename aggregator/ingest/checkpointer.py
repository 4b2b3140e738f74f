"""Signs the log while it grows: a checkpoint vouches for every leaf before it."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from aggregator import metrics
from aggregator.clock import Clock
from aggregator.errors import StoreError
from aggregator.settings import LogSettings
from aggregator.store.base import Store
from aggregator.store.keys import Keys
from aggregator.store.log import log_size, make_checkpoint

_log: Final = structlog.get_logger(__name__)


class Checkpointer:
    """Makes a checkpoint some seconds after the log has grown."""

    def __init__(self, store: Store, keys: Keys, clock: Clock, settings: LogSettings) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._settings = settings

    async def run(self) -> None:
        """Look at the log again and again, until cancelled."""
        failing = False
        while True:
            try:
                await self.step()
            except StoreError as error:
                if not failing:
                    _log.error("the log cannot be signed", error=str(error), hint=error.hint)
                failing = True
            else:
                failing = False
            await asyncio.sleep(self._settings.checkpoint_seconds)

    async def step(self) -> str | None:
        """Sign the log as it stands; None where it has not grown since the last checkpoint."""
        async with self._store.read() as tx:
            size, signed = await log_size(tx)
        metrics.LOG_SIZE.set(size)
        if size == signed:
            return None
        async with self._store.write() as tx:
            note = await make_checkpoint(
                tx,
                origin=self._settings.origin,
                key=self._keys.log,
                record_time=self._clock.now(),
            )
        metrics.CHECKPOINTS.inc()
        return note
