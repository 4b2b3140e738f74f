"""A receipt: the aggregator's sealed word that it has stored a chain up to a bundle.

It alone lets a gateway free what it keeps; a broker's PUBACK frees nothing. The same state of a
chain gives the same receipt bytes again (docs/specs/delivery.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from protocols.wire import cbor
from protocols.wire.errors import MalformedError
from protocols.wire.header import Epoch, GatewayId, check_gateway_id
from protocols.wire.limits import TEXT_BYTES_MAX
from protocols.wire.reading import Nanoseconds
from protocols.wire.seal import PublicKey, Purpose, SealKey, open_seal, seal

PURPOSE: Final = Purpose("application/lotproof-receipt+cbor", b"lotproof-receipt-v1")


class EpochState(IntEnum):
    """What the aggregator thinks of the epoch."""

    TRUSTED = 0  # goes on
    UNAPPROVED = 1  # stored and marked; a second person has not approved the epoch yet
    CLOSED = 2  # forked, rolled back or revoked: the gateway must open a new one


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """All bundles of the epoch up to ``number`` are stored; -1 with FIRST_PREVIOUS: none is."""

    gateway: GatewayId
    epoch: Epoch
    number: int
    leaf: bytes  # leaf hash of that bundle: the gateway compares it with its own
    position: int  # index of that leaf in the log; -1 where there is none
    checkpoint: str  # newest checkpoint of the log, a signed note; "" before the first
    record_time: Nanoseconds  # the aggregator's clock
    state: EpochState = EpochState.TRUSTED


def seal_receipt(receipt: Receipt, key: SealKey) -> bytes:
    """Return the receipt under the aggregator's seal."""
    fields: dict[int, cbor.Item] = {
        1: receipt.gateway,
        2: receipt.epoch,
        3: receipt.number,
        4: receipt.leaf,
        5: receipt.position,
        6: receipt.checkpoint,
        7: receipt.record_time,
        8: int(receipt.state),
    }
    return seal(cbor.encode(fields), key, PURPOSE)


def open_receipt(data: bytes, key: PublicKey) -> Receipt:
    """Return the receipt if ``key`` sealed it; SealError or MalformedError if not."""
    match cbor.decode(open_seal(data, key, PURPOSE), items_max=32, booleans=False):
        case {
            1: str(gateway),
            2: bytes(epoch),
            3: int(number),
            4: bytes(leaf),
            5: int(position),
            6: str(checkpoint),
            7: int(record_time),
            8: (0 | 1 | 2) as state,
            **rest,
        } if (
            not rest
            and len(epoch) == 16
            and len(leaf) == 32
            and min(number, position) >= -1
            and record_time >= 0
            and len(checkpoint) <= TEXT_BYTES_MAX
        ):
            return Receipt(
                gateway=check_gateway_id(gateway),
                epoch=Epoch(epoch),
                number=number,
                leaf=leaf,
                position=position,
                checkpoint=checkpoint,
                record_time=record_time,
                state=EpochState(state),
            )
    raise MalformedError("a receipt has not exactly its fields")
