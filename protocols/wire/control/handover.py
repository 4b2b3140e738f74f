"""A gateway's seal key hands over to the next one: the key in force names it, and it agrees.

The next key seals both keys, the gateway and the time; the key in force seals that. So none of
them can be exchanged, and nobody hands over to a key that is not his (docs/specs/enrolment.md).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from protocols.wire import cbor
from protocols.wire.errors import MalformedError
from protocols.wire.header import GatewayId, check_gateway_id
from protocols.wire.reading import Nanoseconds
from protocols.wire.seal import PublicKey, Purpose, SealKey, open_seal, open_sealed, peek, seal

PURPOSE: Final = Purpose("application/lotproof-handover+cbor", b"lotproof-handover-v1")
AGREED: Final = Purpose("application/lotproof-handover-agreed+cbor", b"lotproof-handover-agreed-v1")


class Handover(NamedTuple):
    """One key gives its place to another."""

    gateway: GatewayId
    before: PublicKey
    after: PublicKey
    time: Nanoseconds  # gateway time


def seal_handover(gateway: GatewayId, before: SealKey, after: SealKey, time: Nanoseconds) -> bytes:
    """Return the statement under the seals of both keys."""
    fields: dict[int, cbor.Item] = {
        1: gateway,
        2: before.public.to_text(),
        3: after.public.to_text(),
        4: time,
    }
    return seal(seal(cbor.encode(fields), after, AGREED), before, PURPOSE)


def open_handover(data: bytes, key: PublicKey) -> Handover:
    """Return the statement if ``key`` gave its place and the other agreed.

    Raises SealError or MalformedError if not.
    """
    agreed = peek(open_seal(data, key, PURPOSE))
    match cbor.decode(agreed.payload, items_max=16, booleans=False):
        case {1: str(gateway), 2: str(before), 3: str(after), 4: int(time), **rest} if (
            not rest and time >= 0
        ):
            said = Handover(
                check_gateway_id(gateway),
                PublicKey.from_text(before),
                PublicKey.from_text(after),
                time,
            )
            if said.before == key != said.after:
                open_sealed(agreed, said.after, AGREED)
                return said
    raise MalformedError("a hand-over has not exactly its fields, or is another key's")
