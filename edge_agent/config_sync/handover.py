"""Tells the aggregator that the seal key hands over to the next one, once that was prepared.

The statement lies beside the keys (``lotproof-agent rotate-key`` makes it) and holds whichever of
them seals, so it is sent before the change and after it; more than once: a broker may lose it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

_log = structlog.get_logger("keys")
_LOOK_S: Final = 5.0
_AGAIN_S: Final = 600.0
_TIMES: Final = 6  # in one run of the agent


class HandoverSender:
    """Looks for a hand-over and sends it."""

    def __init__(self, path: Path, send: Callable[[bytes], bool]) -> None:
        """``path`` is where it lies; ``send`` gives it to the broker where there is a line."""
        self._path = path
        self._send = send

    async def run(self) -> None:
        """Send what is there and what comes, until cancelled."""
        loop = asyncio.get_running_loop()
        last, times, due = b"", 0, loop.time()
        while True:
            statement = await asyncio.to_thread(self._read)
            if statement != last:
                last, times, due = statement, 0, loop.time()
            if statement and times < _TIMES and loop.time() >= due and self._send(statement):
                if not times:
                    _log.info("the seal key hands over to the next one")
                times, due = times + 1, loop.time() + _AGAIN_S
            await asyncio.sleep(_LOOK_S)

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError:
            return b""
