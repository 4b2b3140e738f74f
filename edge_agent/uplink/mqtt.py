"""One connection to the broker, over mutual TLS; the home of paho-mqtt.

A connection is used once: after it was lost a new object takes its place, so that no message id,
queue or acknowledgement of an old session is taken for one of the new (paho would send its own
queue again). paho's thread only hands over to the event loop; no lock of ours is held around it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any, Final

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.errors import LineError
from edge_agent.settings import MqttVersion, UplinkSettings
from protocols.mqtt_client import TellingClient

_log = structlog.get_logger("uplink")
_PROTOCOLS: Final = {
    MqttVersion.V5: MQTTProtocolVersion.MQTTv5,
    MqttVersion.V311: MQTTProtocolVersion.MQTTv311,
}


class MqttLine:
    """A connection from its opening to its loss."""

    def __init__(
        self,
        settings: UplinkSettings,
        *,
        client_id: str,
        version: MqttVersion,
        will: tuple[str, bytes],
        received: Callable[[str, bytes], None],
        acknowledged: Callable[[int], None],
        lost: Callable[[str], None],
    ) -> None:
        """Prepare it; callbacks run in the event loop, ``lost`` at most once, after ``connect``."""
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._subscribed: asyncio.Future[None] = self._loop.create_future()
        self._received = received
        self._acknowledged = acknowledged
        self._lost = lost
        self._open = False
        self._closed = False
        client = TellingClient(
            lambda reason: self._call(self._end, reason),
            client_id=client_id,
            protocol=_PROTOCOLS[version],
            clean_session=True if version is MqttVersion.V311 else None,
            reconnect_on_failure=False,
        )
        client.connect_timeout = settings.timeout_s
        client.max_inflight_messages_set(settings.inflight_max + 8)  # life statements on top
        client.will_set(will[0], will[1], qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        self._client = client
        self._topics: tuple[str, ...] = ()

    async def connect(self, answer_s: float) -> None:
        """Connect; LineError when the broker cannot be reached, refuses us, or does not answer.

        ``answer_s`` bounds the wait for MQTT's answer once the TLS session stands.
        """
        settings = self._settings
        try:
            async with asyncio.timeout(2 * settings.timeout_s):
                await asyncio.to_thread(self._connect)
            async with asyncio.timeout(answer_s):
                await self._connected
        except (OSError, ValueError, TimeoutError) as error:
            raise LineError(
                f"no connection to the broker {settings.host}:{settings.port}: "
                f"{str(error) or 'no answer'}",
                hint="check that it runs, uplink.host is the name in its certificate, and "
                "uplink.ca, certificate and key are the plant's",
            ) from error
        self._open = True

    async def subscribe(self, *topics: str) -> None:
        """Subscribe with QoS 1; LineError when the broker does not grant the first of them.

        Without another the line still serves: that is told, and nothing comes by it.
        """
        self._topics = topics
        self._client.subscribe([(topic, 1) for topic in topics])
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await self._subscribed
        except TimeoutError as error:
            raise LineError("the broker did not answer a subscription") from error

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Hand a message over with QoS 1 and return its id; LineError when the line is gone."""
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise LineError(f"the broker's line is gone: {info.rc.name}")
        return info.mid

    async def close(self) -> None:
        """Disconnect and wait until paho's thread has ended."""
        self._closed = True
        self._open = False
        for future in (self._connected, self._subscribed):
            future.cancel()
        with contextlib.suppress(OSError, ValueError):
            self._client.disconnect()
        client = self._client
        await asyncio.to_thread(client.loop_stop)
        client.let_go()

    def _connect(self) -> None:
        """Open socket and TLS session in a thread of their own, then start paho's."""
        self._client.tls_set_context(tls_context(self._settings))
        self._client.connect(
            self._settings.host,
            self._settings.port,
            # paho gives up a silent line after two of its intervals.
            keepalive=max(1, self._settings.keepalive_s * 3 // 4),
        )
        if self._closed:  # given up meanwhile
            self._client.disconnect()
        self._client.loop_start()

    def _call(self, function: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            self._loop.call_soon_threadsafe(function, *args)

    def _settle(self, future: asyncio.Future[None], error: str | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(LineError(error, hint="see the broker's log and access list"))
            future.exception()  # may be awaited by nobody any more

    def _on_connect(
        self, _c: Client, _u: object, _f: ConnectFlags, code: ReasonCode, _p: Properties | None
    ) -> None:
        error = f"the broker refused the connection: {code}" if code.is_failure else None
        self._call(self._settle, self._connected, error)

    def _on_connect_fail(self, _c: Client, _u: object) -> None:
        self._call(self._end, "the connection failed")

    def _on_disconnect(
        self, _c: Client, _u: object, _f: DisconnectFlags, code: ReasonCode, _p: Properties | None
    ) -> None:
        self._call(self._end, f"the connection ended: {code}")

    def _end(self, reason: str) -> None:
        self._settle(self._connected, reason)
        self._settle(self._subscribed, reason)
        if self._open:
            self._open = False
            self._lost(reason)

    def _on_subscribe(
        self, _c: Client, _u: object, _m: int, codes: list[ReasonCode], _p: Properties | None
    ) -> None:
        refused = [str(code) if code.is_failure else "" for code in codes]
        for topic, why in zip(self._topics[1:], refused[1:], strict=False):
            if why:
                _log.warning("the broker refused a subscription", topic=topic, error=why)
        error = f"the broker refused a subscription: {refused[0]}" if refused[0] else None
        self._call(self._settle, self._subscribed, error)

    def _on_publish(self, _c: Client, _u: object, mid: int, _r: ReasonCode, _p: Properties) -> None:
        # A refusal frees the place in flight like a success: neither says that it was stored.
        self._call(self._acknowledged, mid)

    def _on_message(self, _c: Client, _u: object, message: MQTTMessage) -> None:
        # amqtt hands a session that comes back what others have subscribed to.
        if message.topic in self._topics:
            self._call(self._received, message.topic, bytes(message.payload))


def tls_context(settings: UplinkSettings) -> ssl.SSLContext:
    """Return a context that trusts the plant's own authority alone, TLS 1.2 and up.

    Read afresh at each connection, so that a renewed certificate is used without a restart.
    Raises OSError (ssl.SSLError among it) where a file cannot be read or is not what it must be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=settings.ca)
    context.load_cert_chain(settings.certificate, settings.key)
    return context
