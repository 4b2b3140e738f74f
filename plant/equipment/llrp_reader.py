"""An RFID reader's LLRP server on loopback, with the habits of real ones.

ROSpecs outlive a connection, reports are held while nobody is there, and the last ones are sent
again to whoever comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from llrpkit.exceptions import MessageDecodeError
from llrpkit.protocol import BitStr, LLRPMessage, decode_message, enums, messages, params

from plant.clock import utc_now
from plant.equipment.llrp_abilities import capabilities_message
from plant.equipment.sighting import ReaderClock, Sighting

__all__ = ["LlrpReader", "Refusal", "report_message"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HEADER_BYTES: Final = 10
_MESSAGE_BYTES_MAX: Final = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An LLRPStatus that the reader answers with instead of obeying."""

    status: int
    text: str


class LlrpReader:
    """Serve one LLRP client on 127.0.0.1.

    ``sent_again_max`` reports are sent again when a client comes back, before those held
    meanwhile (``held_max`` at most; beyond it the oldest are lost and the reader says so).
    ``refusals`` maps a message's name to what it is answered with; names in ``unanswered`` get
    no answer at all.
    """

    host: Final = "127.0.0.1"

    def __init__(
        self,
        *,
        port: int = 0,
        antennas: int = 4,
        clock: ReaderClock = ReaderClock.UTC,
        sent_again_max: int = 50,
        held_max: int = 10_000,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.port = port  # 0 until the first start chooses a free one
        self.refusals: dict[str, Refusal] = {}
        self.unanswered: set[str] = set()
        self.heard: list[str] = []  # names of the messages that came, keepalive answers left out
        self.keepalives_answered = 0
        self.antennas_connected = set(range(1, antennas + 1))
        self._ports = antennas
        self._clock = clock
        self._tls = tls
        self._sent: deque[Sequence[Sighting]] = deque(maxlen=sent_again_max)
        self._held: deque[Sequence[Sighting]] = deque(maxlen=held_max)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: asyncio.StreamWriter | None = None
        self._rospecs: dict[int, params.ROSpec] = {}
        self._unreported: list[Sighting] = []
        self._overflowed = False
        self._holds = False
        self._released = False
        self._keepalive_s = 0.0
        self._unacknowledged = 0
        self._last_us = 0
        self._origin_us = 0
        self._forget()

    async def start(self) -> None:
        """Switch on; does nothing where it is."""
        if self._server is None:
            self._forget()
            self._server = await asyncio.start_server(
                self._serve, self.host, self.port, ssl=self._tls
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Switch off: connections end, ROSpecs and held reports are gone; may be called twice."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        self.drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()
        self._forget()

    @property
    def reading(self) -> frozenset[int]:
        """Antennas that a running ROSpec reads with."""
        running = (spec for spec in self._rospecs.values() if int(spec.current_state) == 2)
        asked = {
            antenna
            for spec in running
            for part in spec.spec_parameters
            if isinstance(part, params.AISpec)
            for antenna in part.antenna_ids
        }
        return frozenset(self.antennas_connected if 0 in asked else self.antennas_connected & asked)

    @property
    def connected(self) -> bool:
        """Whether a client is there."""
        return self._client is not None

    def now_us(self) -> int:
        """Return the reader's time in microseconds, never the same twice."""
        now = (utc_now() - _EPOCH) // timedelta(microseconds=1) - self._origin_us
        self._last_us = max(now, self._last_us + 1)
        return self._last_us

    def report(self, sightings: Sequence[Sighting]) -> None:
        """Report what was seen, once there is as much of it as the ROSpec wants in a report."""
        self._unreported += sightings
        specs = (spec.ro_report_spec for spec in self._rospecs.values())
        if len(self._unreported) >= max((spec.n for spec in specs if spec), default=1):
            self._flush()

    def _flush(self) -> None:
        """Send a report of all that is not reported yet, or hold it while nobody takes any."""
        sightings, self._unreported = self._unreported, []
        if sightings:
            self._pass_on(sightings)

    def _pass_on(self, sightings: Sequence[Sighting]) -> None:
        if self._client is not None and self._released:
            self._sent.append(sightings)
            self._send(report_message(sightings, self._clock))
        elif self._holds:
            self._overflowed = self._overflowed or len(self._held) == self._held.maxlen
            self._held.append(sightings)

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are, message or not."""
        if self._client is not None:
            self._client.write(data)

    def set_antenna(self, antenna: int, *, connected: bool) -> None:
        """Plug an antenna in or out, and say so."""
        (self.antennas_connected.add if connected else self.antennas_connected.discard)(antenna)
        event = params.AntennaEvent(event_type=int(connected), antenna_id=antenna)
        self._notify(antenna_event=event)

    def fill(self, percent: int) -> None:
        """Say that the report memory fills; at 100 that it was full and reports were lost."""
        if percent < 100:
            warning = params.ReportBufferLevelWarningEvent(report_buffer_percentage_full=percent)
            self._notify(report_buffer_level_warning_event=warning)
        else:
            self._notify(report_buffer_overflow_error_event=params.ReportBufferOverflowErrorEvent())

    def stop_rospecs(self) -> None:
        """Stop what runs, as another console of the reader can, and say so."""
        for rospec in self._rospecs.values():
            rospec.current_state = enums.ROSpecState.Inactive
            ended = params.ROSpecEvent(
                event_type=enums.ROSpecEventType.End_Of_ROSpec, ro_spec_id=rospec.ro_spec_id
            )
            self._notify(ro_spec_event=ended)

    def lose_rospecs(self) -> None:
        """Forget all ROSpecs in silence, as some readers do when their software restarts."""
        self._rospecs.clear()

    def release(self) -> None:
        """Let go what is held, whether the client asked for it or not."""
        self._released = True
        self._catch_up()

    def mute(self) -> None:
        """Send no more signs of life, until told to again."""
        self._keepalive_s = 0.0

    def drop(self) -> None:
        """Reset the client's connection."""
        client, self._client = self._client, None
        if client is not None:
            client.transport.abort()

    def _forget(self) -> None:
        self._rospecs.clear()
        self._unreported.clear()
        self._sent.clear()
        self._held.clear()
        self._overflowed = False
        self._holds = False
        self._released = False
        self._keepalive_s = 0.0
        self._unacknowledged = 0
        self._last_us = 0
        uptime = self._clock is ReaderClock.UPTIME
        self._origin_us = (utc_now() - _EPOCH) // timedelta(microseconds=1) if uptime else 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._client is not None:
            taken = "Failed_A_Client_Initiated_Connection_Already_Exists"
            status = enums.ConnectionAttemptStatusType[taken]
            writer.write(self._event(_attempt(status)).to_bytes())
            with contextlib.suppress(OSError):
                await writer.drain()
            writer.close()
            another = enums.ConnectionAttemptStatusType.Another_Connection_Attempted
            self._notify(**_attempt(another))
            return
        self._client = writer
        self._released = not self._holds
        self._unacknowledged = 0
        self._send(self._event(_attempt(enums.ConnectionAttemptStatusType.Success)))
        if self._released:
            self._catch_up()
        task = asyncio.create_task(self._keep_alive(writer))
        for own in (task, asyncio.current_task()):
            if own is not None:
                self._tasks.add(own)
                own.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, MessageDecodeError):
            while self._client is writer:
                self._obey(decode_message(await _frame(reader)))
                await writer.drain()
        task.cancel()
        if self._client is writer:
            self._client = None
        writer.transport.abort()

    async def _keep_alive(self, writer: asyncio.StreamWriter) -> None:
        """Send signs of life; a client that answers none of three is gone."""
        while self._client is writer:
            await asyncio.sleep(self._keepalive_s or 0.05)
            if self._keepalive_s and self._client is writer:
                if self._unacknowledged == 3:
                    self.drop()
                    return
                self._unacknowledged += 1
                self._send(messages.KEEPALIVE())

    def _obey(self, message: LLRPMessage) -> None:
        name = type(message).__name__
        if isinstance(message, messages.KEEPALIVE_ACK):
            self.keepalives_answered += 1
            self._unacknowledged = 0
            return
        self.heard.append(name)
        if name in self.unanswered:
            return
        if isinstance(message, messages.ENABLE_EVENTS_AND_REPORTS):
            self.release()
        elif isinstance(message, messages.GET_REPORT):
            self._flush()
        else:
            self._send(self._answer(name, message), message.message_id)
            if isinstance(message, messages.CLOSE_CONNECTION) and self._client is not None:
                client, self._client = self._client, None
                client.close()

    def _answer(self, name: str, message: LLRPMessage) -> LLRPMessage:
        refusal = self.refusals.get(name)
        status = params.LLRPStatus(
            status_code=refusal.status if refusal else 0,
            error_description=refusal.text if refusal else "",
        )
        if refusal is None:
            status = self._act(message)
        if isinstance(message, messages.GET_ROSPECS):
            rospecs = [] if refusal else list(self._rospecs.values())
            return messages.GET_ROSPECS_RESPONSE(llrp_status=status, ro_specs=rospecs)
        if isinstance(message, messages.GET_READER_CAPABILITIES):
            return capabilities_message(status, self._ports)
        answer: Callable[..., LLRPMessage] | None = getattr(messages, f"{name}_RESPONSE", None)
        return (answer or messages.ERROR_MESSAGE)(llrp_status=status)

    def _act(self, message: LLRPMessage) -> params.LLRPStatus:
        """Do what a message asks and return how it went."""
        if isinstance(message, messages.SET_READER_CONFIG):
            if message.keepalive_spec is not None:
                self._keepalive_s = message.keepalive_spec.periodic_trigger_value / 1000
            if message.events_and_reports is not None:
                hold = message.events_and_reports.hold_events_and_reports_upon_reconnect
                self._holds = bool(hold)
        elif isinstance(message, messages.ADD_ROSPEC):
            if message.ro_spec.ro_spec_id in self._rospecs:
                return _refused(f"ROSpec {message.ro_spec.ro_spec_id} exists")
            self._rospecs[message.ro_spec.ro_spec_id] = message.ro_spec
        elif isinstance(message, messages.DELETE_ROSPEC):
            if message.ro_spec_id:
                self._rospecs.pop(message.ro_spec_id, None)
            else:
                self._rospecs.clear()
        elif isinstance(message, messages.ENABLE_ROSPEC):
            return self._move(message.ro_spec_id, enums.ROSpecState.Inactive)
        elif isinstance(message, messages.START_ROSPEC):
            return self._move(message.ro_spec_id, enums.ROSpecState.Active)
        return params.LLRPStatus(status_code=0)

    def _move(self, rospec_id: int, to: enums.ROSpecState) -> params.LLRPStatus:
        """Move a ROSpec one state on; only the next one is allowed."""
        rospec = self._rospecs.get(rospec_id)
        if rospec is None or int(rospec.current_state) != int(to) - 1:
            return _refused(f"ROSpec {rospec_id} is not in the state for that")
        rospec.current_state = to
        return params.LLRPStatus(status_code=0)

    def _catch_up(self) -> None:
        """Send the last reports again, then what was held."""
        for sightings in self._sent:
            self._send(report_message(sightings, self._clock))
        if self._overflowed:
            self.fill(100)
            self._overflowed = False
        while self._held:
            self._pass_on(self._held.popleft())

    def _notify(self, **event: object) -> None:
        if self._client is not None and self._released:
            self._send(self._event(event))

    def _event(self, event: dict[str, object]) -> LLRPMessage:
        now = self.now_us()
        uptime = self._clock is ReaderClock.UPTIME
        time = params.Uptime(microseconds=now) if uptime else params.UTCTimestamp(microseconds=now)
        data = params.ReaderEventNotificationData(
            timestamp=time,
            **event,  # type: ignore[arg-type] # names of fields, which mypy takes for any
        )
        return messages.READER_EVENT_NOTIFICATION(reader_event_notification_data=data)

    def _send(self, message: LLRPMessage, message_id: int = 0) -> None:
        if self._client is not None:
            self._client.write(message.to_bytes(message_id))


async def _frame(reader: asyncio.StreamReader) -> bytes:
    header = await reader.readexactly(_HEADER_BYTES)
    length = int.from_bytes(header[2:6], "big")
    if not _HEADER_BYTES <= length <= _MESSAGE_BYTES_MAX:
        raise MessageDecodeError(f"a message of {length} bytes")
    return header + await reader.readexactly(length - _HEADER_BYTES)


def _attempt(status: enums.ConnectionAttemptStatusType) -> dict[str, object]:
    return {"connection_attempt_event": params.ConnectionAttemptEvent(status=status)}


def _refused(text: str) -> params.LLRPStatus:
    return params.LLRPStatus(status_code=enums.StatusCode.M_FieldError, error_description=text)


def report_message(sightings: Sequence[Sighting], clock: ReaderClock) -> LLRPMessage:
    """Return the RO_ACCESS_REPORT of what was seen."""
    return messages.RO_ACCESS_REPORT(tag_report_datas=[_tag(s, clock) for s in sightings])


def _tag(seen: Sighting, clock: ReaderClock) -> params.TagReportData:
    first: dict[str, object] = {
        "first_seen_timestamp_utc": params.FirstSeenTimestampUTC(microseconds=seen.first_us),
        "last_seen_timestamp_utc": params.LastSeenTimestampUTC(microseconds=seen.last_us),
    }
    if clock is ReaderClock.UPTIME:
        first = {
            "first_seen_timestamp_uptime": params.FirstSeenTimestampUptime(
                microseconds=seen.first_us
            ),
            "last_seen_timestamp_uptime": params.LastSeenTimestampUptime(microseconds=seen.last_us),
        }
    return params.TagReportData(
        epc_parameter=params.EPC_96(epc=seen.epc)
        if seen.epc_bits == 96
        else params.EPCData(epc=BitStr(seen.epc_bits, seen.epc)),
        antenna_id=params.AntennaID(antenna_id=seen.antenna),
        peak_rssi=params.PeakRSSI(peak_rssi=seen.rssi),
        tag_seen_count=params.TagSeenCount(tag_count=seen.count),
        **first,  # type: ignore[arg-type] # names of fields, which mypy takes for any
    )
