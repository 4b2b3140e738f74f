"""The topics between a gateway and the aggregator: ``lotproof/v1/<gateway>/<channel>``.

The broker's access list lets a gateway write and read its own alone; the aggregator checks again,
since a broker is not trusted (docs/specs/delivery.md).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from protocols.wire.errors import IdentityError


class Channel(StrEnum):
    """What a topic carries."""

    BUNDLE = "bundle"  # gateway: live bundles
    BACKLOG = "backlog"  # gateway: bundles sealed before this connection, under a rate budget
    LIFE = "life"  # gateway: birth, heartbeat, death; retained
    RECEIPT = "receipt"  # aggregator: sealed receipt; retained
    COMMAND = "command"  # aggregator: sealed commands
    REPLY = "reply"  # gateway: answers to commands


PREFIX: Final = "lotproof/v1"


def topic(gateway: str, channel: Channel) -> str:
    """Return the topic of a gateway's channel; ``+`` as gateway makes a filter over all."""
    return f"{PREFIX}/{gateway}/{channel.value}"


def parse_topic(text: str) -> tuple[str, Channel]:
    """Return (gateway, channel) of a topic; IdentityError if it is none of ours."""
    prefix, _, rest = text.rpartition(f"{PREFIX}/")
    gateway, slash, name = rest.partition("/")
    if prefix or not slash or not gateway or name not in _CHANNELS:
        raise IdentityError(f"{text[:80]!r} is not a topic of Lotproof")
    return gateway, Channel(name)


_CHANNELS: Final = frozenset(channel.value for channel in Channel)
