"""The TCP line to a reader: whole messages in, bytes out."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Final, Self

from protocols.field.driver import DriverError, SettingsError
from protocols.field.llrp.framing import Frame, Frames
from protocols.field.llrp.settings import LlrpSettings, Security

_READ_BYTES: Final = 65_536


class Line:
    """An open line; errors of the network come as DriverError."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, settings: LlrpSettings
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = Frames(settings.message_bytes_max)

    @classmethod
    async def connect(cls, settings: LlrpSettings) -> Self:
        """Connect, with TLS where the settings say so; raise DriverError or SettingsError."""
        context = _tls(settings)
        where = f"{settings.host}:{settings.port}"
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                reader, writer = await asyncio.open_connection(
                    settings.host,
                    settings.port,
                    ssl=context,
                    server_hostname=settings.server_name if context else None,
                )
        except TimeoutError as error:
            raise DriverError(
                f"no connection to {where} within {settings.connect_timeout_s} s",
                hint="check that the reader is on and reachable",
            ) from error
        except (OSError, UnicodeError) as error:  # the latter for a name that no host can have
            raise DriverError(
                f"cannot connect to {where}: {error}",
                hint="check host, port and security, and that LLRP is enabled on the reader",
            ) from error
        return cls(reader, writer, settings)

    async def receive(self) -> Frame:
        """Return the next message; safe to cancel, nothing is lost by it."""
        while (frame := self._frames.take()) is None:
            try:
                data = await self._reader.read(_READ_BYTES)
            except OSError as error:
                raise _ended(f"the line to the reader broke: {error}") from error
            if not data:
                raise _ended("the reader closed the connection")
            self._frames.feed(data)
        return frame

    async def receive_within(self, seconds: float) -> Frame | None:
        """Return the next message, None where none comes in time."""
        if seconds <= 0:
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self.receive()
        return None

    def send(self, message: bytes) -> None:
        """Queue a message; ``flush`` waits until the queue is short."""
        self._writer.write(message)

    async def flush(self, timeout_s: float) -> None:
        """Wait until what was sent is on its way; raise DriverError where it is not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._writer.drain()
        except TimeoutError as error:
            raise _ended(f"the reader took nothing for {timeout_s} s") from error
        except OSError as error:
            raise _ended(f"the line to the reader broke: {error}") from error

    def drop(self) -> None:
        """Let go of the line at once."""
        self._writer.transport.abort()


def _ended(why: str) -> DriverError:
    return DriverError(why, hint="check the reader's power and its network; it is tried again")


def _tls(settings: LlrpSettings) -> ssl.SSLContext | None:
    """Return what TLS 1.2 or later needs, or None; raise SettingsError for unusable files."""
    if settings.security is Security.NONE:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file is not None:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
    except OSError as error:
        raise SettingsError(
            f"the files for TLS cannot be used: {error}",
            hint="check ca_file, certificate_file and key_file",
        ) from error
    return context
