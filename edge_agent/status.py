"""What the agent says of itself on its machine: a Unix socket in the data folder, JSON once.

Nothing is written to disk for it: flash wears, and a file would outlive what it says.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

SOCKET: Final = "status.sock"
_BYTES_MAX: Final = 4_194_304
_TIMEOUT_S: Final = 5.0


class StatusServer:
    """Answers every connection with the present status, and closes it."""

    def __init__(self, folder: Path, status: Callable[[], Mapping[str, Any]]) -> None:
        self._folder = folder
        self._status = status
        self._server: asyncio.Server | None = None
        self._descriptor = -1

    async def start(self) -> None:
        """Listen; a socket left by an agent that was killed is replaced."""
        (self._folder / SOCKET).unlink(missing_ok=True)
        self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        self._server = await asyncio.start_unix_server(self._answer, _short(self._descriptor))
        (self._folder / SOCKET).chmod(0o600)

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            (self._folder / SOCKET).unlink(missing_ok=True)
            os.close(self._descriptor)

    async def _answer(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(self._status()).encode())
        writer.close()


def ask(folder: Path) -> dict[str, Any] | None:
    """Return the status of the agent that runs on ``folder``, None where none answers."""
    answer = bytearray()
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(_TIMEOUT_S)
            line.connect(_short(descriptor))
            while len(answer) < _BYTES_MAX and (part := line.recv(65_536)):
                answer += part
        found = json.loads(answer)
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
    return found if isinstance(found, dict) else None


def _short(descriptor: int) -> str:
    """Return a path of the socket that fits the 107 bytes of sockaddr_un, however deep it lies."""
    return f"/proc/self/fd/{descriptor}/{SOCKET}"
