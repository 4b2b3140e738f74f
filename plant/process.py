"""A program of ours as a process of its own: started, killed, started again, its words kept."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_STOP_S = 60.0


class Process:
    """One command; at most one of it runs at a time."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self.command = tuple(command)
        self.log = log
        self._running: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Process id; RuntimeError while it does not run."""
        if self._running is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._running.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._running is not None and self._running.returncode is None

    async def start(self) -> None:
        """Start it, its output going to the log; RuntimeError where it runs already."""
        if self.alive:
            raise RuntimeError(f"{self.name} runs already")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._running = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
            )

    async def stop(self) -> int | None:
        """End it in good order and return its exit code; None if it did not run."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._end(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait until it ends by itself and return its exit code."""
        if self._running is None:
            raise RuntimeError(f"{self.name} is not running")
        return await self._running.wait()

    def tail(self, characters: int = 2000) -> str:
        """Return the end of what it wrote."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return text[-characters:]

    async def _end(self, how: signal.Signals) -> int | None:
        running, self._running = self._running, None
        if running is None:
            return None
        if running.returncode is None:
            running.send_signal(how)
        try:
            async with asyncio.timeout(_STOP_S):
                return await running.wait()
        except TimeoutError:
            running.kill()
            return await running.wait()
        except asyncio.CancelledError:
            running.kill()
            raise


def our_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command line of one of our programs, run by this interpreter."""
    return (sys.executable, "-m", module, *arguments)


async def ask(
    command: Sequence[str], *, timeout_s: float = 60.0, codes: Sequence[int] = (0,)
) -> str:
    """Run a command to its end and return what it printed.

    Raises RuntimeError where it ends with another exit code than one of ``codes``.
    """
    running = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout_s):
            printed, complained = await running.communicate()
    finally:
        if running.returncode is None:  # it took too long, or nobody waits for it any more
            running.kill()
            await running.communicate()
    if running.returncode not in codes:
        told = (printed + complained).decode(errors="replace")
        raise RuntimeError(f"{' '.join(command)} ended with {running.returncode}: {told}")
    return printed.decode()
