"""The link to the broker: messages come in groups, receipts go out, and acks last of all.

Every connection has a client of its own. An ack belongs to the client that its message came by: on
a newer connection the same message id may name another message, which would be lost by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

import structlog
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from aggregator import metrics
from aggregator.errors import SettingsError, StoreError
from aggregator.ingest.intake import Intake, OutgoingReceipt
from aggregator.ingest.verify import Message
from aggregator.settings import BrokerSettings, IntakeSettings, Mqtt
from protocols.wire.limits import MESSAGE_BYTES_MAX
from protocols.wire.topics import Channel, topic

_log: Final = structlog.get_logger(__name__)
_SESSION_SECONDS: Final = 7 * 86_400  # how long the broker keeps what an aggregator did not take
_CHANNELS: Final = (Channel.BUNDLE, Channel.BACKLOG, Channel.LIFE, Channel.REPLY)
_REPLY: Final = f"/{Channel.REPLY.value}"
_REPLIES_MAX: Final = 1000  # that wait; what comes beyond is asked for again


class Received(NamedTuple):
    """A message, and the client and id by which it is acknowledged."""

    message: Message
    client: Client
    mid: int
    qos: int


class BrokerLink:
    """Keeps a session with the broker; ``run`` connects, again and again, until cancelled."""

    def __init__(self, broker: BrokerSettings, intake: IntakeSettings) -> None:
        """Raise SettingsError where the certificates cannot be used."""
        self._broker = broker
        self._intake = intake
        self._tls = _tls(broker)
        self._waiting: deque[Received] = deque()
        self._room = threading.Condition()
        self._arrived = asyncio.Event()
        self._client: Client | None = None
        self._replies: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(_REPLIES_MAX)
        self.connected = asyncio.Event()
        self.connections = 0  # so far
        self.refused: set[int] = set()  # ids of messages of this connection that may not be sent

    async def run(self, on_connect: Callable[[], Awaitable[Sequence[OutgoingReceipt]]]) -> None:
        """Hold the connection; ``on_connect`` gives the receipts to publish on each new one."""
        failures, lost = 0, False
        version = _FIRST[self._broker.version]
        while True:
            connection = _Connection(self, version)
            try:
                why = await connection.open()
                if why is None:
                    self._client, failures = connection.client, 0
                    self.refused.clear()
                    self.connected.set()
                    self.connections += 1
                    metrics.CONNECTED.set(1)
                    _log.info("the broker is connected", version=connection.version.name)
                    lost = False
                    self.publish(await on_connect())
                    why = await connection.ended()
            except StoreError as error:  # no receipts can be read: connect again, and try then
                why = str(error)
            finally:
                self._client = None
                self.connected.clear()
                metrics.CONNECTED.set(0)
                await connection.close()
            if not lost:
                _log.warning(
                    "the broker is not connected",
                    host=self._broker.host,
                    port=self._broker.port,
                    error=why,
                )
            lost = True
            failures += 1
            if connection.unanswered and self._broker.version is Mqtt.AUTO:
                version = _OTHER[version]
            await asyncio.sleep(min(2.0 ** min(failures - 2, 10), self._broker.retry_seconds_max))

    async def group(self) -> list[Received]:
        """Wait for messages and return what waits, up to the bounds of a group."""
        while not self._waiting:
            self._arrived.clear()
            if not self._waiting:
                await self._arrived.wait()
        taken: list[Received] = []
        size = 0
        while self._waiting and len(taken) < self._intake.group_messages_max:
            size += len(self._waiting[0].message.payload)
            if taken and size > self._intake.group_bytes_max:
                break
            taken.append(self._waiting.popleft())
        with self._room:
            self._room.notify()
        metrics.WAITING.set(len(self._waiting))
        return taken

    def publish(self, receipts: Sequence[OutgoingReceipt]) -> None:
        """Give receipts to the broker, retained; without a connection the next one gives them."""
        client = self._client
        if client is None:
            return
        for receipt in receipts:
            client.publish(
                topic(receipt.gateway, Channel.RECEIPT), receipt.data, qos=1, retain=True
            )
            metrics.RECEIPTS.inc()

    def retain(self, name: str, data: bytes) -> bool:
        """Give a message to the broker to keep; False without a connection."""
        if self._client is None:
            return False
        self._client.publish(name, data, qos=1, retain=True)
        return True

    def say(self, name: str, data: bytes) -> bool:
        """Give a message to the broker; False without a connection."""
        if self._client is None:
            return False
        self._client.publish(name, data, qos=1)
        return True

    async def reply(self) -> tuple[str, bytes]:
        """Wait for a message on a gateway's ``reply`` topic; return the topic and the message."""
        return await self._replies.get()

    def take_reply(self, name: str, payload: bytes) -> None:
        """Queue what a gateway says besides its readings; without room it asks again."""
        with contextlib.suppress(asyncio.QueueFull):
            self._replies.put_nowait((name, payload))

    async def send(self, messages: Sequence[tuple[str, bytes]], *, timeout_seconds: float) -> int:
        """Publish (topic, payload) pairs in order and return how many the broker has taken."""
        client = self._client
        if client is None:
            return 0
        sent = [client.publish(name, data, qos=1) for name, data in messages]

        def taken() -> int:
            for at, each in enumerate(sent):
                try:
                    each.wait_for_publish(timeout_seconds)
                except (ValueError, RuntimeError):  # its queue is full, or the connection is gone
                    return at
                if not each.is_published() or each.mid in self.refused:
                    return at
            return len(sent)

        return await asyncio.to_thread(taken)

    def acknowledge(self, received: Sequence[Received]) -> None:
        """Tell the broker that messages are stored, each on the connection that it came by."""
        for each in received:
            if each.client is self._client:
                each.client.ack(each.mid, each.qos)

    def take(self, received: Received, loop: asyncio.AbstractEventLoop) -> None:
        """Queue a message, in the network's thread; a full queue stops reading from the socket."""
        bound = 2 * self._broker.inflight_max
        with self._room:
            while len(self._waiting) >= bound and not loop.is_closed():
                self._room.wait(timeout=0.5)
        self._waiting.append(received)
        if not self._arrived.is_set():
            with contextlib.suppress(RuntimeError):  # the loop has ended; nothing is acknowledged
                loop.call_soon_threadsafe(self._arrived.set)

    def filters(self) -> list[str]:
        """Return the topic filters to subscribe to."""
        share = f"$share/{self._broker.share}/" if self._broker.share else ""
        return [share + topic(self._broker.gateways, channel) for channel in _CHANNELS]

    @property
    def settings(self) -> BrokerSettings:
        """How to reach the broker."""
        return self._broker

    @property
    def tls(self) -> ssl.SSLContext | None:
        """How to be sure that it is the broker, None where nothing was said of certificates."""
        return self._tls


async def take_messages(link: BrokerLink, intake: Intake) -> None:
    """Store what the broker gives, answer with receipts, and acknowledge last; until cancelled."""
    while True:
        received = await link.group()
        accepted = await intake.accept_all([each.message for each in received])
        link.publish(accepted.receipts)
        link.acknowledge(received)


_FIRST: Final = {
    Mqtt.AUTO: MQTTProtocolVersion.MQTTv5,
    Mqtt.V5: MQTTProtocolVersion.MQTTv5,
    Mqtt.V311: MQTTProtocolVersion.MQTTv311,
}
_OTHER: Final = {
    MQTTProtocolVersion.MQTTv5: MQTTProtocolVersion.MQTTv311,
    MQTTProtocolVersion.MQTTv311: MQTTProtocolVersion.MQTTv5,
}


class _Connection:
    """One connection and its client, from its opening to its end."""

    def __init__(self, link: BrokerLink, version: MQTTProtocolVersion) -> None:
        self.version = version
        self.unanswered = False  # reached, but not as this version of MQTT has it
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[str | None] = self._loop.create_future()
        self._ended: asyncio.Future[str] = self._loop.create_future()
        five = version is MQTTProtocolVersion.MQTTv5
        self.client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=link.settings.client_id,
            protocol=version,
            clean_session=None if five else False,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        if link.tls is not None:
            self.client.tls_set_context(link.tls)
        self.client.connect_timeout = link.settings.connect_timeout_seconds
        self.client.max_inflight_messages_set(link.settings.inflight_max)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_message = self._on_message
        self.client.on_publish = self._on_publish

    async def open(self) -> str | None:
        """Connect and subscribe; return None, or why it failed."""
        settings = self._link.settings
        try:
            async with asyncio.timeout(2 * settings.connect_timeout_seconds):
                await asyncio.to_thread(self._connect)
                self.unanswered = True
                self.client.loop_start()
                why = await self._opened
                self.unanswered = why is not None
                return why
        except (OSError, ssl.SSLError, ValueError) as error:  # TimeoutError is an OSError
            return str(error) or type(error).__name__

    async def ended(self) -> str:
        """Wait for the connection to end and return why it did."""
        return await self._ended

    async def close(self) -> None:
        """End the connection and its thread."""
        client = self.client
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)
        # paho closes its pair of sockets when it is collected: let no circle put that off.
        client.on_connect = client.on_disconnect = client.on_message = client.on_publish = None

    def _connect(self) -> None:
        settings = self._link.settings
        host, port, keepalive = settings.host, settings.port, settings.keepalive_seconds
        if self.version is MQTTProtocolVersion.MQTTv311:  # the session is kept by clean_session
            self.client.connect(host, port, keepalive=keepalive)
            return
        # The library's Properties are not annotated.
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = _SESSION_SECONDS
        properties.ReceiveMaximum = settings.inflight_max
        properties.MaximumPacketSize = 4 * MESSAGE_BYTES_MAX
        self.client.connect(
            host, port, keepalive=keepalive, clean_start=False, properties=properties
        )

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: Any, _: Any) -> None:
        if reason.is_failure:
            self._tell(self._opened, f"the broker refused: {reason}")
            return
        if self.version is MQTTProtocolVersion.MQTTv5:
            options = SubscribeOptions(qos=1)
            client.subscribe([(filter_, options) for filter_ in self._link.filters()])
        else:
            client.subscribe([(filter_, 1) for filter_ in self._link.filters()])
        self._tell(self._opened, None)

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _: Any) -> None:
        self._tell(self._opened, f"the broker ended the connection: {reason}")
        self._tell(self._ended, f"the broker ended the connection: {reason}")

    def _on_message(self, client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            name = message.topic
        except UnicodeDecodeError:
            name = "?"
        if name.endswith(_REPLY):
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(
                    self._link.take_reply, name, bytes(message.payload[:MESSAGE_BYTES_MAX])
                )
            client.ack(message.mid, message.qos)
            return
        received = Received(Message(name, bytes(message.payload)), client, message.mid, message.qos)
        self._link.take(received, self._loop)

    def _on_publish(self, _client: Client, _data: Any, mid: int, reason: Any, _: Any) -> None:
        if reason.is_failure:  # MQTT 5 says it of what the access list forbids, 3.1.1 never does
            self._link.refused.add(mid)

    def _tell(self, future: asyncio.Future[Any], result: str | None) -> None:
        def set_result() -> None:
            if not future.done():
                future.set_result(result)

        with contextlib.suppress(RuntimeError):  # the loop has ended; nobody waits any more
            self._loop.call_soon_threadsafe(set_result)


def _tls(broker: BrokerSettings) -> ssl.SSLContext | None:
    if broker.ca_file is None:
        if broker.certificate_file is not None:
            raise SettingsError(
                "broker.certificate_file is given without broker.ca_file",
                hint="name the CA that the broker's certificate is checked by",
            )
        return None
    try:
        context = ssl.create_default_context(cafile=str(broker.ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if broker.certificate_file is not None:
            context.load_cert_chain(
                broker.certificate_file, broker.key_file or broker.certificate_file
            )
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"the certificates for the broker cannot be used: {error}",
            hint="broker.ca_file, certificate_file and key_file must be PEM files we may read",
        ) from None
    return context
