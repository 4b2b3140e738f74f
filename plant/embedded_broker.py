"""An MQTT broker in Python, for a machine without mosquitto: amqtt, held to our rules.

Stock amqtt asks for a client certificate but lets a client without one in; here it is required,
and the topics a client may touch follow from its certificate's common name. Run as
``python -m plant.embedded_broker PORT CERTIFICATE KEY CA ACL``.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig, ListenerConfig
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from plant.access_list import AccessList


class StrictBroker(Broker):
    """amqtt that refuses a client without a certificate of the plant's root."""

    @staticmethod
    def _create_ssl_context(listener: ListenerConfig) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=listener["cafile"])
        context.load_cert_chain(listener["certfile"], listener["keyfile"])
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        return context


class CertificateIdentity(BaseAuthPlugin):
    """Takes the user's name from the certificate, as mosquitto's use_identity_as_username does."""

    async def authenticate(self, *, session: Session) -> bool | None:
        """Name the session after its certificate; a session without one is refused."""
        session.username = _common_name(session)
        return session.username is not None


class CertificateTopics(BaseTopicPlugin):
    """Holds every publication and subscription to the access list."""

    @dataclass
    class Config:
        """Settings of the plug-in."""

        acl: str
        """Path of the access list, in mosquitto's form."""

    async def topic_filtering(
        self,
        *,
        session: Session | None = None,
        topic: str | None = None,
        action: Action | None = None,
    ) -> bool | None:
        """Tell whether the session's certificate allows the action on the topic."""
        identity = _common_name(session) if session else None
        if identity is None or topic is None:
            return False
        rules = AccessList.read(Path(self._get_config_option("acl")))
        return rules.allows(identity, topic, write=action is Action.PUBLISH)


def _common_name(session: Session) -> str | None:
    certificate = session.ssl_object.getpeercert() if session.ssl_object else None
    subject = cast("list[list[tuple[str, str]]]", (certificate or {}).get("subject", ()))
    names = (value for parts in subject for key, value in parts if key == "commonName")
    return next(names, None)


async def serve(port: int, certificate: str, key: str, ca: str, acl: str) -> None:
    """Serve until cancelled."""
    listener = ListenerConfig(
        bind=f"127.0.0.1:{port}",
        ssl=True,
        certfile=certificate,
        keyfile=key,
        cafile=ca,
    )
    broker = StrictBroker(
        BrokerConfig(
            listeners={"default": listener},
            plugins={
                "plant.embedded_broker.CertificateIdentity": {},
                "plant.embedded_broker.CertificateTopics": {"acl": acl},
            },
        )
    )
    await broker.start()
    try:
        await asyncio.Event().wait()
    finally:
        await broker.shutdown()


if __name__ == "__main__":
    # amqtt finds its plug-ins by import; under the name __main__ they would be other classes.
    from plant.embedded_broker import serve as imported_serve

    logging.basicConfig(level=logging.WARNING)
    asyncio.run(imported_serve(int(sys.argv[1]), *sys.argv[2:6]))
