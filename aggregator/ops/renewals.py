"""Answers gateways that ask for a new certificate, and hears those whose seal key changes."""

from __future__ import annotations

from typing import Final, Protocol

import structlog

from aggregator.errors import AggregatorError
from aggregator.service.context import Context
from aggregator.service.enrolment.handover import take
from aggregator.service.enrolment.renew import renew
from protocols.wire.control import handover
from protocols.wire.control.renewal import Renewed, open_renewal, seal_renewed
from protocols.wire.errors import IdentityError, UnknownKeyError, WireError
from protocols.wire.seal import PublicKey, peek
from protocols.wire.topics import Channel, parse_topic, topic

_log: Final = structlog.get_logger(__name__)


class Line(Protocol):
    """Where gateways' words come in, and answers go out."""

    async def reply(self) -> tuple[str, bytes]:
        """Wait for a message on a gateway's ``reply`` topic; return the topic and the message."""

    def say(self, name: str, data: bytes) -> bool:
        """Give a message to the broker; False without a connection."""


class Renewals:
    """Takes what gateways say one after the other."""

    def __init__(self, context: Context, line: Line) -> None:
        self._context = context
        self._line = line
        self._told: set[str] = set()  # gateways whose requests cannot be met: said once

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            await self.answer(*await self._line.reply())

    async def answer(self, name: str, data: bytes) -> None:
        """Answer one message; what is not a request that we can meet is told and left."""
        try:
            gateway, key = await self._key(name, data)
            if peek(data).content_type == handover.PURPOSE.content_type:
                said = handover.open_handover(data, key)
                _check_topic(gateway, said.gateway)
                await take(self._context, said, data)
                return
            asked = open_renewal(data, key)
            _check_topic(gateway, asked.gateway)
            pem = await renew(self._context, asked.gateway, asked.request)
        except (AggregatorError, WireError) as error:
            if name not in self._told:
                _log.warning("a gateway's request is not met", topic=name[:80], error=str(error))
            self._told.add(name)
            return
        self._told.discard(name)
        sealed = seal_renewed(Renewed(asked.gateway, pem), self._context.keys.seal)
        self._line.say(topic(asked.gateway, Channel.COMMAND), sealed)

    async def _key(self, name: str, data: bytes) -> tuple[str, PublicKey]:
        """Return whose topic it is, and the key in force that the message claims to be of."""
        gateway, _ = parse_topic(name)
        kid = bytes(peek(data).kid)
        async with self._context.store.read() as tx:
            keys = await tx.fetch("health.keys")
        for row in keys:
            if row["gateway"] == gateway and bytes(row["kid"]) == kid:
                return gateway, PublicKey.from_text(row["public_key"])
        raise UnknownKeyError(f"{gateway} has no key {kid.hex()} in force")


def _check_topic(gateway: str, said: str) -> None:
    if said != gateway:
        raise IdentityError(f"{said} asks on a topic of {gateway}")
