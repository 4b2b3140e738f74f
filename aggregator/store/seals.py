"""Verify stored bundles again, as an auditor would: every seal, every body's hash, every link."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from protocols.wire.bundle import PURPOSE, check_body_hash, split_bundle
from protocols.wire.errors import ChainError, UnknownKeyError, WireError
from protocols.wire.header import decode_header
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

    @property
    def holds(self) -> bool:
        """Whether every seal, hash and link does."""
        return not self.faults


async def verify_window(
    bundles: Sequence[tuple[int, bytes]],
    keys: Mapping[bytes, PublicKey],
    *,
    pool: Executor | None = None,
    parts: int = 1,
) -> Verification:
    """Verify bundles of one epoch, (number, bytes) in order, with the gateway's ``keys`` by kid.

    Work is divided into ``parts`` over ``pool`` (processes: two threads are no faster than one);
    without a pool it is done in a thread. The keys are those that were in force for these bundles.
    """
    size = -(-len(bundles) // max(parts, 1)) or 1
    chunks = [bundles[at : at + size] for at in range(0, len(bundles), size)]
    loop = asyncio.get_running_loop()
    texts = {kid: key.to_text() for kid, key in keys.items()}
    results = await asyncio.gather(
        *(loop.run_in_executor(pool, _verify_run, chunk, texts) for chunk in chunks)
    )
    faults = [fault for result in results for fault in result.faults]
    for before, after in pairwise(results):
        faults.extend(_link(before.last, after.first))
    digest = hashlib.sha256(b"".join(leaf for result in results for leaf in result.leaves))
    return Verification(
        bundles=len(bundles),
        readings=sum(result.readings for result in results),
        faults=tuple(sorted(faults)),
        digest=digest.digest(),
    )


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


def _verify_run(bundles: Iterable[tuple[int, bytes]], texts: Mapping[bytes, str]) -> _Run:
    keys = {kid: PublicKey.from_text(text) for kid, text in texts.items()}
    faults: list[Fault] = []
    leaves: list[bytes] = []
    readings = 0
    first: _Seen | None = None
    last: _Seen | None = None
    for number, data in bundles:
        try:
            seen = _verify(number, data, keys)
        except WireError as error:
            faults.append(Fault(number, error.reason, str(error)))
            last = None
            continue
        leaves.append(seen.leaf)
        readings += seen.end_reading - seen.first_reading
        faults.extend(_link(last, seen))
        first, last = first or seen, seen
    return _Run(faults, readings, leaves, first, last)


def _verify(number: int, data: bytes, keys: Mapping[bytes, PublicKey]) -> _Seen:
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
    return _Seen(number, header.previous, leaf, header.first_reading, header.end_reading)


def _link(before: _Seen | None, after: _Seen | None) -> list[Fault]:
    if before is None or after is None or before.number + 1 != after.number:
        return []
    if (before.leaf, before.end_reading) == (after.previous, after.first_reading):
        return []
    return [Fault(after.number, ChainError.reason, _BROKEN)]


_BROKEN: Final = "it does not follow from the bundle before"
