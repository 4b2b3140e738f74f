"""What the gateway committed against what the aggregator holds, bundle by bundle, afterwards.

Both files are read as they lie there when every process has ended. The gateway's head says how
much was ever committed, and by its hash what: the store's chain must lead to it from the first
bundle, which leaves no room for one that is missing, changed or there twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from edge_agent.buffer.buffer import Buffer
from protocols.wire.bundle import check_columns, open_body, open_header, split_bundle
from protocols.wire.header import FIRST_PREVIOUS, Epoch, Header
from protocols.wire.seal import PublicKey
from protocols.wire.tlog import leaf_hash

COUNTER: Final = "press-1/counter"


class Head(NamedTuple):
    """How far a gateway's chain has come."""

    epoch: Epoch
    number: int
    leaf: bytes
    end_reading: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of everything that was committed."""

    bundles: int  # committed by the gateway
    readings: int
    lost: int  # readings
    twice: int
    problems: tuple[str, ...]


def committed(buffer: Path) -> Head:
    """Return the head of the buffer in a file, also beside a running agent."""
    opened = Buffer.read_only(buffer)
    try:
        head = opened.head
        return Head(opened.epoch, head.number, head.leaf, head.end_reading)
    finally:
        opened.close()


def missing(store: Path, head: Head) -> set[int]:
    """Return the numbers of the committed bundles that the aggregator does not hold."""
    return set(range(head.number + 1)) - stored(store, head.epoch)


def stored(store: Path, epoch: Epoch) -> set[int]:
    """Return the numbers of an epoch's bundles that the aggregator holds, also while it runs."""
    with closing(_open(store)) as connection:
        return {number for (number,) in connection.execute(_NUMBERS, (epoch,))}


def judge(store: Path, heads: Sequence[Head], key: PublicKey) -> Verdict:
    """Compare all that stands in the store with the heads that the gateway had, the last one last.

    ``heads`` before the last are what was seen committed just before something was killed.
    """
    with closing(_open(store)) as connection:
        rows = connection.execute(_BUNDLES).fetchall()
    last = heads[-1]
    problems = [
        f"epoch {row[0].hex()} is not the gateway's" for row in rows if row[0] != last.epoch
    ]
    problems += [f"database: {text}" for text in _integrity(store)]
    chain = _Chain(key)
    for _, number, leaf, data in rows:
        problems += chain.add(number, leaf, data)
    problems += [
        f"bundle {head.number}, seen committed, is not in the store"
        for head in heads
        if chain.leaves.get(head.number, FIRST_PREVIOUS) != head.leaf and head.number >= 0
    ]
    lost = last.end_reading - sum(
        header.count for header in chain.headers if header.number <= last.number
    )
    return Verdict(
        bundles=last.number + 1,
        readings=last.end_reading,
        lost=max(0, lost),
        twice=chain.twice,
        problems=(*problems, *_skips(chain.counted)),
    )


class _Chain:
    """The bundles of the store, in the order of their numbers."""

    def __init__(self, key: PublicKey) -> None:
        self.headers: list[Header] = []
        self.leaves: dict[int, bytes] = {}
        self.counted: list[int] = []  # what the equipment's counter said, reading by reading
        self.twice = 0
        self._key = key

    def add(self, number: int, leaf: bytes, data: bytes) -> Iterator[str]:
        """Open one more bundle, and yield what is wrong with it or its place."""
        bundle = split_bundle(data)
        header = open_header(bundle.sealed_header, self._key)
        before = self.headers[-1] if self.headers else None
        expected = 0 if before is None else before.number + 1
        if number in self.leaves or leaf in self.leaves.values():
            self.twice += header.count
            yield f"bundle {number} is stored twice"
            return
        if before is not None and header.first_reading < before.end_reading:
            self.twice += before.end_reading - header.first_reading
            yield f"bundle {number} brings readings again"
        if leaf != leaf_hash(bundle.sealed_header) or header.number != number:
            yield f"bundle {number} is not what its row says"
        if number != expected:
            yield f"bundles {expected} to {number - 1} are missing"
        elif header.previous != self.leaves.get(number - 1, FIRST_PREVIOUS):
            yield f"bundle {number} does not follow bundle {number - 1}"
        for column in check_columns(header, open_body(header, bundle.body)):
            if column.signal == COUNTER:
                self.counted += [int(str(reading.value)) for reading in column.readings()]
        self.headers.append(header)
        self.leaves[number] = leaf


def _skips(counted: Sequence[int]) -> Iterator[str]:
    """Yield where the counter skips: it goes up by one, or the agent was killed and began at 0."""
    for before, after in pairwise(counted):
        if after not in {before + 1, 0}:
            yield f"the counter went from {before} to {after}"


def _integrity(store: Path) -> list[str]:
    with closing(_open(store)) as connection:
        rows = connection.execute("PRAGMA integrity_check").fetchall()
    return [text for (text,) in rows if text != "ok"]


def _open(store: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)


_NUMBERS: Final = """
SELECT b.number FROM bundles b JOIN epochs e ON e.epoch_id = b.epoch_id WHERE e.epoch = ?
"""
_BUNDLES: Final = """
SELECT e.epoch, b.number, b.leaf, d.bytes
FROM bundles b JOIN epochs e ON e.epoch_id = b.epoch_id
JOIN bundle_bytes d ON d.position = b.position
ORDER BY e.ordinal, b.number, b.position
"""
