"""The statement that seals a dossier: which lot, which chains from where to where, which members.

A manifest is a CBOR map with integer keys (docs/specs/dossier.md), the payload of a COSE_Sign1 by
the aggregator. It is a claim of completeness: a verifier holds the bundles against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from protocols.wire import cbor
from protocols.wire.dossier.series import Interval
from protocols.wire.errors import MalformedError
from protocols.wire.header import Epoch, GatewayId, check_gateway_id, gap_item, read_gaps
from protocols.wire.reading import Gap
from protocols.wire.seal import Algorithm, PublicKey, Purpose

GAPS_MAX: Final = 100_000
"""Gap declarations that one chain of a dossier may hold."""

PURPOSE: Final = Purpose("application/lotproof-dossier+cbor", b"lotproof-dossier-v1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStatement:
    """What the dossier claims of one (gateway, epoch).

    ``held_first`` is ``first - 1`` and ``held_last`` is ``last + 1`` where a bundle stands on that
    side to show that nothing was cut off; equal to ``first`` or ``last`` where none can.
    ``anchors`` are held besides, by their headers alone: where the outermost bundle of a side was
    sealed while the clock was in doubt, the nearest synchronised one beyond it.
    """

    gateway: GatewayId
    epoch: Epoch
    first: int  # number of the first bundle of the lot's window
    last: int  # number of its last
    held_first: int
    held_last: int
    head: bytes  # leaf hash of bundle ``last``
    count: int  # readings in the bundles first to last, of whatever signal
    gaps: tuple[Gap, ...]  # every gap that the bundles first to last declare, in their order
    anchors: tuple[int, ...] = ()  # numbers, rising: at most one before and one behind the held

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the bundles held, in the order in which they are."""
        return (*range(self.held_first, self.held_last + 1), *self.anchors)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRange:
    """A seal key and the bundles that it was valid for."""

    gateway: GatewayId
    epoch: Epoch
    first: int  # number of the first bundle
    last: int | None  # number of the last, None while it is in use
    key: PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What the aggregator says of a dossier before it is packed."""

    gtin: str
    lot: str
    window: Interval  # from the lot's first interval's start to its last one's end
    rule: str  # id and version of the binding rule
    sealed_time: int  # nanoseconds, the aggregator's clock
    chains: tuple[ChainStatement, ...]
    keys: tuple[KeyRange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A statement and the SHA-256 of every other member of the archive."""

    statement: Statement
    members: Mapping[str, bytes]


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the deterministic CBOR of ``manifest``."""
    said = manifest.statement
    return cbor.encode(
        {
            1: said.gtin,
            2: said.lot,
            3: list(said.window),
            4: said.rule,
            5: said.sealed_time,
            6: [_chain_item(chain) for chain in said.chains],
            7: [_key_item(key) for key in said.keys],
            8: dict(manifest.members),
        }
    )


def decode_manifest(data: bytes) -> Manifest:
    """Return the manifest that ``data`` is; MalformedError or LimitError if it is none."""
    match cbor.decode(data, booleans=False):
        case {
            1: str(gtin),
            2: str(lot),
            3: [int(start), int(end)],
            4: str(rule),
            5: int(sealed_time),
            6: list(chains),
            7: list(keys),
            8: dict(members),
            **rest,
        } if not rest:
            pass
        case _:
            raise MalformedError("a manifest has not exactly its fields")
    for name, digest in members.items():
        if not isinstance(name, str) or not isinstance(digest, bytes) or len(digest) != 32:
            raise MalformedError("a manifest's members are not name: SHA-256")
    statement = Statement(
        gtin=gtin,
        lot=lot,
        window=Interval(start, end),
        rule=rule,
        sealed_time=sealed_time,
        chains=tuple(_chain(item) for item in chains),
        keys=tuple(_key(item) for item in keys),
    )
    places = {(chain.gateway, chain.epoch) for chain in statement.chains}
    if len(places) != len(statement.chains):
        raise MalformedError("a manifest states one chain twice")
    return Manifest(statement=statement, members=cast("dict[str, bytes]", members))


def _chain_item(chain: ChainStatement) -> cbor.Item:
    anchors: list[cbor.Item] = [list(chain.anchors)] if chain.anchors else []
    return [
        chain.gateway,
        chain.epoch,
        chain.first,
        chain.last,
        chain.held_first,
        chain.held_last,
        chain.head,
        chain.count,
        [gap_item(gap) for gap in chain.gaps],
        *anchors,
    ]


def _chain(item: cbor.Item) -> ChainStatement:
    match item:
        case [
            str(gateway),
            bytes(epoch),
            int(first),
            int(last),
            int(held_first),
            int(held_last),
            bytes(head),
            int(count),
            gaps,
            *more,
        ] if (
            len(epoch) == 16
            and len(head) == 32
            and 0 <= held_first <= first <= last <= held_last
            and first - held_first <= 1
            and held_last - last <= 1
            and count >= 0
            and len(more) <= 1
        ):
            return ChainStatement(
                gateway=check_gateway_id(gateway),
                epoch=Epoch(epoch),
                first=first,
                last=last,
                held_first=held_first,
                held_last=held_last,
                head=head,
                count=count,
                gaps=read_gaps(gaps, count_max=GAPS_MAX),
                anchors=_anchors(more[0], held_first, held_last) if more else (),
            )
    raise MalformedError("a manifest's chain is not of its form, or its numbers are out of order")


def _anchors(item: cbor.Item, held_first: int, held_last: int) -> tuple[int, ...]:
    match item:
        case [int(one)] if one >= 0 and not held_first <= one <= held_last:
            return (one,)
        case [int(before), int(behind)] if 0 <= before < held_first <= held_last < behind:
            return (before, behind)
    raise MalformedError("a chain's anchors are not one before and one behind what is held")


def _key_item(key: KeyRange) -> cbor.Item:
    algorithm = int(key.key.algorithm)
    return [key.gateway, key.epoch, key.first, key.last, algorithm, key.key.data]


def _key(item: cbor.Item) -> KeyRange:
    match item:
        case [
            str(gateway),
            bytes(epoch),
            int(first),
            (int() | None) as last,
            (-19 | -9) as algorithm,
            bytes(data),
        ] if len(epoch) == 16 and 0 <= first <= (first if last is None else last):
            return KeyRange(
                gateway=check_gateway_id(gateway),
                epoch=Epoch(epoch),
                first=first,
                last=last,
                key=PublicKey(Algorithm(algorithm), data),
            )
    raise MalformedError("a manifest's key is not [gateway, epoch, first, last, algorithm, key]")
