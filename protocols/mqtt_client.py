"""paho's client, whose thread tells why it ended; for each party that holds an MQTT connection.

A broker that speaks another version answers in another form, and paho's decoder raises: without
this its thread would end in silence, and the connection only by a timeout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

__all__ = ["TellingClient"]


class TellingClient(Client):
    """A client by version 2 of paho's callbacks; ``ended`` is called in its thread."""

    def __init__(self, ended: Callable[[str], None], **settings: Any) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, **settings)
        self._ended = ended

    def loop_forever(
        self, timeout: float = 1.0, retry_first_connection: bool = False
    ) -> MQTTErrorCode:
        """Run as paho does, and report what it raises."""
        try:
            return super().loop_forever(timeout, retry_first_connection)
        except Exception as error:  # noqa: BLE001 # whatever it is, the connection is over
            self._ended(f"the broker's answer was not understood: {error!r}")
            return MQTTErrorCode.MQTT_ERR_PROTOCOL

    def let_go(self) -> None:
        """Forget every callback, once the thread has ended.

        paho closes its pair of sockets when it is collected: let no circle put that off.
        """
        self._ended = _say_nothing
        self.on_connect = self.on_connect_fail = self.on_disconnect = None
        self.on_subscribe = self.on_publish = self.on_message = None


def _say_nothing(_reason: str) -> None:
    """Ignore what a closed connection still reports."""
