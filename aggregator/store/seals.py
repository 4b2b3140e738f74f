"""Verify stored bundles again, as an auditor would: every seal, every body's hash, every link."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from aggregator.store.columns import NO_BODY, ColumnFinder, Taken
from aggregator.store.quick_key import QuickKey
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
        taken={
            signal: Taken.joined([run.taken[at] for run in runs]) for at, signal in enumerate(take)
        },
    )


_SHARES: Final = 2
"""Pieces of work for each process: with one alone, a slow process would keep the others waiting."""

_AT_ONCE_BYTES: Final = 16_000_000
"""Inflated bodies that are looked through at once, in bytes; one more may be among them."""

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
    first: _Seen | Fault
    last: _Seen | Fault
    taken: list[Taken]


def _verify_run(piece: _Piece) -> _Run:
    keys = {kid: QuickKey.from_text(text) for kid, text in piece.keys.items()}
    found: list[_Seen | Fault] = []
    taking = _Taking(piece.take, found)
    for number, data in piece.bundles:
        try:
            seen, body = _verify(number, data, keys)
            if piece.take:
                taking.add(inflate_body(body))
            found.append(seen)
        except WireError as error:
            taking.add(NO_BODY)
            found.append(Fault(number, error.reason, str(error)))
    taken = taking.end()
    held = [each for each in found if isinstance(each, _Seen)]
    faults = [each for each in found if isinstance(each, Fault)]
    for before, after in pairwise(found):
        faults.extend(_link(before, after))
    return _Run(
        faults=faults,
        readings=sum(each.end_reading - each.first_reading for each in held),
        leaves=[each.leaf for each in held],
        first=found[0],
        last=found[-1],
        taken=taken,
    )


class _Taking:
    """Takes columns out of bodies, many of these at a time."""

    def __init__(self, signals: Sequence[SignalName], found: list[_Seen | Fault]) -> None:
        """Where the columns of a body are not found, a fault takes its place in ``found``."""
        self._finder = ColumnFinder(signals)
        self._found = found
        self._parts: list[list[Taken]] = []
        self._bodies: list[bytes] = []
        self._size = 0

    def add(self, body: bytes) -> None:
        """Take an inflated body; it may wait for others."""
        if self._size > _AT_ONCE_BYTES:
            self._flush()
        self._bodies.append(body)
        self._size += len(body)

    def end(self) -> list[Taken]:
        """Return the columns of each signal in all bodies."""
        self._flush()
        return [Taken.joined(parts) for parts in zip(*self._parts, strict=True)]

    def _flush(self) -> None:
        first = len(self._found) - len(self._bodies)
        taken, wrong = self._finder.find(self._bodies)
        for place, error in wrong.items():
            number = self._found[first + place].number
            self._found[first + place] = Fault(number, error.reason, str(error))
        self._parts.append(taken)
        self._bodies, self._size = [], 0


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


def _link(before: _Seen | Fault, after: _Seen | Fault) -> list[Fault]:
    if isinstance(before, Fault) or isinstance(after, Fault) or before.number + 1 != after.number:
        return []
    if (before.leaf, before.end_reading) == (after.previous, after.first_reading):
        return []
    return [Fault(after.number, ChainError.reason, _BROKEN)]


_BROKEN: Final = "it does not follow from the bundle before"
