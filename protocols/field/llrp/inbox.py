"""What waits for the gateway between a reader's line and ``read()``."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from protocols.field.driver import Delivery, DriverError
from protocols.wire.reading import Gap, Reading

_READINGS_TAKEN_MAX: Final = 10_000


class Inbox:
    """A bounded queue of messages' readings; full, it makes the line wait."""

    def __init__(self, messages_max: int) -> None:
        self._max: Final = messages_max
        self._waiting: deque[tuple[tuple[Reading, ...], tuple[Gap, ...]]] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._failure: DriverError | None = None

    def put(self, readings: Sequence[Reading] = (), gaps: Sequence[Gap] = ()) -> None:
        """Take the readings and gaps of one message; ask ``room`` before the next."""
        if readings or gaps:
            self._waiting.append((tuple(readings), tuple(gaps)))
            self._changed.set()

    @property
    def full(self) -> bool:
        """Whether no further message should be taken now."""
        return len(self._waiting) >= self._max

    async def room(self) -> None:
        """Wait until another message can be taken."""
        while self.full:
            self._room.clear()
            await self._room.wait()

    def fail(self, error: DriverError | None) -> None:
        """Let ``take`` raise the error once nothing waits any more; None takes it back."""
        self._failure = error
        self._changed.set()

    async def take(self) -> Delivery:
        """Wait for what comes and return it all, as far as one delivery should hold."""
        while not self._waiting:
            if self._failure is not None:
                raise self._failure
            self._changed.clear()
            await self._changed.wait()
        readings: list[Reading] = []
        gaps: list[Gap] = []
        while self._waiting and len(readings) < _READINGS_TAKEN_MAX:
            more, declared = self._waiting.popleft()
            readings += more
            gaps += declared
        self._room.set()
        return Delivery(readings=tuple(readings), gaps=tuple(gaps), urgent=True)
