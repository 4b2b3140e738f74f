"""Whether what the overview shows has changed: looked at once for all who follow it.

One watcher looks for as long as anybody follows, and nobody else does: a hundred open pages cost
what one does, and none cost nothing. A follower who is slow is told once for what he missed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

import structlog

CHANGED: Final = b"data: changed\n\n"
SAME: Final = b"data: same\n\n"
FOLLOWERS_MAX: Final = 256
EVENTS_MAX: Final = 3_600
"""A stream of news ends after an hour; the browser opens another, with its session checked anew."""
_log: Final = structlog.get_logger(__name__)


class News:
    """What changed, for everybody who follows."""

    def __init__(self, look: Callable[[], Awaitable[object]], *, every_s: float = 1.0) -> None:
        """``look`` returns what is watched, as an object whose repr says all of it."""
        self._look = look
        self._every_s = every_s
        self._followers: set[asyncio.Queue[bytes]] = set()
        self._watching: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        """Whether nobody more may follow."""
        return len(self._followers) >= FOLLOWERS_MAX

    async def follow(self) -> AsyncGenerator[bytes, None]:
        """Yield events, the first at once, until closed."""
        own: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
        self._followers.add(own)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="news")
        try:
            yield CHANGED  # since the page was made
            for _ in range(EVENTS_MAX):
                yield await own.get()
        finally:
            self._followers.discard(own)
            if not self._followers and self._watching is not None:
                self._watching.cancel()
                self._watching = None

    async def _watch(self) -> None:
        seen, failing = b"", False
        while True:
            try:
                found = await self._digest()
            except Exception as error:  # noqa: BLE001 # the next look may be better
                if not failing:
                    _log.exception("the overview cannot be watched", error=str(error))
                failing = True
            else:
                # Where nothing changed the browser still hears that the server is there.
                if seen:
                    self._tell(SAME if found == seen else CHANGED)
                seen, failing = found, False
            await asyncio.sleep(self._every_s)

    def _tell(self, event: bytes) -> None:
        for follower in self._followers:
            if follower.full() and event == CHANGED:
                follower.get_nowait()
            if not follower.full():
                follower.put_nowait(event)

    async def _digest(self) -> bytes:
        return hashlib.sha256(repr(await self._look()).encode()).digest()
