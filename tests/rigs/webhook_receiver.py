"""A real receiver of webhooks on loopback, which takes, fails, hangs or redirects as it is told."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

PATIENCE = 60.0  # seconds that a test waits for what must come


class Behaviour(Enum):
    """What the receiver does with a message."""

    TAKE = auto()
    FAIL = auto()
    HANG = auto()
    REDIRECT = auto()
    CLOSE = auto()  # end the connection without a word


@dataclass(slots=True, kw_only=True)
class Received:
    """A message as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The CloudEvent."""
        event: dict[str, Any] = json.loads(self.body)
        return event

    @property
    def number(self) -> int:
        """The event's number."""
        return int(self.event["id"])

    def is_signed_by(self, secret: str) -> bool:
        """Check the signature as the text of Standard Webhooks 1.0 says."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        said = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        signed = b".".join([*(each.encode() for each in said), self.body])
        code = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return f"v1,{code}" in self.headers["webhook-signature"].split(" ")


@dataclass(slots=True, kw_only=True)
class WebhookReceiver:
    """The receiver; ``came`` is all that came, ``taken`` what it answered with 204."""

    port: int = 0
    scheme: str = "http"
    behaviour: Behaviour = Behaviour.TAKE
    refused: set[int] = field(default_factory=set)  # numbers that it fails, whatever else it does
    location: str = ""
    came: list[Received] = field(default_factory=list)
    taken: list[Received] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"{self.scheme}://127.0.0.1:{self.port}/hook?a=b"

    @property
    def numbers(self) -> list[int]:
        """The numbers of the events taken, in the order in which they were."""
        return [each.number for each in self.taken]

    async def until(self, count: int, *, came: bool = False) -> None:
        """Wait until so many messages were taken, or came."""
        async with asyncio.timeout(PATIENCE):
            while len(self.came if came else self.taken) < count:
                self.changed.clear()
                await self.changed.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.partition(": ") for line in head[1:] if line)
            headers = {name.lower(): value for name, _, value in pairs}
            body = await reader.readexactly(int(headers["content-length"]))
            received = Received(headers=headers, body=body)
            self.came.append(received)
            writer.write(await self._answer(received))
            await writer.drain()
        self.changed.set()

    async def _answer(self, received: Received) -> bytes:
        behaviour = Behaviour.FAIL if received.number in self.refused else self.behaviour
        match behaviour:
            case Behaviour.HANG:
                self.changed.set()
                await asyncio.Event().wait()
            case Behaviour.FAIL:
                return b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"
            case Behaviour.REDIRECT:
                return (
                    f"HTTP/1.1 307 Elsewhere\r\nLocation: {self.location}\r\n"
                    "Content-Length: 0\r\n\r\n"
                ).encode()
            case Behaviour.CLOSE:
                return b""
        self.taken.append(received)
        return b"HTTP/1.1 204 Taken\r\n\r\n"


@contextlib.asynccontextmanager
async def webhook_receiver(tls: ssl.SSLContext | None = None) -> AsyncIterator[WebhookReceiver]:
    """Yield a receiver that listens, over TLS where a context is given; hanging ends with it."""
    receiver = WebhookReceiver(scheme="https" if tls else "http")
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            serving.add(task)
            task.add_done_callback(serving.discard)
        await receiver.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0)  # a transport that was closed ends in the loop's next turn
