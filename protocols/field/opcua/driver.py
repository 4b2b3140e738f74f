"""The OPC UA driver: one subscription, kept alive across cuts, and its gaps declared.

After a cut the driver activates its session on a new channel and asks for the notification
messages that it missed (Republish) before it goes on; where the session is gone it takes the
subscription over with a new one; only where the subscription itself is gone does it make another,
and then says from when to when nothing was observed (OPC 10000-4 section 6.7).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog
from asyncua import ua

from protocols.field.driver import Delivery, DriverError, FieldClock, Memory
from protocols.field.opcua.address import parse_address
from protocols.field.opcua.credentials import Credentials
from protocols.field.opcua.events.selection import selection_of
from protocols.field.opcua.keeping.heartbeat import keep_heartbeats
from protocols.field.opcua.notification import Notification
from protocols.field.opcua.reception import Reception
from protocols.field.opcua.refusal import RefusedError, code_name
from protocols.field.opcua.requests import Item
from protocols.field.opcua.sequence import Sequence
from protocols.field.opcua.session import Session, Subscription
from protocols.field.opcua.settings import OpcuaSettings
from protocols.wire.reading import Nanoseconds

_log = structlog.get_logger(__name__)


class OpcuaDriver:
    """An open line to one OPC UA server; see ``protocols.field.driver.Driver``."""

    def __init__(self, source: str, settings: OpcuaSettings, clock: FieldClock) -> None:
        self._source = source
        self._settings = settings
        self._clock = clock
        self._at = settings  # with the endpoint of the server in use
        self._credentials = Credentials(source, settings, clock)
        self._reception = Reception(source, settings, clock)
        self._waiting = self._reception.waiting
        self._session: Session | None = None
        self._subscription: Subscription | None = None
        self._sequence = Sequence()
        self._acks: list[tuple[int, int]] = []  # (subscription, sequence number)
        self._nodes: dict[int, ua.NodeId] = {}  # by client handle, at the present server
        self._started: Nanoseconds | None = None  # when the server that was subscribed last began
        self._publishers = settings.publish_requests
        self._in_turn = asyncio.Lock()
        self._heard = 0.0  # when the server last said anything, monotonic
        self._failure: DriverError | None = None
        self._task: asyncio.Task[None] | None = None

    def recall(self, memory: Memory) -> None:
        """Have the server's history asked for what the agent missed while it was stopped."""
        self._reception.recall(memory)

    def certificates_end(self) -> Mapping[str, Nanoseconds]:
        """Return when the certificates in use end; nothing for a line without."""
        return self._credentials.ends

    async def open(self) -> None:
        """Connect and subscribe, or go on with the subscription that a cut left behind."""
        self._credentials.load()
        self._failure = None
        try:
            line = await self._resume() or await self._start(self._at)
        except DriverError as error:
            line = await self._fail_over(error)
        self._credentials.warn_of_age()
        self._reception.tell_endpoint(self._at.endpoint)
        self._heard = self._clock.monotonic()
        self._task = asyncio.create_task(self._keep(*line))

    async def read(self) -> Delivery:
        """Return all that waits; when nothing does, wait, or raise what ended the line."""
        while not self._waiting:
            if self._failure is not None:
                raise self._failure
            await self._waiting.wait()
        return self._waiting.take()

    async def close(self) -> None:
        """End the session, or, on a line that is lost, keep what is needed to resume it."""
        healthy = self._task is not None and self._failure is None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._session is None:
            return
        if healthy or self._subscription is None:
            await self._session.close()
            self._session = None
            self._give_up_subscription()
        else:
            self._session.drop()

    def _give_up_subscription(self) -> None:
        """Forget the subscription; from its last message on, nothing was observed."""
        self._subscription = None
        self._reception.lose_subscription()

    async def _resume(self) -> tuple[Session, Subscription] | None:
        """Go on with session and subscription; None where the server has them no longer."""
        session, subscription = self._session, self._subscription
        if session is None or subscription is None:
            return None
        try:
            await session.resume()
            if await session.still_has(subscription):
                await self._catch_up(session, subscription)
                return session, subscription
        except RefusedError as refusal:
            _log.info("session cannot be resumed", source=self._source, why=str(refusal))
        except DriverError:
            # Where the server is reached and yet no channel comes, its certificate may be another
            # one; a new session finds out, and fails like this one where it is the line.
            if not session.reached:
                raise
            return None
        await session.close()
        self._session = None
        return None

    async def _fail_over(self, error: DriverError) -> tuple[Session, Subscription]:
        """Start at the next of the redundant servers; raise ``error`` where none can be had."""
        endpoints = (self._settings.endpoint, *self._settings.standby)
        present = endpoints.index(self._at.endpoint)
        for endpoint in (*endpoints[present + 1 :], *endpoints[:present]):
            try:
                line = await self._start(self._settings.at(endpoint))
            except DriverError as other:
                _log.info("no redundant server", endpoint=endpoint, why=str(other), hint=other.hint)
                continue
            _log.warning(
                "another of the redundant servers is observed",
                source=self._source,
                endpoint=endpoint,
                why=str(error),
                hint=error.hint,
            )
            return line
        raise error

    async def _start(self, at: OpcuaSettings) -> tuple[Session, Subscription]:
        """Make a session; take the old subscription over, or make one."""
        session = await self._credentials.connect(at)
        old = self._subscription if at is self._at else None
        try:
            if old is not None and await session.take_over(old):
                self._session = session
                await self._catch_up(session, old)
                return session, old
            self._give_up_subscription()
            if at is not self._at:
                self._leave(at)
            subscription = await session.subscribe()
            self._sequence = Sequence()
            self._acks = []
            self._nodes.clear()
            self._reception.forget()
            await self._monitor(session, subscription, tuple(self._reception.signals))
            self._reception.begin_again(self._restarted(session))
            if any(signal.events for signal in self._reception.signals.values()):
                await session.refresh_conditions(subscription)
        except BaseException:
            if self._session is session:
                session.drop()  # closing it would delete the subscription that it took over
            else:
                await session.close()
            raise
        self._session, self._subscription = session, subscription
        return session, subscription

    def _leave(self, at: OpcuaSettings) -> None:
        """Let go of the server in use; ``at`` is the one that takes its place."""
        if self._session is not None:
            self._session.drop()
            self._session = None
        self._at, self._started = at, None

    def _restarted(self, session: Session) -> Nanoseconds | None:
        """Return when the server was started, if that was since it was observed last."""
        before, self._started = self._started, session.started
        if before is None:
            return self._reception.started_meanwhile(self._started)
        return None if before == self._started else self._started

    async def _monitor(
        self, session: Session, subscription: Subscription, handles: tuple[int, ...]
    ) -> None:
        """Monitor the signals; one that the server refuses becomes BAD, alone and once."""
        reception = self._reception
        addresses = [parse_address(reception.signals[handle].address) for handle in handles]
        items = []
        for handle, node in zip(handles, await session.resolve(addresses), strict=True):
            if isinstance(node, int):
                reception.refuse(handle, node)
            else:
                signal = reception.signals[handle]
                chosen = selection_of(signal, session.namespaces) if signal.is_of_events else None
                if signal.is_of_events and chosen is None:
                    reception.refuse(handle, int(ua.StatusCodes.BadTypeDefinitionInvalid))
                    continue
                items.append(Item(handle=handle, signal=signal, node=node, events=chosen))
        await reception.learn(session, items)
        self._nodes |= {item.handle: item.node for item in items if item.events is None}
        # First values may come before the answer that says which items were accepted.
        reception.expect(item.handle for item in items)
        answers = await session.monitor(subscription, items)
        for item, code in zip(items, answers, strict=True):
            if code >> 30:
                reception.refuse(item.handle, code)
            else:
                reception.accept(item.handle)

    async def _keep(self, session: Session, subscription: Subscription) -> None:
        """Keep the line going until it is lost; leave the reason for ``read``."""
        self._publishers = self._settings.publish_requests
        tasks = [
            asyncio.create_task(self._publish(session, subscription))
            for _ in range(self._publishers)
        ]
        tasks.append(asyncio.create_task(self._renew(session)))
        tasks.append(asyncio.create_task(self._watch(subscription)))
        tasks.append(asyncio.create_task(self._retry(session, subscription)))
        beats = keep_heartbeats(self._reception, session, self._nodes, self._clock)
        tasks.append(asyncio.create_task(beats))
        tasks.append(asyncio.create_task(self._reception.backfill.run(session, self._nodes)))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            error = next(error for task in done if (error := task.exception()) is not None)
            if not isinstance(error, DriverError):
                _log.error("the driver itself failed", source=self._source, exc_info=error)
                error = DriverError(f"the driver itself failed: {error!r}", hint="report it")
            self._failure = error
            self._waiting.wake()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _publish(self, session: Session, subscription: Subscription) -> None:
        """Keep one publish request at the server and take what it brings, in turn."""
        while True:
            acks, self._acks = self._acks, []
            try:
                result = await session.publish(acks)
            except RefusedError as refusal:
                if refusal.code == ua.StatusCodes.BadTooManyPublishRequests:
                    if self._publishers > 1:
                        self._publishers -= 1
                        return
                    await asyncio.sleep(self._settings.publishing_s)
                elif refusal.code in _SUBSCRIPTION_GONE:
                    self._give_up_subscription()
                    raise
                elif refusal.code != ua.StatusCodes.BadTimeout:
                    raise
                continue
            async with self._in_turn:
                if result.subscription == subscription.number:
                    await self._take(session, subscription, result.notification)

    async def _renew(self, session: Session) -> None:
        while True:
            await asyncio.sleep(session.renew_seconds)
            await session.renew()
            self._credentials.look_again()

    async def _watch(self, subscription: Subscription) -> None:
        """Raise when the server has been silent for longer than it promised."""
        opened = self._heard
        silence_max = 2 * subscription.keepalive_s
        while (idle := self._clock.monotonic() - self._heard) < silence_max:  # noqa: ASYNC110 -- it is time that ends this wait
            await asyncio.sleep(silence_max - idle)
        if self._heard == opened:
            self._give_up_subscription()  # it was there when we asked, and yet it says nothing
        raise DriverError(
            f"the server has been silent for {idle:.1f} s",
            hint="look at the network; keepalive_s is how often the server must speak",
        )

    async def _retry(self, session: Session, subscription: Subscription) -> None:
        """Ask again for the signals that the server refused: its program may load later."""
        while True:
            await asyncio.sleep(self._settings.retry_s)
            if self._reception.refused:
                await self._monitor(session, subscription, tuple(self._reception.refused))

    async def _take(
        self, session: Session, subscription: Subscription, message: Notification
    ) -> None:
        """Take a message in its turn: fetch what is missing before it, drop what came already."""
        self._heard = self._clock.monotonic()
        number = message.number
        ahead = self._sequence.ahead(number)
        if ahead > 0:
            await self._fetch(session, subscription, ahead)
        if message.is_keepalive:  # a keep-alive, with the number of the next message
            self._reception.is_alive()
        elif ahead >= 0:
            self._sequence.take(number)
            self._deliver(subscription, message)
        if ahead >= 0:
            self._reception.settle()

    async def _catch_up(self, session: Session, subscription: Subscription) -> None:
        """Fetch the messages that were sent into a line that was lost."""
        self._reception.resume()
        for _ in range(_REPUBLISH_MAX):
            number = self._sequence.expected
            message = await session.republish(subscription, number)
            if message is None:
                break
            self._sequence.take(number)
            self._deliver(subscription, message)
        self._reception.go_on()

    async def _fetch(self, session: Session, subscription: Subscription, count: int) -> None:
        """Fetch ``count`` messages that the server sent and we did not get; declare the rest."""
        since = self._reception.observed
        lost = max(0, count - _REPUBLISH_MAX)
        for _ in range(count - lost):
            number = self._sequence.expected
            message = await session.republish(subscription, number)
            self._sequence.take(number)
            if message is None:
                lost += 1
            else:
                self._deliver(subscription, message)
        if lost:
            self._reception.lose(since, self._clock.gateway_time())

    def _deliver(self, subscription: Subscription, message: Notification) -> None:
        """Turn a message into readings, and acknowledge it."""
        self._acks.append((subscription.number, message.number))
        self._reception.receive(message.changes)
        if message.events:
            self._reception.receive_events(message.events)
        if message.ended is not None:
            self._give_up_subscription()
            raise RefusedError(
                f"the server ended the subscription: {code_name(message.ended)}",
                hint="none needed: the driver subscribes anew",
                code=message.ended,
            )


_REPUBLISH_MAX: Final = 10_000
"""Messages to fetch again in one go; more than any server keeps."""

_SUBSCRIPTION_GONE: Final = (
    ua.StatusCodes.BadNoSubscription,
    ua.StatusCodes.BadSubscriptionIdInvalid,
)
