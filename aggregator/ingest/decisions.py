"""Tells gateways what a person decided of their epochs, without waiting for their next word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from aggregator.errors import StoreError
from aggregator.ingest.intake import Intake, OutgoingReceipt

_log: Final = structlog.get_logger(__name__)
_LOOK_S: Final = 1.0


class Decisions:
    """Publishes a receipt soon after an epoch was approved or closed.

    The store is looked at, since the decision may be another process's: the command line, or
    another worker.
    """

    def __init__(
        self, intake: Intake, publish: Callable[[Sequence[OutgoingReceipt]], None]
    ) -> None:
        self._intake = intake
        self._publish = publish

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        failing = False
        while True:
            try:
                # Without a connection nothing is published; the next one brings all receipts.
                self._publish(await self._intake.decided())
            except StoreError as error:
                if not failing:
                    _log.error("decisions cannot be told", error=str(error), hint=error.hint)
                failing = True
            else:
                failing = False
            await asyncio.sleep(_LOOK_S)
