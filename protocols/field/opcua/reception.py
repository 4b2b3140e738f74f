"""What a source's subscription brings, judged; what it failed to bring, declared and fetched."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from protocols.field.driver import FieldClock, Memory
from protocols.field.opcua.address import ENDPOINT
from protocols.field.opcua.change import Change, plain_of
from protocols.field.opcua.convert import reading_of, refused_reading
from protocols.field.opcua.events.reading import OVERFLOW, Events, kind_of
from protocols.field.opcua.keeping.backfill import Backfill
from protocols.field.opcua.notification import Event
from protocols.field.opcua.refusal import code_name
from protocols.field.opcua.requests import Item
from protocols.field.opcua.session import Session
from protocols.field.opcua.settings import OpcuaSettings, Trigger
from protocols.field.opcua.types.structures import Structures
from protocols.field.opcua.values.part import parse_part, pick
from protocols.field.opcua.waiting import Waiting
from protocols.wire.reading import Gap, GapReason, Kind, Nanoseconds, Reading, SignalName, judge

_log = structlog.get_logger(__name__)


class Reception:
    """The signals of a source and what came of them; it outlives lines and subscriptions."""

    def __init__(self, source: str, settings: OpcuaSettings, clock: FieldClock) -> None:
        self._tellers = [each for each in settings.signals if each.address == ENDPOINT]
        observed = (each for each in settings.signals if each.address != ENDPOINT)
        self.signals = dict(enumerate(observed, start=1))  # by client handle
        self.waiting = Waiting(source, settings.queue_max)
        self.backfill = Backfill(source, settings, clock, self.waiting)
        self.refused: dict[int, int] = {}  # status code of what the server refuses, by handle
        self.structures = Structures()
        self._events = Events()
        self._event_seen: dict[int, Nanoseconds] = {}  # gateway time of the last event, by handle
        self._parts = {
            handle: parse_part(signal.part)
            for handle, signal in self.signals.items()
            if signal.part
        }
        self._shown: dict[int, tuple[object, int]] = {}  # value and code of a part, by handle
        self._source = source
        self._clock = clock
        self._confirmed: dict[int, Nanoseconds] = {}  # gateway time of the last heartbeat
        self._initial: set[int] = set()  # handles whose first value has not come
        self._seen: dict[int, Reading] = {}  # the last one with a source time, by handle
        self._repeatable: set[int] = set()  # handles of which the last value may come again
        self._observed: Nanoseconds | None = None  # gateway time up to which nothing is missing
        self._lost_since: Nanoseconds | None = None  # a gap that is not declared yet
        self._is_resumed = False  # an interruption is over, and its cost is not known yet
        self._is_flawed = False  # something was lost since the last message
        self._stopped: Memory | None = None  # of before the agent's start, until all is subscribed

    @property
    def observed(self) -> Nanoseconds | None:
        """Gateway time up to which nothing is missing; None before anything was observed."""
        return self._observed

    def is_alive(self) -> None:
        """Note that the server has nothing to say."""
        self._observed = self._clock.gateway_time()

    def expect(self, handles: Iterable[int]) -> None:
        """Note that the next value of these signals is their first one in the subscription."""
        self._initial |= set(handles)

    def tell_endpoint(self, endpoint: str) -> None:
        """Tell which server is observed from now on."""
        now = self._clock.gateway_time()
        self.waiting.add(
            [
                judge(
                    signal=SignalName(signal.name),
                    kind=signal.kind,
                    value=endpoint,
                    gateway_time=now,
                )
                for signal in self._tellers
            ]
        )

    def resume(self) -> None:
        """Note that an interruption is over, and what it cost is about to be known."""
        self._is_resumed = True

    def settle(self) -> None:
        """Note that all is there that the server has: after an interruption, tell if it is all."""
        if self._is_resumed and not self._is_flawed:
            self.waiting.complete()
        self._is_resumed = self._is_flawed = False

    def go_on(self) -> None:
        """Note that a session was activated anew: some servers then tell each last value again."""
        self._repeatable = set(self._seen)

    def forget(self) -> None:
        """Forget what belonged to a subscription that is gone."""
        self.refused.clear()
        self._initial.clear()
        self._repeatable.clear()

    def recall(self, memory: Memory) -> None:
        """Go on from what was known when the agent was stopped."""
        handles = {signal.name: handle for handle, signal in self.signals.items()}
        known = memory.last.items()
        self._seen |= {handles[name]: reading for name, reading in known if name in handles}
        self._stopped = memory

    def started_meanwhile(self, started: Nanoseconds | None) -> Nanoseconds | None:
        """Return when a server was started, if that was not long before the agent was stopped."""
        if self._stopped is None or started is None:
            return None
        return started if started > self._stopped.since - self.backfill.slack else None

    def lose_subscription(self) -> None:
        """Note that from the last message on nothing was observed."""
        self._is_resumed = False
        if self._lost_since is None:
            self._lost_since = self._observed

    def begin_again(self, restarted: Nanoseconds | None) -> None:
        """Observe from now on, by a new subscription; what lies before is a gap.

        ``restarted`` is when the server was started, if that was meanwhile.
        """
        now = self._clock.gateway_time()
        if self._lost_since is not None:
            self.lose(self._lost_since, now, restarted)
            self._lost_since = None
        if self._stopped is not None:
            stopped, self._stopped = self._stopped, None
            self._declare(stopped.until, now, GapReason.SOURCE_DOWN)
            self.backfill.lost(
                self.signals, stopped.since, now, before=self._seen, restarted=restarted
            )
        self._observed = now

    def lose(
        self, since: Nanoseconds | None, until: Nanoseconds, restarted: Nanoseconds | None = None
    ) -> None:
        """Declare that nothing was observed in a time, and have history asked for it."""
        since = until if since is None else since
        self._is_flawed = True
        self._declare(since, until, GapReason.SUBSCRIPTION_LOST)
        self.backfill.lost(self.signals, since, until, before=self._seen, restarted=restarted)

    def receive(self, changes: Iterable[Change]) -> None:
        """Judge the values of a message, and declare what the server's queues lost before them."""
        now = self._observed = self._clock.gateway_time()
        skew_max = self._clock.skew_max()
        signals, initial, seen, parts = self.signals, self._initial, self._seen, self._parts
        repeatable = self._repeatable
        readings: list[Reading] = []
        gaps: list[Gap] = []
        for change in changes:
            handle = change.handle
            signal = signals.get(handle)
            if signal is None:
                continue  # a number that we never gave is the server's own confusion
            first = handle in initial
            if handle in parts:
                change = self._part(change)  # noqa: PLW2901 -- the rest of it is nobody's signal
                if self._stands(change) and not first:
                    continue
            reading = reading_of(signal, change, now, skew_max, initial=first)
            if repeatable and self._repeats(handle, reading):
                continue
            readings.append(reading)
            if first:
                initial.discard(handle)
            if change.code and change.overflowed:
                gaps.append(self._overflow(handle, reading))
            if reading.source_time is not None:
                seen[handle] = reading
        if self.backfill:
            readings = self.backfill.sift(readings)
        self.waiting.add(readings, gaps)

    def last_heard(self, handle: int) -> Nanoseconds:
        """Return the gateway time of a signal's last reading, 0 where there was none."""
        seen = self._seen.get(handle)
        reported = 0 if seen is None else seen.gateway_time
        return max(reported, self._confirmed.get(handle, 0))

    def confirm(self, change: Change) -> None:
        """Take a value that was read, and not reported: it is so now, whenever it changed last."""
        now = self._confirmed[change.handle] = self._clock.gateway_time()
        if change.handle in self._parts:
            change = self._part(change)
        change = change._replace(source_time=None)
        signal, skew_max = self.signals[change.handle], self._clock.skew_max()
        self.waiting.add([reading_of(signal, change, now, skew_max)])

    async def learn(self, session: Session, items: Iterable[Item]) -> None:
        """Ask for the structures whose fields are signals."""
        for item in items:
            part = self._parts.get(item.handle, ())
            if any(isinstance(step, str) for step in part):
                await self.structures.learn(session, item.node)
            elif item.events is not None and item.signal.kind is Kind.TAG_READ:
                await self.structures.learn_field(session, item.events.SelectClauses[-1])

    def receive_events(self, events: Iterable[Event]) -> None:
        """Judge what objects reported, and declare what the server's queues lost of it."""
        now = self._observed = self._clock.gateway_time()
        for event in events:
            signal = self.signals.get(event.handle)
            if signal is None or not signal.is_of_events:
                continue
            if kind_of(event.fields) == OVERFLOW:
                start = self._event_seen.get(event.handle, now)
                gap = Gap(subject=signal.name, start=start, end=now, reason=GapReason.OVERRUN)
                self.waiting.declare(gap)
                self._is_flawed = True
                continue
            found = self._events.readings(
                event.handle,
                signal,
                event.fields,
                now=now,
                skew_max=self._clock.skew_max(),
                decode=self.structures.decode,
            )
            self.waiting.add(list(found))
            self._event_seen[event.handle] = now
        self.waiting.hurry()

    def refuse(self, handle: int, code: int) -> None:
        """Make a signal that the server refuses BAD, alone and once."""
        if handle in self.refused:
            return
        self.refused[handle] = code
        signal = self.signals[handle]
        _log.warning(
            "server refuses a signal",
            source=self._source,
            signal=signal.name,
            address=signal.address,
            status=code_name(code),
            hint="check the address, the user's rights and the deadband at the server",
        )
        self.waiting.add([refused_reading(signal, code, self._clock.gateway_time())])

    def accept(self, handle: int) -> None:
        """Note that the server monitors a signal; one that it had refused is there again."""
        if self.refused.pop(handle, None) is not None:
            signal = self.signals[handle].name
            _log.info("signal is there now", source=self._source, signal=signal)

    def _declare(self, start: Nanoseconds, end: Nanoseconds, reason: GapReason) -> None:
        self.waiting.declare(Gap(subject=self._source, start=start, end=end, reason=reason))

    def _repeats(self, handle: int, reading: Reading) -> bool:
        """Tell whether the first value since the session was activated is the last one before."""
        if handle not in self._repeatable:
            return False
        self._repeatable.discard(handle)
        return reading._replace(gateway_time=self._seen[handle].gateway_time) == self._seen[handle]

    def _part(self, change: Change) -> Change:
        """Return the change of a value as one of the part that the signal is."""
        part = self._parts[change.handle]
        try:
            found = pick(change.value, part, self.structures.decode)
        except LookupError:
            return change  # the whole is none of the signal's kinds, and is told so
        value, raw = plain_of(found)
        return change._replace(value=value, raw=raw)

    def _stands(self, change: Change) -> bool:
        """Tell whether only other parts of the value changed; remember what this one is."""
        shown, self._shown[change.handle] = (
            self._shown.get(change.handle),
            (
                change.value,
                change.code,
            ),
        )
        by_value = self.signals[change.handle].trigger is Trigger.VALUE
        return by_value and not change.overflowed and shown == (change.value, change.code)

    def _overflow(self, handle: int, after: Reading) -> Gap:
        """Return the gap that the server's full queue left before a value."""
        self._is_flawed = True
        signal, before = self.signals[handle], self._seen.get(handle)
        start = after.gateway_time if before is None else before.gateway_time
        gap = Gap(
            subject=signal.name, start=start, end=after.gateway_time, reason=GapReason.OVERRUN
        )
        if before is not None:
            self.backfill.overflowed(handle, signal, gap, before, after)
        return gap
