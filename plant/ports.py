"""Free ports on loopback, for servers that must be told their port."""

from __future__ import annotations

import asyncio
import errno
import random
import socket
from itertools import cycle, islice
from typing import Final

_ASKED_FOR: Final = range(15_000, 32_768)
"""Ports that no system gives by itself to who asks for any, a client's own among them.

Linux gives those from 32,768 on (ip(7), ip_local_port_range), others those from 49,152 on: one of
them that is free now may be anybody's by the time the server has started, or has started again."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago, another one each time.

    Raises OSError where none is free.
    """
    for port in islice(_next_ports, len(_ASKED_FOR)):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue  # taken; the next
        return port
    raise OSError(errno.EADDRINUSE, f"no port of {_ASKED_FOR} is free")


async def listening(port: int, *, timeout_s: float) -> None:
    """Wait until something listens on the port of 127.0.0.1; TimeoutError if nothing does."""
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


def _from_anywhere() -> list[int]:
    """Return the ports in turn, beginning where no other process is likely to begin."""
    first = random.SystemRandom().randrange(len(_ASKED_FOR))
    return [*_ASKED_FOR[first:], *_ASKED_FOR[:first]]


_next_ports: Final = cycle(_from_anywhere())
