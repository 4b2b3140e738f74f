"""Forwards what the buffer holds, and frees what the aggregator's sealed receipt covers.

What is to be done follows from ``state.py``; which bundle goes next from ``window.py``; what a
receipt means from ``receipts.py``. The broker is not trusted: its acknowledgement only makes room
for the next message.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Protocol

import structlog

from edge_agent import metrics
from edge_agent.buffer.buffer import Appended
from edge_agent.errors import AgentError, BufferDamagedError, LineError, ReceiptRefusedError
from edge_agent.settings import MqttVersion, UplinkSettings
from edge_agent.storage import Storage
from edge_agent.uplink.damage import Damage
from edge_agent.uplink.mqtt import MqttLine
from edge_agent.uplink.receipt_book import ReceiptBook
from edge_agent.uplink.receipts import Outcome
from edge_agent.uplink.sender import Fresh, Sender
from edge_agent.uplink.state import Action, Event, State, step
from edge_agent.uplink.window import Budget, Window
from protocols.wire.header import OpeningReason
from protocols.wire.life import LifeKind
from protocols.wire.reading import Gap
from protocols.wire.topics import Channel, topic

Work = Callable[[], Awaitable[None]]
_log = structlog.get_logger("uplink")
_PROBE_S: Final = 1.5  # for an answer in MQTT 5; some brokers without it give none
_RENEW_FOR: Final = {
    Outcome.AHEAD: OpeningReason.ROLLBACK,
    Outcome.FORK: OpeningReason.CLONE,
    Outcome.CLOSED: OpeningReason.CLONE,
}


class Statements(Protocol):
    """Who seals the statements of life."""

    def connection(self) -> int:
        """Return a number for a new connection, greater than any before it."""

    async def seal(self, kind: LifeKind, connection: int) -> bytes:
        """Return a sealed statement."""


class Uplink:
    """The line's end towards the broker."""

    def __init__(
        self,
        *,
        storage: Storage,
        receipts: ReceiptBook,
        statements: Statements,
        settings: UplinkSettings,
        declare: Callable[[Gap], None],
        commanded: Callable[[bytes], None],
    ) -> None:
        """Take the line's parts.

        ``commanded`` takes the aggregator's commands as they come; ``declare`` has a gap sealed:
        what was sealed and cannot be sent is declared missing.
        """
        self.state = State.OFFLINE
        self.error = ""  # why there is no connection, for a person
        self.alert = ""  # what a person must look at
        self._storage = storage
        self.receipts = receipts
        self._statements = statements
        self._settings = settings
        self._events: asyncio.Queue[tuple[int, Event]] = asyncio.Queue()
        self._generation = 0  # of the connection; what an older one says is void
        self._version = MqttVersion.V5 if settings.mqtt is MqttVersion.AUTO else settings.mqtt
        self._line: MqttLine | None = None
        self._sender: Sender | None = None
        self._fresh = Fresh()
        self._connection = 0
        self._failures = 0
        self._tasks: set[asyncio.Task[None]] = set()  # of the connection
        self._timer: asyncio.TimerHandle | None = None
        self._epoch = storage.buffer.epoch
        self._unsent = storage.buffer.head.number < 0  # so that there can be no receipt yet
        self._renew_for = OpeningReason.ROLLBACK
        self._damage = Damage(storage, declare)
        self._failure: Exception | None = None
        self._commanded = commanded

    @property
    def receipted(self) -> int:
        """The number up to which the aggregator has all bundles of this epoch; -1: none."""
        return self.receipts.receipted

    def alerts(self) -> tuple[str, ...]:
        """Return what a person must look at; empty texts where nothing."""
        return self.alert, self.receipts.alert, self._damage.alert

    async def run(self) -> None:
        """Forward until ``stop``; what ends one of its tasks ends it with that error."""
        self.receipts.read()
        keeper = asyncio.create_task(self._guard(self._keep))
        self._put(Event.DUE)
        try:
            while self.state is not State.STOPPED:
                generation, event = await self._events.get()
                if self._failure is not None:
                    raise self._failure
                if generation == self._generation or event is Event.STOP:
                    await self._happen(event)
            with contextlib.suppress(BufferDamagedError):  # the next start finds it again
                await self.receipts.write()
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await self._disconnect()

    def stop(self) -> None:
        """Say goodbye and end."""
        self._put(Event.STOP)

    def change(self, settings: UplinkSettings) -> None:
        """Go on with other settings, on a connection of its own: what is on disk is sent there."""
        if settings == self._settings:
            return
        self._settings = settings
        self._version = MqttVersion.V5 if settings.mqtt is MqttVersion.AUTO else settings.mqtt
        self._put(Event.LOST)

    def reconnect(self) -> None:
        """Connect anew, as with a certificate that was renewed."""
        self._put(Event.LOST)

    def reply(self, data: bytes) -> bool:
        """Give the aggregator a word of this gateway; False without a line to the broker."""
        if self._line is None or self.state is not State.SENDING:
            return False
        try:
            self._line.publish(self._topic(Channel.REPLY), data)
        except LineError:
            return False
        return True

    def speak(self) -> None:
        """Say how the gateway is now, not only at the next interval."""
        if self.state is State.SENDING:
            self._task(partial(self._publish_life, LifeKind.HEARTBEAT))

    async def flush(self) -> None:
        """Wait until all that was sealed is with the broker, where there is a line to it."""
        if self.state is State.SENDING and self._sender is not None:
            self._sender.stir()
            await self._sender.idle.wait()

    def sealed(self, bundles: Sequence[Appended]) -> None:
        """Take note of bundles that were committed."""
        if self._storage.buffer.epoch != self._epoch:
            self._renewed()
        self._fresh.add(bundles)
        if self._sender is not None and bundles:
            self._sender.window.head = bundles[-1].number
            self._sender.idle.clear()
            self._sender.stir()

    async def _happen(self, event: Event) -> None:
        before = self.state
        self.state, actions = step(before, event)
        if before is State.SENDING and self.state is State.STOPPED:
            await self._publish_life(LifeKind.DEATH)
        metrics.uplink_connected.set(self.state is State.SENDING)
        for action in actions:
            await self._ACTIONS[action](self)

    async def _connect(self) -> None:
        generation = self._generation
        self._connection = self._statements.connection()
        self._line = MqttLine(
            self._settings,
            client_id=self._storage.buffer.gateway,
            version=self._version,
            will=(self._topic(Channel.LIFE), await self._life(LifeKind.DEATH)),
            received=partial(self._received, generation),
            acknowledged=lambda message: self._acknowledged(generation, message),
            lost=lambda reason: self._lost(generation, LineError(reason)),
        )
        probing = self._settings.mqtt is MqttVersion.AUTO and self._version is MqttVersion.V5
        answer_s = min(_PROBE_S, self._settings.timeout_s) if probing else self._settings.timeout_s
        self._attempt(partial(self._line.connect, answer_s), Event.CONNECTED)

    async def _subscribe(self) -> None:
        if self._line is not None:
            own = self._topic(Channel.RECEIPT), self._topic(Channel.COMMAND)
            self._attempt(partial(self._line.subscribe, *own), Event.SUBSCRIBED)

    async def _await_receipt(self) -> None:
        self._later(0.0 if self._unsent else self._settings.receipt_wait_s, Event.AGREED)

    async def _send(self) -> None:
        self._cancel_timer()
        if self._line is None:
            return
        self._unsent = False
        if self.error:
            _log.info("broker reached again", attempts=self._failures)
        self._failures, self.error = 0, ""
        _, first = await self._storage.run(lambda buffer: buffer.extent())
        settings, loop = self._settings, asyncio.get_running_loop()
        window = Window(
            receipted=self.receipts.receipted,
            head=self._storage.buffer.head.number,
            first=first,
            budget=Budget(settings.backlog_bytes_per_s, loop.time()),
            inflight_max=settings.inflight_max,
            unreceipted_max=settings.unreceipted_max,
            resend_after_s=settings.resend_after_s,
            unreadable=self._damage.unreadable,
        )
        self._sender = sender = Sender(
            line=self._line,
            window=window,
            storage=self._storage,
            fresh=self._fresh,
            damage=self._damage,
        )
        self._task(self._speak)
        self._task(partial(self._leave, sender))
        self._attempt(sender.run, Event.LOST)

    async def _renew(self) -> None:
        _log.error("epoch given up, a new one opens", reason=self._renew_for.name)
        await self._storage.renew(self._renew_for)
        self._renewed()

    async def _disconnect(self) -> None:
        self._generation += 1
        self._cancel_timer()
        tasks, self._tasks = self._tasks - {asyncio.current_task()}, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        line, self._line, self._sender = self._line, None, None
        if line is not None:
            await line.close()

    async def _back_off(self) -> None:
        self._failures += 1
        ceiling = min(self._settings.backoff_max_s, 0.25 * 2.0 ** min(self._failures, 16))
        # Jitter spreads a fleet that lost its broker at one instant.
        self._later(ceiling * random.uniform(0.5, 1.0), Event.DUE)  # noqa: S311 # not a secret

    _ACTIONS: Final = {
        Action.CONNECT: _connect,
        Action.SUBSCRIBE: _subscribe,
        Action.AWAIT_RECEIPT: _await_receipt,
        Action.SEND: _send,
        Action.RENEW: _renew,
        Action.DISCONNECT: _disconnect,
        Action.BACK_OFF: _back_off,
    }

    def _received(self, generation: int, name: str, data: bytes) -> None:
        if name == self._topic(Channel.COMMAND):
            self._commanded(data)
        else:
            self._task(lambda: self._take_receipt(generation, data))

    async def _take_receipt(self, generation: int, data: bytes) -> None:
        if generation != self._generation:
            return
        try:
            outcome, number = await self.receipts.take(data)
        except BufferDamagedError as error:
            self._damage.refused_receipt(error)
            return
        except ReceiptRefusedError as error:
            metrics.receipts.labels("refused").inc()
            if self.alert != str(error):  # said once, not at every repetition
                self.alert = str(error)
                _log.error("receipt refused", error=str(error), hint=error.hint)
            return
        metrics.receipts.labels(outcome.value).inc()
        if outcome in _RENEW_FOR:
            self._renew_for = _RENEW_FOR[outcome]
            self.alert = f"the aggregator contradicts this gateway's chain: {outcome.value}"
            self._put(Event.CONTRADICTED, generation)
            return
        if outcome is not Outcome.OTHER_EPOCH and self._sender is not None:
            window = self._sender.window
            if outcome is Outcome.RESTORED:
                _, first = await self._storage.run(lambda buffer: buffer.extent())
                window.refill(number, first)
            else:
                window.receipt(number, asyncio.get_running_loop().time())
            self._sender.stir()
        self._put(Event.AGREED, generation)

    async def _keep(self) -> None:
        """Keep receipts for as long as the agent runs, also while the buffer takes none."""
        while True:
            try:
                await self.receipts.keep()
            except BufferDamagedError as error:
                self._damage.refused_receipt(error)

    async def _leave(self, sender: Sender) -> None:
        """Go on in a new epoch where this one cannot be completed."""
        await self._damage.leave(sender)
        if self._storage.buffer.epoch != self._epoch:  # else a commit has told of it before
            self._renewed()

    async def _speak(self) -> None:
        """Publish the birth, then a sign of life at its interval."""
        await self._publish_life(LifeKind.BIRTH)
        while True:
            await asyncio.sleep(self._settings.life_s)
            await self._publish_life(LifeKind.HEARTBEAT)

    async def _publish_life(self, kind: LifeKind) -> None:
        if self._line is not None:
            statement = await self._life(kind)
            try:
                self._line.publish(self._topic(Channel.LIFE), statement, retain=True)
            except LineError as error:
                self._lost(self._generation, error)

    async def _life(self, kind: LifeKind) -> bytes:
        return await self._statements.seal(kind, self._connection)

    def _renewed(self) -> None:
        """Begin anew with the epoch that was opened, by us or in place of a damaged buffer."""
        self._epoch = self._storage.buffer.epoch
        self._unsent = True
        self._fresh.clear()
        self._damage.over()
        self.receipts.read()
        self._put(Event.RENEWED)

    def _acknowledged(self, generation: int, message: int) -> None:
        if generation == self._generation and self._sender is not None:
            self._sender.acknowledged(message)

    def _lost(self, generation: int, error: AgentError) -> None:
        if generation != self._generation:
            return
        if not self.error:
            _log.warning("no connection to the broker", error=str(error), hint=error.hint)
        self.error = str(error)
        if self.state is State.CONNECTING and self._settings.mqtt is MqttVersion.AUTO:
            # A broker that lacks MQTT 5 may hang up or fall silent: both are tried in turns.
            turned = self._version is MqttVersion.V5
            self._version = MqttVersion.V311 if turned else MqttVersion.V5
        self._put(Event.LOST, generation)

    def _attempt(self, work: Work, then: Event) -> None:
        self._task(partial(self._tried, work, then, self._generation))

    async def _tried(self, work: Work, then: Event, generation: int) -> None:
        try:
            await work()
        except LineError as error:
            self._lost(generation, error)
        else:
            self._put(then, generation)

    def _task(self, work: Work) -> None:
        task = asyncio.create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Work) -> None:
        """Let what a task did not expect end ``run``, and with it the agent: never in silence."""
        try:
            await work()
        except Exception as error:  # noqa: BLE001 # ``run`` raises it
            self._failure = error
            self._put(Event.STOP)

    def _later(self, seconds: float, event: Event) -> None:
        self._cancel_timer()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._put, event, self._generation)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _put(self, event: Event, generation: int | None = None) -> None:
        self._events.put_nowait((self._generation if generation is None else generation, event))

    def _topic(self, channel: Channel) -> str:
        return topic(self._storage.buffer.gateway, channel)
