"""Proves a buffer whole: every seal, the chain, every body, column and counter, the receipt.

Reads beside a running agent and changes nothing. The tests' oracle, and a product: what it finds
is listed one by one (docs/howto/install-an-agent.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Final

from edge_agent.buffer.buffer import Buffer
from edge_agent.errors import AgentError
from edge_agent.storage import BUFFER_FILE
from protocols.wire.bundle import check_columns, open_body, open_header
from protocols.wire.errors import WireError
from protocols.wire.header import Header
from protocols.wire.receipt import open_receipt
from protocols.wire.seal import PublicKey, peek
from protocols.wire.tlog import leaf_hash

PROBLEMS_MAX: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found; whole where ``problems`` is empty."""

    path: Path
    epoch: str = ""  # hexadecimal
    head: int = -1
    receipted: int = -1
    first: int = 0  # number of the first bundle that is stored
    bundles: int = 0  # stored and read
    readings: int = 0  # in them
    gaps: int = 0  # declared in them
    problems: tuple[str, ...] = ()


def check(
    path: Path,
    key: PublicKey,
    *,
    former: Sequence[PublicKey] = (),
    aggregator: PublicKey | None = None,
) -> Report:
    """Return what a buffer holds and what is wrong with it, bundles sealed by ``key``.

    Older ones may be sealed by ``former`` keys, which it took the place of.

    ``path`` is the buffer's file, its folder or the agent's data folder. The stored receipt is
    opened where ``aggregator`` is given.
    """
    path = _file(path)
    try:
        buffer = Buffer.read_only(path)
    except AgentError as error:
        return Report(path=path, problems=(str(error),))
    try:
        walk = _Walk(buffer, (key, *former))
        problems = [f"database: {problem}" for problem in buffer.problems()]
        try:
            for problem in walk.problems():
                problems.append(problem)
                if len(problems) >= PROBLEMS_MAX:
                    problems.append("more was not listed")
                    break
            problems += _receipt_problems(buffer, aggregator)
        except AgentError as error:
            problems.append(str(error))
        return Report(
            path=path,
            epoch=buffer.epoch.hex(),
            head=buffer.head.number,
            receipted=buffer.receipt.number,
            first=walk.first,
            bundles=walk.bundles,
            readings=walk.readings,
            gaps=walk.gaps,
            problems=tuple(problems),
        )
    finally:
        buffer.close()


class _Walk:
    """One pass over all bundles, in order."""

    def __init__(self, buffer: Buffer, keys: Sequence[PublicKey]) -> None:
        self.first = buffer.head.number + 1
        self.bundles = 0
        self.readings = 0
        self.gaps = 0
        self._buffer = buffer
        self._keys = {bytes(key.kid): key for key in keys}
        self._newest = keys[0]

    def problems(self) -> Iterator[str]:
        before: tuple[Header, bytes] | None = None
        head = self._buffer.head.number
        expected: int | None = None
        # A running agent appends and frees meanwhile: what came after we opened is not looked at,
        # and what a receipt let go is not missing.
        for number in takewhile(lambda number: number <= head, self._buffer.numbers()):
            if expected is None:
                self.first = expected = number
                if number > self._buffer.receipt.number + 1 and not self._buffer.freed(number - 1):
                    yield f"bundles before {number} are gone, and no receipt covers them"
            if number != expected:
                if not self._buffer.freed(number - 1):
                    yield f"bundles {expected} to {number - 1} are missing"
                before = None
            expected = number + 1
            try:
                header, leaf = self._read(number)
            except (AgentError, WireError) as error:
                if not self._buffer.freed(number):
                    yield f"bundle {number}: {error}"
                before = None
                continue
            yield from self._against(header, before)
            before = header, leaf
        missing = self._buffer.receipt.number + 1 if expected is None else expected
        if missing <= head:
            yield f"bundles {missing} to {head} are missing"
        if before is not None and before[0].number == head:
            yield from self._head(*before)

    def _read(self, number: int) -> tuple[Header, bytes]:
        """Open a bundle whole: seal, body's hash, every column, root, times."""
        bundle = self._buffer.bundle(number)
        kid = bytes(peek(bundle.sealed_header).kid)
        header = open_header(bundle.sealed_header, self._keys.get(kid, self._newest))
        check_columns(header, open_body(header, bundle.body))
        self.bundles += 1
        self.readings += header.count
        self.gaps += len(header.gaps)
        return header, leaf_hash(bundle.sealed_header)

    def _against(self, header: Header, before: tuple[Header, bytes] | None) -> Iterator[str]:
        name = f"bundle {header.number}"
        if (header.gateway, header.epoch) != (self._buffer.gateway, self._buffer.epoch):
            yield f"{name} is of another gateway or epoch"
        counters = header.counters
        if counters.sealed != header.end_reading:
            yield f"{name} counts {counters.sealed} readings sealed, its chain {header.end_reading}"
        if counters.read != counters.sealed + sum(counters.refused.values()):
            yield f"{name}: of {counters.read} readings read some are neither sealed nor refused"
        if before is None:
            return
        earlier, leaf = before
        if header.previous != leaf:
            yield f"{name} does not follow bundle {earlier.number}: its chain link differs"
        if header.first_reading != earlier.end_reading:
            yield f"{name} starts at reading {header.first_reading}, not {earlier.end_reading}"
        if counters.read < earlier.counters.read:
            yield f"{name} counts fewer readings than the bundle before it"
        if header.boot == earlier.boot and header.sealed_monotonic < earlier.sealed_monotonic:
            yield f"{name} was sealed before bundle {earlier.number}, by the clock that never steps"

    def _head(self, header: Header, leaf: bytes) -> Iterator[str]:
        head = self._buffer.head
        if (header.number, leaf, header.end_reading, header.counters) != (
            head.number,
            head.leaf,
            head.end_reading,
            head.counters,
        ):
            yield "the head of the chain is not what the last bundle says"


def _receipt_problems(buffer: Buffer, aggregator: PublicKey | None) -> Iterator[str]:
    stored = buffer.receipt
    if not stored.sealed or aggregator is None:
        return
    try:
        receipt = open_receipt(stored.sealed, aggregator)
    except WireError as error:
        yield f"the stored receipt does not open: {error}"
        return
    if (receipt.gateway, receipt.epoch, receipt.number) != (
        buffer.gateway,
        buffer.epoch,
        stored.number,
    ):
        yield "the stored receipt is not for this gateway, epoch and number"
    leaf = buffer.leaf(receipt.number)
    if leaf is not None and leaf != receipt.leaf:
        yield f"the stored receipt names another bundle {receipt.number} than ours"


def _file(path: Path) -> Path:
    if (path / BUFFER_FILE).exists():
        return path / BUFFER_FILE
    return path / BUFFER_FILE.name if path.is_dir() else path
