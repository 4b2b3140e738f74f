"""The line to a scanner, whatever carries it: octets as they come; the home of pyserial."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
from collections.abc import Callable
from typing import Final

import serial

from protocols.field.barcode.keyboard import EVENT_BYTES, Keyboard
from protocols.field.barcode.settings import BarcodeSettings, Transport
from protocols.field.driver import DriverError

__all__ = ["Line"]


class Line:
    """An open line: one descriptor that becomes readable."""

    def __init__(self, settings: BarcodeSettings) -> None:
        self._settings = settings
        self._take: Callable[[], bytes] = bytes
        self._fd = -1
        self._release: Callable[[], None] = _nothing
        self._keyboard = Keyboard()

    async def open(self) -> None:
        """Open; DriverError where the scanner is not there or is another's."""
        self.close()
        try:
            match self._settings.transport:
                case Transport.SERIAL:
                    self._open_serial()
                case Transport.KEYBOARD:
                    self._open_keyboard()
                case Transport.TCP:
                    await self._open_tcp()
        except (OSError, ValueError, TimeoutError) as error:  # SerialException is an OSError
            self.close()
            raise DriverError(
                f"{self}: cannot be opened: {str(error) or 'no answer'}",
                hint="check that the scanner is there, that the agent may read the device (group "
                "dialout or input), and that nothing else uses it",
            ) from error

    async def read(self) -> bytes:
        """Wait for octets and return them; DriverError when the line is lost."""
        await self._readable()
        try:
            data = self._take()
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._lost(str(error)) from error
        if not data:
            raise self._lost("it hung up")
        if self._settings.transport is Transport.KEYBOARD:
            return self._keyboard.type(data)
        return data

    def keys_lost(self) -> bool:
        """Return, once, whether key strokes were dropped since it was last asked."""
        lost, self._keyboard.lost = self._keyboard.lost, False
        return lost

    def close(self) -> None:
        """Let go; never raises."""
        release, self._release, self._fd = self._release, _nothing, -1
        with contextlib.suppress(OSError):
            release()
        self._keyboard = Keyboard()

    def __str__(self) -> str:
        settings = self._settings
        if settings.transport is Transport.TCP:
            return f"{settings.host}:{settings.port}"
        return settings.device

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._fd, _settle, ready)
        try:
            await ready
        finally:
            loop.remove_reader(self._fd)

    def _lost(self, why: str) -> DriverError:
        return DriverError(f"{self}: lost: {why}", hint="check the scanner's cable and power")

    def _open_serial(self) -> None:
        settings = self._settings
        port = serial.Serial(  # type: ignore[attr-defined,no-untyped-call] # is not annotated
            settings.device,
            baudrate=settings.baud_rate,
            parity=settings.parity,
            stopbits=settings.stop_bits,
            timeout=0,
            exclusive=True,
        )
        # Read past pyserial, which takes an unplugged port for one that has nothing to say.
        self._hold(port.fileno(), port.close)

    def _open_keyboard(self) -> None:
        descriptor = os.open(self._settings.device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._hold(descriptor, lambda: os.close(descriptor))
        if self._settings.exclusive:
            fcntl.ioctl(descriptor, _EVIOCGRAB, 1)

    async def _open_tcp(self) -> None:
        settings = self._settings
        async with asyncio.timeout(settings.timeout_s):
            loop = asyncio.get_running_loop()
            ((family, kind, protocol, _, address), *_) = await loop.getaddrinfo(
                settings.host, settings.port, type=socket.SOCK_STREAM
            )
            line = socket.socket(family, kind, protocol)
            self._hold(line.fileno(), line.close)
            line.setblocking(False)
            # A scanner that lost its power says nothing for ever: ask the network, not it.
            line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE.items():
                line.setsockopt(socket.IPPROTO_TCP, option, value)
            await loop.sock_connect(line, address)

    def _hold(self, descriptor: int, release: Callable[[], None]) -> None:
        self._fd = descriptor
        self._release = release
        self._take = lambda: os.read(descriptor, _CHUNK)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _nothing() -> None:
    """Release nothing: there is no line."""


_CHUNK: Final = 64 * EVENT_BYTES
_EVIOCGRAB: Final = 0x40044590  # linux/input.h
_KEEPALIVE: Final = {
    socket.TCP_KEEPIDLE: 10,  # seconds of silence before the first question
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 3,
}
