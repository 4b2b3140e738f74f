"""A Modbus server on loopback written from the specification alone, that can misbehave.

Independent of the library behind the driver: frames, CRC and bit order are built here from the
Modbus Application Protocol V1.1b3 and the serial line and TCP guides.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import struct
import tty
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A read request as it came."""

    number: int  # how many came before it
    transaction: int  # 0 on a serial line
    unit: int
    function: int
    address: int
    count: int


Misbehave = Callable[[Question, bytes], list[tuple[float, bytes]]]
"""(question, right PDU) -> PDUs or raw frames to send, each after its seconds of delay."""


@dataclass(slots=True)
class Device:
    """Registers and bits of one unit; what is not there is refused with exception 2."""

    holding: dict[int, int] = field(default_factory=dict)
    input: dict[int, int] = field(default_factory=dict)
    coil: dict[int, int] = field(default_factory=dict)
    discrete: dict[int, int] = field(default_factory=dict)

    def answer(self, question: Question) -> bytes:
        """Return the right PDU."""
        tables: dict[int, dict[int, int]] = {
            1: self.coil,
            2: self.discrete,
            3: self.holding,
            4: self.input,
        }
        table = tables.get(question.function)
        if table is None:
            return bytes((question.function | 0x80, 1))
        try:
            values = [table[question.address + step] for step in range(question.count)]
        except KeyError:
            return bytes((question.function | 0x80, 2))
        if question.function <= 2:
            packed = bytearray((question.count + 7) // 8)
            for position, value in enumerate(values):
                packed[position // 8] |= value << (position % 8)
        else:
            packed = bytearray(b"".join(value.to_bytes(2, "big") for value in values))
        return bytes((question.function, len(packed))) + bytes(packed)


class Peer:
    """Serve devices over TCP (MBAP or RTU frames), TLS, or a pseudo terminal."""

    def __init__(
        self,
        units: dict[int, Device],
        *,
        rtu: bool = False,
        pty: bool = False,
        tls: ssl.SSLContext | None = None,
        may_read: Callable[[bytes], bool] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.units = units
        self.host = host
        self.port = port
        self.serial_port = ""
        self.questions: list[Question] = []
        self.received = 0  # octets
        self.connections = 0
        self.misbehave: Misbehave | None = None
        self.pieces = 0  # send answers in pieces of so many octets; 0 whole
        self.rtu = rtu or pty
        self._pty, self._tls = pty, tls
        self._may_read = may_read  # of a client's certificate (DER), by its role
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._master = self._slave = -1
        self._incoming = bytearray()

    async def __aenter__(self) -> Self:
        if self._pty:
            self._master, self._slave = os.openpty()
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self.serial_port = os.ttyname(self._slave)
            asyncio.get_running_loop().add_reader(self._master, self._from_pty)
        else:
            self._server = await asyncio.start_server(
                self._serve, self.host, self.port, ssl=self._tls
            )
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        if self._master >= 0:
            self.unplug()

    def unplug(self) -> None:
        """Take the serial port away."""
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)
        self._master = -1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        received = bytearray()
        try:
            allowed = self._allowed(writer)
            while data := await reader.read(4096):
                received += data
                self.received += len(data)
                self._take(received, writer.write, allowed=allowed)
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _allowed(self, writer: asyncio.StreamWriter) -> bool:
        if self._may_read is None:
            return True
        return self._may_read(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))

    def _from_pty(self) -> None:
        data = os.read(self._master, 4096)
        self.received += len(data)
        self._incoming += data
        self._take(self._incoming, lambda answer: os.write(self._master, answer))

    def _take(
        self, received: bytearray, send: Callable[[bytes], object], *, allowed: bool = True
    ) -> None:
        """Answer every whole request; each is 8 octets on a serial line, 12 over TCP."""
        size = 8 if self.rtu else 12
        while len(received) >= size:
            frame = bytes(received[:size])
            del received[:size]
            if self.rtu:
                assert crc(frame[:6]) == frame[6:], "the request's CRC is wrong"
                transaction, body = 0, frame
            else:
                transaction, protocol, length = struct.unpack(">HHH", frame[:6])
                assert (protocol, length) == (0, 6)
                body = frame[6:]
            unit, function, address, count = struct.unpack(">BBHH", body[:6])
            question = Question(
                number=len(self.questions),
                transaction=transaction,
                unit=unit,
                function=function,
                address=address,
                count=count,
            )
            self.questions.append(question)
            if unit in self.units:
                task = asyncio.create_task(self._answer(question, send, allowed=allowed))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _answer(
        self, question: Question, send: Callable[[bytes], object], *, allowed: bool
    ) -> None:
        pdu = self.units[question.unit].answer(question)
        if not allowed:  # MB-TCP-Security: whoever may not is told so by exception 1
            pdu = bytes((question.function | 0x80, 1))
        planned = [(0.0, pdu)] if self.misbehave is None else self.misbehave(question, pdu)
        for delay, answer in planned:
            if delay:
                await asyncio.sleep(delay)
            frame = answer if answer[:1] == RAW else self.frame(question, answer)
            frame = frame.removeprefix(RAW)
            step = self.pieces or len(frame)
            for start in range(0, len(frame), step):
                send(frame[start : start + step])
                if self.pieces:
                    await asyncio.sleep(0.001)  # so that each piece arrives alone

    def frame(self, question: Question, pdu: bytes, *, unit: int | None = None) -> bytes:
        """Return the PDU in the line's framing."""
        body = bytes((question.unit if unit is None else unit,)) + pdu
        if self.rtu:
            return body + crc(body)
        return struct.pack(">HHH", question.transaction, 0, len(body)) + body


RAW = b"\xfe"
"""Marks what is sent as it stands; no function code begins so."""


def crc(data: bytes) -> bytes:
    """Return the CRC of a serial frame, low octet first (serial line guide, section 2.5.1.2)."""
    register = 0xFFFF
    for octet in data:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ 0xA001 if register & 1 else register >> 1
    return register.to_bytes(2, "little")
