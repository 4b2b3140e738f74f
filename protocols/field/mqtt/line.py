"""One connection to the broker, from its opening to its loss; the home of paho-mqtt here.

paho's thread only hands over. An acknowledgement belongs to the connection that its message came
by: on a newer one the same message id may name another message, which would be lost by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from typing import Any, NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from protocols.field.driver import DriverError, SettingsError
from protocols.field.mqtt.settings import MqttSettings, Version
from protocols.mqtt_client import TellingClient

__all__ = ["Arrived", "Line"]


class Arrived(NamedTuple):
    """A message, and how it is acknowledged."""

    topic: str
    payload: bytes
    retained: bool
    again: bool  # the broker has sent it before
    mid: int
    qos: int


class Line:
    """A connection; used once."""

    def __init__(self, settings: MqttSettings, client_id: str) -> None:
        """Prepare it; raise SettingsError where the certificates cannot be used."""
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[Arrived] = deque()
        self._wake = asyncio.Event()
        self._answered: asyncio.Future[str] = self._loop.create_future()
        self._granted: asyncio.Future[str] = self._loop.create_future()
        self._lost = ""
        self._dropped = 0
        self.kept = False  # the broker had kept our session
        five = settings.version is Version.V5
        client = TellingClient(
            self._end,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            clean_session=None if five else settings.session_s == 0,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        if settings.tls_ca_file is not None:
            client.tls_set_context(_tls(settings))
        if settings.user:
            secret = settings.password
            client.username_pw_set(
                settings.user, None if secret is None else secret.get_secret_value()
            )
        client.connect_timeout = settings.timeout_s
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        self._client = client

    async def open(self, topics: list[str]) -> None:
        """Connect and subscribe; raise DriverError."""
        settings = self._settings
        try:
            async with asyncio.timeout(3 * settings.timeout_s):
                await asyncio.to_thread(self._connect)
                self._client.loop_start()
                why = await self._answered
                if not why:
                    self._client.subscribe([(topic, settings.qos) for topic in topics])
                    why = await self._granted
        except (OSError, ValueError, TimeoutError) as error:  # ssl.SSLError is an OSError
            why = str(error) or "it does not answer"
        if why:
            raise DriverError(
                f"the broker {settings.host}:{settings.port_or_default()}: {why}",
                hint="check that it runs, that it takes this version of MQTT, and that it lets "
                "this client read its topics",
            )

    async def messages(self, count_max: int) -> tuple[list[Arrived], int]:
        """Wait for messages and return them, and how many more were dropped meanwhile.

        Raise DriverError when the connection is lost and all that came was taken.
        """
        while not (self._arrived or self._dropped):
            if self._lost:
                raise DriverError(
                    f"the broker {self._settings.host}: {self._lost}",
                    hint="check the broker and the network",
                )
            self._wake.clear()
            await self._wake.wait()
        taken = [self._arrived.popleft() for _ in range(min(count_max, len(self._arrived)))]
        dropped, self._dropped = self._dropped, 0
        return taken, dropped

    def acknowledge(self, arrived: Arrived) -> None:
        """Tell the broker that a message is kept; whether it hears that, nobody can tell."""
        if not self._lost:
            self._client.ack(arrived.mid, arrived.qos)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a command; nobody waits for it."""
        self._client.publish(topic, payload, qos=0)

    async def close(self) -> None:
        """Disconnect and wait until paho's thread has ended."""
        self._lost = self._lost or "closed"
        client = self._client
        with contextlib.suppress(OSError, ValueError):
            client.disconnect()
        await asyncio.to_thread(client.loop_stop)
        client.let_go()

    def _connect(self) -> None:
        settings = self._settings
        more: dict[str, Any] = {}
        if settings.version is Version.V5:
            # The library's Properties are not annotated.
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = settings.session_s
            properties.ReceiveMaximum = settings.inflight_max
            more = {"clean_start": settings.session_s == 0, "properties": properties}
        self._client.connect(
            settings.host,
            settings.port_or_default(),
            # paho gives up a silent line after two of its intervals.
            keepalive=max(1, settings.keepalive_s * 3 // 4),
            **more,
        )

    def _on_connect(self, _c: Client, _u: Any, flags: Any, reason: Any, _p: Any) -> None:
        self.kept = bool(flags.session_present)
        self._tell(self._answered, f"it refused: {reason}" if reason.is_failure else "")

    def _on_subscribe(self, _c: Client, _u: Any, _m: int, reasons: Any, _p: Any) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        self._tell(self._granted, f"it refused a subscription: {refused[0]}" if refused else "")

    def _on_disconnect(self, _c: Client, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
        self._end(f"the connection ended: {reason}")

    def _end(self, why: str) -> None:
        """Take note, in paho's thread, that the connection is over."""
        self._tell(self._answered, why)
        self._tell(self._granted, why)

        def end() -> None:
            self._lost = self._lost or why
            self._wake.set()

        self._call(end)

    def _on_message(self, _c: Client, _u: Any, message: MQTTMessage) -> None:
        """Queue a message, in paho's thread; beyond the bound it is counted, and not kept."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        # What awaits our acknowledgement is bounded by the broker, what does not is bounded here.
        if len(self._arrived) >= self._settings.queue_max and message.qos == 0:
            self._dropped += 1
            return
        self._arrived.append(
            Arrived(
                topic,
                bytes(message.payload),
                message.retain,
                message.dup,
                message.mid,
                message.qos,
            )
        )
        if not self._wake.is_set():
            self._call(self._wake.set)

    def _tell(self, future: asyncio.Future[str], text: str) -> None:
        def settle() -> None:
            if not future.done():
                future.set_result(text)

        self._call(settle)

    def _call(self, function: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            self._loop.call_soon_threadsafe(function)


def _tls(settings: MqttSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(settings.tls_ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.tls_certificate_file is not None and settings.tls_key_file is not None:
            context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file)
    except OSError as error:
        raise SettingsError(
            f"the certificates for the broker cannot be used: {error}",
            hint="tls_ca_file, tls_certificate_file and tls_key_file must be PEM files we may read",
        ) from error
    return context
