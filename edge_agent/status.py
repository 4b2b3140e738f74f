"""What the agent answers on its machine: Unix sockets in the data folder, JSON once.

Nothing is written to disk for it: flash wears, and a file would outlive what it says.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

STATUS: Final = "status.sock"
RELOAD: Final = "reload.sock"
RELOAD_TIMEOUT_S: Final = 120.0
"""How long a reload may take: a driver that hangs is given up long before."""
_BYTES_MAX: Final = 4_194_304
_TIMEOUT_S: Final = 5.0


class LocalServer:
    """Answers every connection to one socket with JSON, and closes it."""

    def __init__(
        self, folder: Path, name: str, answer: Callable[[], Awaitable[Mapping[str, Any]]]
    ) -> None:
        self._folder = folder
        self._name = name
        self._answer_with = answer
        self._server: asyncio.Server | None = None
        self._descriptor = -1

    async def start(self) -> None:
        """Listen; a socket left by an agent that was killed is replaced."""
        (self._folder / self._name).unlink(missing_ok=True)
        self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        self._server = await asyncio.start_unix_server(
            self._answer, _short(self._descriptor, self._name)
        )
        (self._folder / self._name).chmod(0o600)

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            (self._folder / self._name).unlink(missing_ok=True)
            os.close(self._descriptor)

    async def _answer(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(json.dumps(await self._answer_with()).encode())
        finally:
            writer.close()


def ask(
    folder: Path, name: str = STATUS, *, timeout_s: float = _TIMEOUT_S
) -> dict[str, Any] | None:
    """Return what the agent that runs on ``folder`` answers, None where none does."""
    answer = bytearray()
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(timeout_s)
            line.connect(_short(descriptor, name))
            while len(answer) < _BYTES_MAX and (part := line.recv(65_536)):
                answer += part
        found = json.loads(answer)
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
    return found if isinstance(found, dict) else None


def _short(descriptor: int, name: str) -> str:
    """Return a path of the socket that fits the 107 bytes of sockaddr_un, however deep it lies."""
    return f"/proc/self/fd/{descriptor}/{name}"
