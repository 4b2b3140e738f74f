"""The driver: one reader's line from connecting to readings, and back again when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final

from protocols.field.driver import (
    Delivery,
    DriverError,
    FieldClock,
)
from protocols.field.llrp.codec import (
    Answer,
    Keepalive,
    Listed,
    Notice,
    ReaderEvent,
    Report,
    TagReport,
    Unknown,
    Unreadable,
    decode,
    encode,
)
from protocols.field.llrp.framing import FormatError, Frame
from protocols.field.llrp.inbox import Inbox
from protocols.field.llrp.line import Line
from protocols.field.llrp.presence import Moved, Presence
from protocols.field.llrp.readings import Readings
from protocols.field.llrp.repeats import Repeats
from protocols.field.llrp.rospec import rospec
from protocols.field.llrp.session import UNANSWERED, Action, Do, Event, Send, State, step
from protocols.field.llrp.settings import LlrpSettings
from protocols.wire.reading import Gap, GapReason, Nanoseconds, Reading, TagRead


class LlrpDriver:
    """One reader; open, read and close as ``protocols.field.driver.Driver`` says.

    What is remembered of earlier connections (repeats, the start of an interruption, readings
    that nobody took yet) lives as long as this object: open it again rather than make another.
    """

    def __init__(self, source: str, settings: LlrpSettings, clock: FieldClock) -> None:
        self._source = source
        self._settings = settings
        self._clock = clock
        self._readings = Readings(source, settings, clock)
        self._presence = Presence(settings.presence)
        self._repeats = Repeats(settings.repeats_remembered_max)
        self._inbox = Inbox(settings.messages_queued_max)
        self._rospec = rospec(settings)
        self._line: Line | None = None
        self._pump: asyncio.Task[None] | None = None
        self._gap_from: Nanoseconds | None = None  # since when tag reads may be missing
        self._overrun = 0  # readings that found no room before the line ran
        self._reset()

    async def open(self) -> None:
        """Connect and make our ROSpec run, whatever the reader remembers.

        Raises DriverError where the reader cannot be reached, does not answer in time or refuses
        us or our ROSpec, SettingsError where the settings cannot work.
        """
        await self.close()
        self._inbox.fail(None)
        self._reset()
        try:
            self._line = await Line.connect(self._settings)
            self._apply(Event.CONNECTED)
            self._answer_by = self._clock.monotonic() + self._settings.answer_timeout_s
            while self._state is not State.RUNNING:
                await self._turn()
        except BaseException:
            self._interrupted()
            self._let_go()
            raise
        self._pump = asyncio.create_task(self._run(), name=f"llrp {self._source}")

    async def read(self) -> Delivery:
        """Wait for tag reads, events or gaps and return them; raise DriverError once it is lost."""
        return await self._inbox.take()

    async def close(self) -> None:
        """Tell the reader that we go, where it still listens; its ROSpec goes on running."""
        try:
            if self._pump is not None:
                self._pump.cancel()
                await asyncio.gather(self._pump, return_exceptions=True)
            if self._line is not None and self._state is not State.OVER:
                with contextlib.suppress(DriverError):
                    self._apply(Event.LEAVE)
                    while self._state is State.CLOSING:
                        await self._turn()
        finally:
            self._pump = None
            self._let_go()
            self._inbox.fail(DriverError("the line to the reader is closed", hint="open it again"))

    def _reset(self) -> None:
        """Forget the last connection."""
        now = self._clock.monotonic()
        self._state = State.IDLE
        self._message_id = 0
        self._keepalive_id = 0
        self._awaited: int | None = None  # id of the request that is to be answered
        self._answer_by = now
        self._check_at = now
        self._collect_at = now
        self._heard = now
        self._heard_at = self._clock.gateway_time()
        self._confirmed_at = self._heard_at  # when our ROSpec was last known to run
        self._holds = False
        self._why = DriverError("the session ended", hint="it is tried again")

    async def _run(self) -> None:
        """Take messages until the line is lost; full, let the reader wait."""
        try:
            while True:
                await self._inbox.room()
                await self._turn()
        except DriverError as error:
            self._interrupted()
            self._let_go()
            self._inbox.fail(error)

    async def _turn(self) -> None:
        """Do what is due, or take one message; raise DriverError where the session fails."""
        line = self._line
        if line is None:
            raise DriverError("the line to the reader is closed", hint="open it again")
        due, event = min(self._dues(), key=lambda found: found[0])
        try:
            frame = await line.receive_within(due - self._clock.monotonic())
            if frame is None and event is Event.SILENT:
                frame = await line.receive_within(_LAST_LOOK_S)
        except DriverError as error:
            self._broken(error)
            return
        if frame is None:
            self._due(event)
        else:
            self._take(frame)
        if self._state is not State.OVER:
            await line.flush(self._settings.answer_timeout_s)

    def _dues(self) -> list[tuple[float, Event]]:
        """Return what is due when, on the clock that never steps."""
        if self._awaited is not None or self._state is State.GREETING:
            return [(self._answer_by, Event.SILENT)]
        limits = self._settings
        patience = limits.keepalive_s * (limits.keepalives_missed_max + 0.5)
        dues = [(self._heard + patience, Event.SILENT), (self._check_at, Event.CHECK_DUE)]
        if limits.report_every > 1:
            dues.append((self._collect_at, Event.COLLECT_DUE))
        if (leaves := self._presence.due()) is not None:
            dues.append((leaves, Event.LEAVE_DUE))
        return dues

    def _due(self, event: Event) -> None:
        now = self._clock.monotonic()
        if event is Event.SILENT:
            answering = self._awaited is not None or self._state is State.GREETING
            what = f"no answer while {self._state.name.lower()}" if answering else "no keepalive"
            self._why = DriverError(
                f"the reader went silent: {what} for too long",
                hint="check the network between; see keepalive_s and answer_timeout_s",
            )
        elif event is Event.COLLECT_DUE:
            self._collect_at = now + self._settings.collect_s
        elif event is Event.LEAVE_DUE:
            self._moved(self._presence.unseen(now))
        self._apply(event)

    def _take(self, frame: Frame) -> None:
        """Make readings of a message and tell the session what it means."""
        self._heard = self._clock.monotonic()
        self._heard_at = self._clock.gateway_time()
        try:
            message = decode(frame)
        except Unreadable as error:
            self._put(self._readings.of_unreadable(frame.raw))
            if frame.message_id == self._awaited:
                self._why = DriverError(str(error), hint="check the reader's firmware")
                self._apply(Event.DECLINED)
            return
        match message:
            case Report():
                self._report(message)
            case Keepalive():
                self._keepalive_id = frame.message_id
                self._apply(Event.KEEPALIVE)
            case ReaderEvent():
                self._event(message)
            case Answer() if frame.message_id == self._awaited:
                self._answer(message)
            case Answer():
                self._put(self._readings.of_event(f"unasked-answer status={message.text}"))
            case Unknown():
                self._put(self._readings.of_event(f"unknown-message {message.what}"))

    def _report(self, report: Report) -> None:
        readings = [
            self._readings.of_tag(part)
            if isinstance(part, TagReport)
            else self._readings.of_spoilt(part)
            for part in report.tags
            if not (isinstance(part, TagReport) and self._repeats.seen(part))
        ]
        # A gap begins after the last reading before it, not with the message that brought it.
        self._confirmed_at = self._heard_at = self._clock.gateway_time()
        self._put(*readings)
        if self._readings.presence_wanted:
            now = self._clock.monotonic()
            for reading in readings:
                if isinstance(reading.value, TagRead):
                    self._moved(self._presence.seen(reading.value, now))

    def _moved(self, movements: Iterable[Moved]) -> None:
        for moved in movements:
            self._put(*self._readings.of_moved(moved))

    def _event(self, event: ReaderEvent) -> None:
        self._put(*self._readings.of_clock(event))
        for notice, text in event.notices:
            if notice is Notice.WELCOME:
                self._readings.greet(event)
            self._put(self._readings.of_event(text, event))
            if notice is Notice.OVERFLOW:
                self._inbox.put(gaps=(self._gap(self._confirmed_at, GapReason.OVERRUN),))
            elif notice is Notice.TURNED_AWAY:
                self._why = DriverError(
                    f"the reader turned us away: {text}",
                    hint="a reader serves one client; end the other one, or wait until it is gone",
                )
            elif notice is Notice.FAREWELL:
                self._why = DriverError("the reader ended the connection", hint="it is tried again")
            elif notice is Notice.ROSPEC_ENDED:
                self._confirmed_at = self._heard_at
            if notice in _MEANING:
                self._apply(_MEANING[notice])

    def _answer(self, answer: Answer) -> None:
        asked, self._awaited = self._state, None
        if answer.status != 0:
            self._why = DriverError(
                f"the reader refused while {asked.name.lower()}: {answer.text}",
                hint=_HINTS.get(asked, "check the reader's firmware and its LLRP version"),
            )
            self._apply(Event.DECLINED)
        elif asked in (State.LISTING, State.CHECKING):
            self._apply(_STANDS[answer.listed(self._rospec)])
        else:
            self._holds = self._holds if answer.holds is None else answer.holds
            self._apply(Event.ACCEPTED)

    def _broken(self, error: DriverError) -> None:
        """Tell the session that the line ended; what was no message is kept as evidence."""
        if isinstance(error, FormatError):
            self._put(self._readings.of_unreadable(error.raw))
        self._why = error
        self._apply(Event.BROKEN)

    def _apply(self, event: Event) -> None:
        """Let the session take a step and do what it says."""
        before = self._state
        self._state, actions = step(before, event)
        if self._state is State.RUNNING and before is not State.RUNNING:
            self._check_at = self._clock.monotonic() + self._settings.check_s
            self._confirmed_at = self._clock.gateway_time()
        for action in actions:
            self._do(action)

    def _do(self, action: Action) -> None:
        match action:
            case Do.RESUME:
                self._resume()
            case Do.PAUSE:
                self._gap_from = self._confirmed_at
            case Do.FAIL:
                raise self._why
            case Do.LET_GO:
                self._let_go()
            case Send.ALIVE:
                self._send(action, self._keepalive_id)
            case Send():
                self._message_id += 1
                self._send(action, self._message_id)
                if action not in UNANSWERED:
                    self._awaited = self._message_id
                    self._answer_by = self._clock.monotonic() + self._settings.answer_timeout_s

    def _send(self, send: Send, message_id: int) -> None:
        if self._line is not None:
            self._line.send(encode(send, message_id, self._settings, holds=self._holds))

    def _resume(self) -> None:
        """Declare what was missed until now."""
        self._presence.resume(self._clock.monotonic())
        if self._gap_from is not None:
            gap = self._gap(self._gap_from, GapReason.SOURCE_DOWN)
            self._inbox.put(gaps=(gap,))
        if self._overrun:
            gap = self._gap(self._gap_from or self._heard_at, GapReason.OVERRUN, self._overrun)
            self._inbox.put(gaps=(gap,))
        self._gap_from, self._overrun = None, 0

    def _interrupted(self) -> None:
        """Remember since when tag reads may be missing."""
        if self._gap_from is None:
            self._gap_from = self._heard_at

    def _gap(self, start: Nanoseconds, reason: GapReason, count: int | None = None) -> Gap:
        end = max(start, self._clock.gateway_time())
        return Gap(subject=self._source, start=start, end=end, reason=reason, count=count)

    def _put(self, *readings: Reading) -> None:
        """Hand readings over; before the line runs nobody takes them, so there room may end."""
        if self._pump is None and self._inbox.full:
            self._overrun += len(readings)
        else:
            self._inbox.put(readings)

    def _let_go(self) -> None:
        if self._line is not None:
            self._line.drop()
        self._line = None
        self._state = State.OVER


_LAST_LOOK_S: Final = 0.05
"""For what came while nobody listened: a gateway that was busy must not take it for silence."""

_MEANING: Final = {
    Notice.WELCOME: Event.WELCOMED,
    Notice.TURNED_AWAY: Event.TURNED_AWAY,
    Notice.FAREWELL: Event.BROKEN,
    Notice.ROSPEC_ENDED: Event.ROSPEC_ENDED,
}

_STANDS: Final = {
    Listed.NONE: Event.LISTED_NONE,
    Listed.OTHER: Event.LISTED_OTHER,
    Listed.DISABLED: Event.LISTED_DISABLED,
    Listed.INACTIVE: Event.LISTED_INACTIVE,
    Listed.RUNNING: Event.LISTED_RUNNING,
}

_HINTS: Final = {
    State.CONFIGURING: "try while_away = 'drop' or another keepalive_s: not every reader can both",
    State.ADDING: "check antennas, tx_power_index, hop_table_id and channel_index against the"
    " reader's capabilities",
    State.ENABLING: "another client may have changed the ROSpec meanwhile; it is tried again",
    State.STARTING: "another ROSpec of higher priority may run; delete it on the reader",
}
