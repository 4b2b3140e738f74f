"""Verify stored bundles again, as an auditor would: every seal, every body's hash, every link."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from aggregator.store.columns import ColumnFinder
from aggregator.store.workers import Workers
from protocols.wire.bundle import PURPOSE, check_body_hash, inflate_body, split_bundle
from protocols.wire.errors import ChainError, UnknownKeyError, WireError
from protocols.wire.header import decode_header
from protocols.wire.reading import SignalName
from protocols.wire.seal import PublicKey, open_sealed, peek
from protocols.wire.tlog import leaf_hash


class Fault(NamedTuple):
    """A bundle that does not verify."""

    number: int
    reason: str  # the stable word of the error
    text: str


class Taken(NamedTuple):
    """The columns of one signal in a run of bundles, as they were sealed."""

    counts: array[int]  # of columns, one entry a bundle; 0 for one that does not verify
    readings: array[int]  # in those columns, one entry a bundle
    columns: list[bytes]  # of all bundles, in order


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What came of verifying a run of bundles of one epoch."""

    bundles: int
    readings: int  # that their headers count
    faults: tuple[Fault, ...]
    digest: bytes  # SHA-256 over the leaf hashes, in order
    taken: Mapping[SignalName, Taken]

    @property
    def holds(self) -> bool:
        """Whether every seal, hash and link does."""
        return not self.faults


async def verify_window(
    bundles: Sequence[tuple[int, bytes]],
    keys: Mapping[bytes, PublicKey],
    *,
    take: Sequence[SignalName] = (),
    workers: Workers | None = None,
) -> Verification:
    """Verify bundles of one epoch, (number, bytes) in order, with the gateway's ``keys`` by kid.

    The keys are those that were in force for these bundles. The columns of the signals ``take`` are
    taken out of what verifies. The work is divided among ``workers``: processes, since two threads
    are no faster than one.
    """
    workers = workers or Workers()
    share = -(-len(bundles) // max(_SHARES * workers.count, 1))
    size = min(max(share, _PIECE_MIN), _PIECE_MAX)
    texts = {kid: key.to_text() for kid, key in keys.items()}
    pieces = [_Piece(bundles[at : at + size], texts, take) for at in range(0, len(bundles), size)]
    runs = await workers.map(_verify_run, pieces)
    faults = [fault for run in runs for fault in run.faults]
    for before, after in pairwise(runs):
        faults.extend(_link(before.last, after.first))
    digest = hashlib.sha256(b"".join(leaf for run in runs for leaf in run.leaves))
    return Verification(
        bundles=len(bundles),
        readings=sum(run.readings for run in runs),
        faults=tuple(sorted(faults)),
        digest=digest.digest(),
        taken={signal: _joined([run.taken[at] for run in runs]) for at, signal in enumerate(take)},
    )


_SHARES: Final = 2
"""Pieces of work for each process: with one alone, a slow process would keep the others waiting."""

_PIECE_MIN: Final = 50
_PIECE_MAX: Final = 1_000
"""Bundles that are worth a piece of their own, and that one holds at most."""


class _Piece(NamedTuple):
    """Work for one process."""

    bundles: Sequence[tuple[int, bytes]]
    keys: Mapping[bytes, str]
    take: Sequence[SignalName]


class _Seen(NamedTuple):
    """What of a bundle its neighbours are held against."""

    number: int
    previous: bytes
    leaf: bytes
    first_reading: int
    end_reading: int


class _Run(NamedTuple):
    faults: list[Fault]
    readings: int
    leaves: list[bytes]
    first: _Seen | None
    last: _Seen | None
    taken: list[Taken]


def _verify_run(piece: _Piece) -> _Run:
    keys = {kid: PublicKey.from_text(text) for kid, text in piece.keys.items()}
    finder = ColumnFinder(piece.take)
    taken = [Taken(array("I"), array("Q"), []) for _ in piece.take]
    faults: list[Fault] = []
    leaves: list[bytes] = []
    readings = 0
    first: _Seen | None = None
    last: _Seen | None = None
    for number, data in piece.bundles:
        for own in taken:
            own.counts.append(0)
            own.readings.append(0)
        try:
            seen, body = _verify(number, data, keys)
            found = finder.find(inflate_body(body)) if taken else ()
        except WireError as error:
            faults.append(Fault(number, error.reason, str(error)))
            last = None
            continue
        for column in found:
            own = taken[column.signal]
            own.counts[-1] += 1
            own.readings[-1] += column.readings
            own.columns.append(column.data)
        leaves.append(seen.leaf)
        readings += seen.end_reading - seen.first_reading
        faults.extend(_link(last, seen))
        first, last = first or seen, seen
    return _Run(faults, readings, leaves, first, last, taken)


def _verify(number: int, data: bytes, keys: Mapping[bytes, PublicKey]) -> tuple[_Seen, bytes]:
    """Return what a bundle's neighbours are held against, and its body."""
    bundle = split_bundle(data)
    sealed = peek(bundle.sealed_header)
    key = keys.get(sealed.kid)
    if key is None:
        raise UnknownKeyError(f"no key {sealed.kid.hex()} of the gateway is known")
    header = decode_header(open_sealed(sealed, key, PURPOSE))
    check_body_hash(header, bundle.body)
    if header.number != number:
        raise ChainError(f"bundle {header.number} is stored as number {number}")
    leaf = leaf_hash(bundle.sealed_header)
    seen = _Seen(number, header.previous, leaf, header.first_reading, header.end_reading)
    return seen, bundle.body


def _joined(several: Sequence[Taken]) -> Taken:
    whole = Taken(array("I"), array("Q"), [])
    for each in several:
        whole.counts.extend(each.counts)
        whole.readings.extend(each.readings)
        whole.columns.extend(each.columns)
    return whole


def _link(before: _Seen | None, after: _Seen | None) -> list[Fault]:
    if before is None or after is None or before.number + 1 != after.number:
        return []
    if (before.leaf, before.end_reading) == (after.previous, after.first_reading):
        return []
    return [Fault(after.number, ChainError.reason, _BROKEN)]


_BROKEN: Final = "it does not follow from the bundle before"
