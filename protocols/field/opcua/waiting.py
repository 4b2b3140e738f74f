"""What has come from the equipment and waits for the gateway: bounded, and it says so when full."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from protocols.field.driver import Delivery
from protocols.wire.reading import Gap, GapReason, Nanoseconds, Reading


class Waiting:
    """Readings and gaps in the order they came; over ``readings_max`` the newest are dropped."""

    def __init__(self, source: str, readings_max: int) -> None:
        self._source = source
        self._readings_max = readings_max
        self._readings: list[Reading] = []
        self._gaps: list[Gap] = []
        self._is_urgent = False
        self._is_whole = False
        self._dropped = 0
        self._dropped_from: Nanoseconds = 0
        self._dropped_to: Nanoseconds = 0
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()

    def __bool__(self) -> bool:
        return bool(self._readings or self._gaps or self._dropped or self._is_whole)

    def add(self, readings: Sequence[Reading], gaps: Sequence[Gap] = ()) -> None:
        """Keep readings and the gaps that lie before them; count those that find no room."""
        self._changed.set()
        room = max(0, self._readings_max - len(self._readings))
        dropped = readings[room:]
        if dropped:
            if not self._dropped:
                self._dropped_from = dropped[0].gateway_time
            self._dropped += len(dropped)
            self._dropped_to = dropped[-1].gateway_time
        if room:
            self._readings += readings[:room]
            self._gaps += gaps

    def hurry(self) -> None:
        """Have what waits sealed at once: it cannot be had twice."""
        self._is_urgent = True

    def complete(self) -> None:
        """Have it known that what waits, and what was taken, is all since the line was lost."""
        self._is_whole = True
        self._changed.set()

    def declare(self, gap: Gap) -> None:
        """Keep a gap."""
        self._gaps.append(gap)
        self._changed.set()

    def wake(self) -> None:
        """Let ``wait`` return, although nothing came."""
        self._changed.set()

    async def wait(self) -> None:
        """Wait until something came since the last ``take``, or ``wake`` was called."""
        await self._changed.wait()
        self._changed.clear()

    async def room(self) -> None:
        """Wait until at least half of the room is free: for what can be had at leisure."""
        while 2 * len(self._readings) > self._readings_max:
            self._taken.clear()
            await self._taken.wait()

    def take(self) -> Delivery:
        """Return all that waits, with a gap for what was dropped."""
        if self._dropped:
            self._gaps.append(
                Gap(
                    subject=self._source,
                    start=self._dropped_from,
                    end=self._dropped_to,
                    reason=GapReason.OVERRUN,
                    count=self._dropped,
                )
            )
        delivery = Delivery(
            readings=tuple(self._readings),
            gaps=tuple(self._gaps),
            urgent=self._is_urgent,
            whole=self._is_whole and not self._dropped,
        )
        self._readings, self._gaps, self._dropped = [], [], 0
        self._is_urgent = self._is_whole = False
        self._taken.set()
        return delivery
