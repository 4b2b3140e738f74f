"""What a reader says of itself: who made it, its antennas and inputs; nothing is changed at it.

Of LLRP 1.1: GET_READER_CAPABILITIES (section 10.1.1) and GET_READER_CONFIG (section 13.1.1), which
may be left unanswered in part. For commissioning alone; a reader takes one client at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from llrpkit.exceptions import LLRPError
from llrpkit.protocol import codec as llrp
from llrpkit.protocol import decode_message, enums, messages, params

from protocols.field.driver import DriverError
from protocols.field.llrp.framing import Frame
from protocols.field.llrp.line import Line
from protocols.field.llrp.settings import LlrpSettings, LlrpSignal, Reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What one reader can do."""

    manufacturer: int  # IANA private enterprise number
    model: int  # the manufacturer's own number
    firmware: str
    llrp: str  # the version that the reader answers in
    antennas: int  # ports
    connected: tuple[int, ...] | None  # ports with an antenna; None where the reader does not say
    inputs: int  # GPIs
    outputs: int  # GPOs
    has_utc_clock: bool
    holds_reports: bool  # while nobody is connected

    @property
    def made_by(self) -> str:
        """The manufacturer's name where it is known, and number."""
        return f"{_MANUFACTURERS.get(self.manufacturer, 'manufacturer')} ({self.manufacturer})"


async def ask(settings: LlrpSettings) -> Reader:
    """Connect, ask, and leave; raise DriverError, or SettingsError for unusable TLS files."""
    line = await Line.connect(settings)
    try:
        try:
            async with asyncio.timeout(4 * settings.answer_timeout_s):
                talk = _Talk(line, settings)
                await talk.greeted()
                return await _ask(talk)
        except TimeoutError as error:
            raise DriverError(
                "the reader says much and answers nothing", hint="restart the reader"
            ) from error
    finally:
        line.drop()


def signals_of(reader: Reader, prefix: str) -> list[LlrpSignal]:
    """Return a signal for each antenna that is there, and one for the reader's events."""
    ports = range(1, reader.antennas + 1) if reader.connected is None else reader.connected
    found = [LlrpSignal(name=f"{prefix}antenna-{port}", antenna=port) for port in ports]
    events = {"name": f"{prefix}events", "reads": Reads.EVENTS}
    return [*found, LlrpSignal.model_validate(events)]


class _Talk:
    """Questions and answers over one line, what comes in between passed over."""

    def __init__(self, line: Line, settings: LlrpSettings) -> None:
        self.version = 0  # of the reader's last message
        self._line = line
        self._timeout_s = settings.answer_timeout_s
        self._id = 0

    async def greeted(self) -> None:
        """Wait for the reader to take us; raise DriverError where it does not."""
        while True:
            _, message = await self._receive()
            if not isinstance(message, messages.READER_EVENT_NOTIFICATION):
                continue
            attempt = message.reader_event_notification_data.connection_attempt_event
            if attempt is None:
                continue
            if int(attempt.status) == enums.ConnectionAttemptStatusType.Success:
                return
            raise DriverError(
                f"the reader does not take us: connection attempt status {int(attempt.status)}",
                hint="a reader takes one client: stop the agent, or whoever else is connected",
            )

    async def answer(self, question: llrp.LLRPMessage) -> Any:
        """Return the answer to a question, None where it is refused."""
        self._id += 1
        self._line.send(question.to_bytes(self._id))
        await self._line.flush(self._timeout_s)
        while True:
            frame, message = await self._receive()
            status = getattr(message, "llrp_status", None)
            if frame.message_id == self._id and isinstance(status, params.LLRPStatus):
                return message if int(status.status_code) == 0 else None

    async def _receive(self) -> tuple[Frame, Any]:
        try:
            async with asyncio.timeout(self._timeout_s):
                frame = await self._line.receive()
        except TimeoutError as error:
            raise DriverError(
                f"the reader says nothing for {self._timeout_s:g} s",
                hint="check that host and port are an LLRP reader's",
            ) from error
        self.version = int.from_bytes(frame.raw[:2]) >> 10 & 0x7
        try:
            return frame, decode_message(frame.raw)
        except (LLRPError, ValueError, RecursionError):
            return frame, None  # an extension that nobody asked for; an answer is waited for


async def _ask(talk: _Talk) -> Reader:
    everything = messages.GET_READER_CAPABILITIES(
        requested_data=enums.GetReaderCapabilitiesRequestedData.All
    )
    told = await talk.answer(everything)
    general = getattr(told, "general_device_capabilities", None)
    if general is None:
        raise DriverError(
            "the reader does not tell its capabilities",
            hint="update its firmware, or write the signals by hand",
        )
    antennas = messages.GET_READER_CONFIG(
        requested_data=enums.GetReaderConfigRequestedData.AntennaProperties
    )
    properties: Sequence[params.AntennaProperties] = getattr(
        await talk.answer(antennas), "antenna_properties", ()
    )
    await talk.answer(messages.CLOSE_CONNECTION())
    ports = (each.antenna_id for each in properties if each.antenna_connected)
    return Reader(
        manufacturer=general.device_manufacturer_name,
        model=general.model_name,
        firmware=general.reader_firmware_version,
        llrp=_VERSIONS.get(talk.version, str(talk.version)),
        antennas=general.max_number_of_antenna_supported,
        connected=tuple(sorted(ports)) if properties else None,
        inputs=general.gpio_capabilities.num_gp_is,
        outputs=general.gpio_capabilities.num_gp_os,
        has_utc_clock=general.has_utc_clock_capability,
        holds_reports=bool(
            told.llrp_capabilities and told.llrp_capabilities.supports_event_and_report_holding
        ),
    )


_VERSIONS: Final = {1: "1.0.1", 2: "1.1", 3: "2.0"}  # of a message's header, section 17.1
_MANUFACTURERS: Final = {161: "Zebra (Motorola)", 25882: "Impinj"}
