"""A TCP proxy on loopback that breaks a line in the ways that a plant breaks it.

``cut`` is a pulled plug that both ends notice, ``stall`` a slow line that loses nothing,
``blackhole`` a half-open line (the far end, or a firewall's memory of it, is gone and nobody says
so), ``garble`` an answer that is not one. ``restore`` heals the line for what comes after it: a
connection that lost bytes in a black hole stays dead, as it would behind a firewall.
"""

from __future__ import annotations

import asyncio
import contextlib
from enum import Enum

from plant.running import Running


class Line(Enum):
    """How the line behaves now."""

    PASSING = 0  # bytes go through
    CUT = 1  # connections are reset, new ones too
    STALLED = 2  # bytes wait
    BLACK = 3  # bytes vanish, connections stay
    GARBLED = 4  # what the server says arrives as 0xFF


class Proxy(Running):
    """Listen on a free loopback port and pass every connection on to ``target`` (host, port)."""

    def __init__(self, target: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.target = target
        self.port = 0
        self.connections = 0  # how many were accepted
        self.line = Line.PASSING
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()

    async def _begin(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._drop_links()
        await self._server.wait_closed()
        self._server = None

    async def cut(self) -> None:
        """Reset every connection and every new one, until ``restore``."""
        await self._become(Line.CUT)
        self._drop_links()

    async def stall(self) -> None:
        """Hold all bytes back, until ``restore`` lets them go."""
        await self._become(Line.STALLED)

    async def blackhole(self) -> None:
        """Swallow all bytes and tell nobody; connections that live through it stay dead."""
        await self._become(Line.BLACK)
        for link in self._links:
            link.dead = True

    async def garble(self) -> None:
        """Turn every byte from the server into 0xFF, until ``restore``."""
        await self._become(Line.GARBLED)

    async def restore(self) -> None:
        """Heal the line."""
        await self._become(Line.PASSING)

    async def _become(self, line: Line) -> None:
        async with self._changed:
            self.line = line
            self._changed.notify_all()

    def _is_cut(self) -> bool:
        return self.line is Line.CUT

    def _drop_links(self) -> None:
        for link in self._links:
            link.abort()
        self._links.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._is_cut():
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, far_writer, dead=self.line is Line.BLACK)
        if self._is_cut():  # meanwhile
            link.abort()
            return
        self._links.add(link)
        self._start(link, reader, far_writer, from_server=False)
        self._start(link, far_reader, writer, from_server=True)

    def _start(
        self,
        link: _Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        from_server: bool,
    ) -> None:
        task = asyncio.create_task(self._pump(link, reader, writer, from_server))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pump(
        self,
        link: _Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_server: bool,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                async with self._changed:
                    await self._changed.wait_for(lambda: self.line is not Line.STALLED)
                if link.dead:
                    continue
                garbled = from_server and self.line is Line.GARBLED
                writer.write(b"\xff" * len(data) if garbled else data)
                await writer.drain()
        if not link.dead:  # a black hole does not carry the end of a connection either
            link.abort()
            self._links.discard(link)


class _Link:
    """One connection through the proxy: both its ends, and whether a black hole has eaten it."""

    def __init__(
        self, near: asyncio.StreamWriter, far: asyncio.StreamWriter, *, dead: bool
    ) -> None:
        self.near = near
        self.far = far
        self.dead = dead

    def abort(self) -> None:
        """End both halves at once, without a word."""
        for writer in (self.near, self.far):
            writer.transport.abort()
