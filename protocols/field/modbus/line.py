"""The connection to Modbus equipment, and the only place that knows pymodbus.

pymodbus carries the frames (sockets, TLS, serial ports, transaction numbers, CRC). Answers come
to us undecoded, because its own decoding hides what we must know: it gives one register where two
were asked for and says nothing (pymodbus 3.16). Whatever it is told to send passes ``_read_only``:
no request that could change equipment leaves this gateway.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import termios
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from pymodbus.client import ModbusBaseClient
from pymodbus.exceptions import ConnectionException, ModbusException, ModbusIOException
from pymodbus.framer import FramerType
from pymodbus.framer.rtu import FramerRTU
from pymodbus.framer.socket import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest
from pymodbus.transport import CommParams, CommType

from protocols.field.driver import DriverError, SettingsError
from protocols.field.modbus.planner import Block
from protocols.field.modbus.settings import ModbusSettings, Table, Transport

__all__ = ["Answer", "Line", "Outcome"]

_T = TypeVar("_T")

# pymodbus logs every unanswered request; we say once that a line broke, and once that it is back.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


class Outcome(Enum):
    """What became of a request."""

    VALUES = 0  # all that was asked for
    REFUSED = 1  # an exception of the equipment (Modbus Application Protocol section 7)
    WRONG = 2  # an answer, but not to this question: too short, too long, another function
    SILENT = 3  # none in time


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the equipment said to one request."""

    outcome: Outcome
    payload: bytes = b""  # the registers or bits; of a wrong answer all of it
    code: int = 0  # the exception code of a refusal


class Line:
    """One connection, opened and closed as often as needed.

    One request is under way at a time, over all the lines of this process to one address: two
    sources may be two units behind one serial server.
    """

    def __init__(self, settings: ModbusSettings) -> None:
        self._settings = settings
        self._client: ModbusBaseClient | None = None
        self._unsettled = False  # an answer may still be on its way
        # Behind a serial server the server keeps the silence of the line.
        serial = settings.transport is Transport.SERIAL or settings.turnaround_s is not None
        self._silence_s = settings.silence_s if serial else 0.0
        self._turn = _TURNS.setdefault(str(self), asyncio.Lock())
        self._last_heard = 0.0  # the event loop's seconds
        self._failure: Exception | None = None  # why there is no connection, where that was said

    async def open(self) -> None:
        """Connect within ``timeout_s``; raise DriverError, or SettingsError for unusable files."""
        self.close()
        client = ModbusBaseClient(
            _framer(self._settings),
            0,  # we count the silences ourselves, over all units
            _parameters(self._settings),
            None,
            None,
            None,
        )
        decoder = _Undecoded(False)
        client.ctx.framer = _Serial(decoder) if self._settings.rtu else _Numbered(decoder)
        client.ctx.call_create = self._noting(client.ctx.call_create)
        client.ctx.callback_disconnected = self._disconnected  # type: ignore[method-assign]  # hook
        client.ctx.max_buffer_size = _RECEIVED_MAX
        client.set_max_no_responses(_NEVER)
        self._client = client
        try:
            connected = await _heeding(client.connect())
        except (ValueError, termios.error) as error:
            raise DriverError(
                f"{self}: {error}", hint=_hint(None, self._settings.transport)
            ) from error
        if not connected:
            self.close()
            raise self._lost("no connection")
        self._unsettled = False

    async def ask(self, block: Block) -> Answer:
        """Send one request and return what came; raise DriverError where the line is lost."""
        async with self._turn:
            return await self._ask(block)

    def close(self) -> None:
        """Let go of the connection; never raises."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def __str__(self) -> str:
        settings = self._settings
        if settings.transport is Transport.SERIAL:
            return settings.serial_port
        return f"{settings.host}:{_port(settings)}"

    async def _ask(self, block: Block) -> Answer:
        client = self._client
        if client is None or not client.connected:
            raise DriverError(
                f"{self}: the connection is closed", hint=_hint(None, self._settings.transport)
            )
        await self._settle()
        self._unsettled = True
        request = _REQUESTS[block.table](
            dev_id=block.unit, address=block.address, count=block.count
        )
        try:
            reply = await _heeding(client.execute(False, request))
        except ConnectionException as error:
            raise self._lost("the connection was lost") from error
        except ModbusIOException:
            if not client.connected:
                raise self._lost("the connection was lost") from None
            return _SILENCE
        except (ModbusException, OSError) as error:
            raise DriverError(
                f"{self}: {error}", hint=_hint(None, self._settings.transport)
            ) from error
        self._unsettled = False
        self._last_heard = asyncio.get_running_loop().time()
        return _judge_answer(block, reply.frame)

    async def _settle(self) -> None:
        """Keep a serial line silent before a request, for as long as it takes.

        After an unanswered request that is until a late answer has passed: RTU frames carry no
        number, and it would be taken for the next one. What arrives while nobody asks is dropped.
        """
        if not self._settings.rtu:
            return
        if self._unsettled:
            await asyncio.sleep(self._settings.timeout_s)
        elif self._silence_s:
            over = self._last_heard + self._silence_s
            await asyncio.sleep(over - asyncio.get_running_loop().time())

    def _noting(self, create: _Connect) -> _Connect:
        """Return ``create`` so that it keeps why it failed; pymodbus would log it and forget."""

        async def noting() -> Any:
            self._failure = None
            try:
                return await create()
            except OSError as error:
                self._failure = error
                raise

        return noting

    def _disconnected(self, exc: Exception | None) -> None:
        """Wake a waiting request when its connection breaks; pymodbus would let it time out."""
        self._failure = exc
        if self._client is None:
            return
        waiting = self._client.ctx.response_future
        if not waiting.done():
            waiting.set_exception(ConnectionException("the connection was lost"))
            waiting.exception()  # nobody may be waiting

    def _lost(self, what: str) -> DriverError:
        why = self._failure
        reason = f": {why}" if isinstance(why, ssl.SSLError) else ""
        return DriverError(f"{self}: {what}{reason}", hint=_hint(why, self._settings.transport))


async def _heeding(waited: Coroutine[Any, Any, _T]) -> _T:
    """Wait as pymodbus does, and heed a cancellation that comes in the instant of an answer.

    Before Python 3.12 asyncio.wait_for, by which pymodbus waits, returns the answer and forgets the
    cancellation: whoever ends a source would wait for it for ever.
    """
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    found = await waited
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError
    return found


class _Reply(ModbusPDU):
    """An answer as it came: function code and data."""

    def __init__(self, frame: bytes) -> None:
        super().__init__()
        self.frame = frame


class _Undecoded(DecodePDU):
    """Hand over every frame as it is; framing itself still looks lengths up in the base class."""

    def decode(self, frame: bytes) -> ModbusPDU:
        return _Reply(bytes(frame))


class _Numbered(FramerSocket):
    """Modbus/TCP framing that takes an answer only under its own number.

    pymodbus lets number 0 pass for any; ours begin at 1 and end before the one given instead.
    """

    def decode(self, data: bytes) -> tuple[int, int, int, bytes]:
        used, unit, number, frame = super().decode(data)
        return used, unit, number or 0xFFFF, frame

    def encode(self, payload: bytes, device_id: int, tid: int) -> bytes:
        return super().encode(_read_only(payload), device_id, tid)


class _Serial(FramerRTU):
    """RTU framing, of reads alone."""

    def encode(self, payload: bytes, device_id: int, _tid: int) -> bytes:
        return super().encode(_read_only(payload), device_id, _tid)


def _read_only(payload: bytes) -> bytes:
    """Return the request; DriverError where its function could change anything in equipment."""
    if payload[0] not in _READS:
        raise DriverError(
            f"a request of function {payload[0]} was not sent: this gateway only reads",
            hint="tell the makers of this software",
        )
    return payload


def _hint(failure: Exception | None, transport: Transport) -> str:
    """Return what a person can do about a connection that failed."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        return (
            "the equipment's certificate is refused: tls_ca_file must hold the authority that "
            "issued it, it must name the host, and both clocks must be right"
        )
    refused = (
        "the equipment must know the authority of tls_certificate_file, and want no other role "
        "than the one in it"
    )
    if isinstance(failure, ssl.SSLError):
        return refused
    hint = "check power, cable, address and port of the equipment, and that nobody else holds it"
    return f"{hint}; {refused}" if transport is Transport.TLS else hint


_RECEIVED_MAX: Final = 4096
"""Octets kept while a frame is incomplete: a late answer and the awaited one may come together."""
_NEVER: Final = 1 << 30
_SILENCE: Final = Answer(outcome=Outcome.SILENT)
_REQUESTS: Final[dict[Table, type[ModbusPDU]]] = {
    Table.COIL: ReadCoilsRequest,
    Table.DISCRETE: ReadDiscreteInputsRequest,
    Table.HOLDING: ReadHoldingRegistersRequest,
    Table.INPUT: ReadInputRegistersRequest,
}
_TURNS: Final = WeakValueDictionary[str, asyncio.Lock]()
_READS: Final = frozenset(request.function_code for request in _REQUESTS.values())
_Connect = Callable[[], Coroutine[Any, Any, Any]]


def _judge_answer(block: Block, frame: bytes) -> Answer:
    """Return the payload only where function, byte count and length are those of the question."""
    function = _REQUESTS[block.table].function_code
    size = (block.count + 7) // 8 if block.table.of_bits else block.count * 2
    if frame[0] == function and len(frame) == size + 2 and frame[1] == size:
        return Answer(outcome=Outcome.VALUES, payload=frame[2:])
    if frame[0] == function | 0x80 and len(frame) == 2:
        return Answer(outcome=Outcome.REFUSED, code=frame[1])
    return Answer(outcome=Outcome.WRONG, payload=frame)


def _port(settings: ModbusSettings) -> int:
    return settings.port or (802 if settings.transport is Transport.TLS else 502)


def _framer(settings: ModbusSettings) -> FramerType:
    """Return the framing: inside TLS too the socket's, which waits for a frame in pieces."""
    return FramerType.RTU if settings.rtu else FramerType.SOCKET


def _parameters(settings: ModbusSettings) -> CommParams:
    parameters = CommParams(
        comm_type=CommType.TCP,
        comm_name="lotproof",
        host=settings.host,
        port=_port(settings),
        reconnect_delay=0.0,  # the agent opens again, and declares the gap
        timeout_connect=settings.timeout_s,
    )
    parameters.handle_local_echo = settings.rtu and settings.echo
    if settings.transport is Transport.TLS:
        parameters.comm_type = CommType.TLS
        parameters.sslctx = _tls(settings)
    if settings.transport is Transport.SERIAL:
        parameters.comm_type = CommType.SERIAL
        parameters.host = settings.serial_port
        parameters.baudrate = settings.baud_rate
        parameters.bytesize = 8
        parameters.parity = settings.parity
        parameters.stopbits = settings.stop_bits
    return parameters


def _tls(settings: ModbusSettings) -> ssl.SSLContext:
    """Return a context that checks the equipment and shows our certificate (MB-TCP-Security)."""
    try:
        context = ssl.create_default_context(
            cafile=None if settings.tls_ca_file is None else str(settings.tls_ca_file)
        )
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.tls_certificate_file is not None:
            context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file)
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError(
            f"the TLS files cannot be used: {error}",
            hint="tls_ca_file, tls_certificate_file and tls_key_file name PEM files that fit",
        ) from error
    return context
