"""LLRP messages to and from bytes: with ``discover`` the only place that knows llrpkit.

Names in capitals are those of LLRP 1.1 (EPCglobal, 2010), whose section 17 gives the encodings.
llrpkit decodes a whole message or nothing; a report is therefore split here into its tag reports,
so that one that cannot be read costs no other (docs/decisions/0009-llrp.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, ClassVar, Final

from llrpkit.exceptions import LLRPError
from llrpkit.protocol import codec as llrp
from llrpkit.protocol import decode_message, enums, impinj, messages, params

from protocols.field.llrp.framing import HEADER_BYTES, Frame
from protocols.field.llrp.rospec import rospec
from protocols.field.llrp.session import Send
from protocols.field.llrp.settings import LlrpSettings, WhileAway


class Unreadable(Exception):  # noqa: N818 -- what it is, caught beside where it is raised
    """A message or parameter within sound framing that does not decode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagReport:
    """One TagReportData (section 14.2.3) as the reader sent it; None where it did not say."""

    raw: bytes
    epc: bytes
    epc_bits: int
    antenna: int | None
    rssi: int | None  # hundredths of dBm
    first_utc_us: int | None
    last_utc_us: int | None
    first_uptime_us: int | None
    last_uptime_us: int | None
    count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoilt:
    """A part of a report that cannot be read."""

    raw: bytes
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """RO_ACCESS_REPORT."""

    tags: tuple[TagReport | Spoilt, ...]


class Notice(Enum):
    """What a reader event means to us."""

    WELCOME = auto()  # the reader takes our connection
    TURNED_AWAY = auto()  # it does not
    FAREWELL = auto()  # it is about to close the connection
    ROSPEC_ENDED = auto()  # a ROSpec stopped or was preempted
    OVERFLOW = auto()  # its report memory was full: reports are lost
    OTHER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderEvent:
    """READER_EVENT_NOTIFICATION."""

    utc_us: int | None
    uptime_us: int | None
    notices: tuple[tuple[Notice, str], ...]  # each with words for a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepalive:
    """KEEPALIVE."""


class Listed(Enum):
    """How our ROSpec stands at the reader."""

    NONE = auto()  # no ROSpec at all
    OTHER = auto()  # one that is not as we want it, or not ours
    DISABLED = auto()
    INACTIVE = auto()
    RUNNING = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer to a request, with the reader's LLRPStatus."""

    status: int  # 0: success
    text: str
    rospecs: tuple[params.ROSpec, ...] = ()
    holds: bool | None = None  # of the capabilities: whether reports can be held

    def listed(self, wanted: params.ROSpec) -> Listed:
        """Return how ``wanted`` stands in the list that this answer carries."""
        if not self.rospecs:
            return Listed.NONE
        if len(self.rospecs) > 1 or _at_rest(self.rospecs[0]) != _at_rest(wanted):
            return Listed.OTHER
        states = {0: Listed.DISABLED, 1: Listed.INACTIVE, 2: Listed.RUNNING}
        return states.get(int(self.rospecs[0].current_state), Listed.OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A message that we have no use for."""

    what: str


Message = Report | ReaderEvent | Keepalive | Answer | Unknown


def decode(frame: Frame) -> Message:
    """Return what a message says; raise Unreadable where its body does not decode."""
    if frame.kind == messages.RO_ACCESS_REPORT.MESSAGE_TYPE:
        return Report(tags=tuple(_tags(frame.raw)))
    try:
        message = decode_message(frame.raw)
    except (LLRPError, ValueError, RecursionError) as error:
        raise Unreadable(f"message type {frame.kind}: {error}") from error
    if isinstance(message, messages.KEEPALIVE):
        return Keepalive()
    if isinstance(message, messages.READER_EVENT_NOTIFICATION):
        return _event(message.reader_event_notification_data)
    status = getattr(message, "llrp_status", None)
    if isinstance(status, params.LLRPStatus):
        capabilities = getattr(message, "llrp_capabilities", None)
        return Answer(
            status=int(status.status_code),
            text=_status_text(status),
            rospecs=tuple(getattr(message, "ro_specs", ())),
            holds=getattr(capabilities, "supports_event_and_report_holding", None),
        )
    return Unknown(what=f"message type {frame.kind}")


def encode(send: Send, message_id: int, settings: LlrpSettings, *, holds: bool) -> bytes:
    """Return the message to send; ``holds``: whether the reader can hold reports while we are away.

    DELETE_ROSPEC names id 0, which is all of them.
    """
    return _message(send, settings, holds).to_bytes(message_id)


def _message(send: Send, settings: LlrpSettings, holds: bool) -> llrp.LLRPMessage:
    if send is Send.CONFIG:
        return _config(settings, hold=holds and settings.while_away is WhileAway.HOLD)
    if send is Send.ADD:
        return messages.ADD_ROSPEC(ro_spec=rospec(settings))
    if send is Send.ENABLE:
        return messages.ENABLE_ROSPEC(ro_spec_id=settings.rospec_id)
    if send is Send.START:
        return messages.START_ROSPEC(ro_spec_id=settings.rospec_id)
    return _FIXED[send]


_FIXED: Final[dict[Send, llrp.LLRPMessage]] = {
    Send.CAPABILITIES: messages.GET_READER_CAPABILITIES(
        requested_data=enums.GetReaderCapabilitiesRequestedData.LLRP_Capabilities
    ),
    Send.LIST: messages.GET_ROSPECS(),
    Send.DELETE: messages.DELETE_ROSPEC(ro_spec_id=0),
    Send.RELEASE: messages.ENABLE_EVENTS_AND_REPORTS(),
    Send.COLLECT: messages.GET_REPORT(),
    Send.ALIVE: messages.KEEPALIVE_ACK(),
    Send.CLOSE: messages.CLOSE_CONNECTION(),
}


def _config(settings: LlrpSettings, *, hold: bool) -> messages.SET_READER_CONFIG:
    """Return SET_READER_CONFIG: keepalives, the events we want, reports held while away."""
    wanted = (
        enums.NotificationEventType.ROSpec_Event,
        enums.NotificationEventType.Report_Buffer_Fill_Warning,
        enums.NotificationEventType.Reader_Exception_Event,
        enums.NotificationEventType.Antenna_Event,
    )
    return messages.SET_READER_CONFIG(
        reader_event_notification_spec=params.ReaderEventNotificationSpec(
            event_notification_states=[
                params.EventNotificationState(event_type=event, notification_state=True)
                for event in wanted
            ]
        ),
        keepalive_spec=params.KeepaliveSpec(
            keepalive_trigger_type=enums.KeepaliveTriggerType.Periodic,
            periodic_trigger_value=max(1, round(settings.keepalive_s * 1000)),
        ),
        events_and_reports=params.EventsAndReports(hold_events_and_reports_upon_reconnect=hold),
    )


def _tags(raw: bytes) -> Iterator[TagReport | Spoilt]:
    """Yield the tag reports of an RO_ACCESS_REPORT; other parameters of it are passed over."""
    at = HEADER_BYTES
    while at < len(raw):
        length = int.from_bytes(raw[at + 2 : at + 4], "big")
        if raw[at] & 0x80 or length < 4 or at + length > len(raw):
            yield Spoilt(raw=raw[at:], why="a parameter's length leaves its message")
            return
        if int.from_bytes(raw[at : at + 2], "big") & 0x3FF == params.TagReportData.PARAM_TYPE:
            yield _tag(raw[at : at + length])
        at += length


def _tag(raw: bytes) -> TagReport | Spoilt:
    try:
        data = llrp.decode_parameter(llrp.ByteReader(raw))
    except (LLRPError, ValueError, RecursionError) as error:
        return Spoilt(raw=raw, why=str(error))
    if not isinstance(data, params.TagReportData):
        return Spoilt(raw=raw, why="not a TagReportData")
    epc, bits = _epc(data.epc_parameter)
    return TagReport(
        raw=raw,
        epc=epc,
        epc_bits=bits,
        antenna=None if data.antenna_id is None else data.antenna_id.antenna_id,
        rssi=_rssi(data),
        first_utc_us=_us(data.first_seen_timestamp_utc),
        last_utc_us=_us(data.last_seen_timestamp_utc),
        first_uptime_us=_us(data.first_seen_timestamp_uptime),
        last_uptime_us=_us(data.last_seen_timestamp_uptime),
        count=None if data.tag_seen_count is None else data.tag_seen_count.tag_count,
    )


def _us(
    time: params.FirstSeenTimestampUTC
    | params.FirstSeenTimestampUptime
    | params.LastSeenTimestampUTC
    | params.LastSeenTimestampUptime
    | None,
) -> int | None:
    return None if time is None else time.microseconds


def _epc(given: params.EPCData | params.EPC_96) -> tuple[bytes, int]:
    """Return the EPC with its unused last bits zero, and its length in bits."""
    if isinstance(given, params.EPC_96):
        return given.epc, 96
    bits, data = given.epc.bit_len, given.epc.data
    if spare := -bits % 8:
        data = data[:-1] + bytes([data[-1] >> spare << spare])
    return data, bits


def _rssi(data: params.TagReportData) -> int | None:
    """Return hundredths of dBm; an Impinj reader may say it finer than the standard's int8."""
    for extension in data.custom:
        if isinstance(extension, impinj.ImpinjPeakRSSI):
            return extension.rssi
    return None if data.peak_rssi is None else data.peak_rssi.peak_rssi * 100


def _event(data: params.ReaderEventNotificationData) -> ReaderEvent:
    utc = isinstance(data.timestamp, params.UTCTimestamp)
    return ReaderEvent(
        utc_us=data.timestamp.microseconds if utc else None,
        uptime_us=None if utc else data.timestamp.microseconds,
        notices=tuple(_notices(data)),
    )


def _notices(data: params.ReaderEventNotificationData) -> Iterator[tuple[Notice, str]]:
    """Yield what an event notification says, as a word and ``key=value`` pairs."""
    if (attempt := data.connection_attempt_event) is not None:
        kind = _ATTEMPTS.get(int(attempt.status), Notice.TURNED_AWAY)
        yield kind, f"connection-attempt status={_name(attempt.status)}"
    if data.connection_close_event is not None:
        yield Notice.FAREWELL, "connection-close"
    if (antenna := data.antenna_event) is not None:
        word = "connected" if int(antenna.event_type) == 1 else "disconnected"
        yield Notice.OTHER, f"antenna-{word} antenna={antenna.antenna_id}"
    if (spec := data.ro_spec_event) is not None:
        started = int(spec.event_type) == int(enums.ROSpecEventType.Start_Of_ROSpec)
        word = {0: "started", 1: "ended", 2: "preempted"}.get(int(spec.event_type), "changed")
        kind = Notice.OTHER if started else Notice.ROSPEC_ENDED
        yield kind, f"rospec-{word} rospec={spec.ro_spec_id}"
    if (level := data.report_buffer_level_warning_event) is not None:
        yield Notice.OTHER, f"report-buffer-filling percent={level.report_buffer_percentage_full}"
    if data.report_buffer_overflow_error_event is not None:
        yield Notice.OVERFLOW, "report-buffer-overflow"
    if (fault := data.reader_exception_event) is not None:
        where = "" if fault.antenna_id is None else f" antenna={fault.antenna_id.antenna_id}"
        yield Notice.OTHER, f"reader-exception{where} message={fault.message}"
    if (gpi := data.gpi_event) is not None:
        yield Notice.OTHER, f"gpi port={gpi.gpi_port_number} high={int(gpi.gpi_event)}"
    if (ended := data.ai_spec_event) is not None:
        yield Notice.OTHER, f"aispec-ended rospec={ended.ro_spec_id} index={ended.spec_index}"


_ATTEMPTS: Final = {
    0: Notice.WELCOME,
    4: Notice.OTHER,  # somebody else tried, and we are told because we are here
}


def _status_text(status: params.LLRPStatus) -> str:
    text = _name(status.status_code)
    if status.field_error is not None:
        text += f", field {status.field_error.field_num}"
    if status.parameter_error is not None:
        text += f", parameter {status.parameter_error.parameter_type}"
    return f"{text}: {status.error_description}" if status.error_description else text


def _name(code: int) -> str:
    return getattr(code, "name", str(code)).removeprefix("M_")


def _at_rest(spec: params.ROSpec) -> bytes:
    """Return a ROSpec's bytes with its state, which the reader changes, set to disabled."""
    raw = bytearray(spec.encode())
    raw[9] = 0  # 4 bytes of parameter header, 4 of id, 1 of priority
    return bytes(raw)


class _Extended(llrp.LLRPParameter):
    """A 16-bit word of LLRP 1.1 (C1G2XPCW1, C1G2XPCW2) that llrpkit, at 1.0.1, does not know."""

    IS_TV: ClassVar[bool] = True

    def __init__(self, word: int) -> None:
        self.word = word

    def _encode_fields(self, w: llrp.ByteWriter) -> None:
        w.u16(self.word)

    @classmethod
    def _decode_fields(cls, r: llrp.ByteReader, end: int) -> dict[str, Any]:  # noqa: ARG003 # llrpkit's own signature
        return {"word": r.u16()}


for _type in (19, 20):  # C1G2XPCW1 and C1G2XPCW2; unknown, they would cost their whole tag report
    if _type not in llrp.PARAMETER_REGISTRY:
        llrp.register_parameter(type(f"Xpc{_type - 18}", (_Extended,), {"PARAM_TYPE": _type}))
