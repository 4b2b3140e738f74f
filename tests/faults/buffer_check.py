"""What must hold of a gateway's folder at any instant: the judge of the buffer's faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_agent import fsck
from edge_agent.buffer import Buffer
from edge_agent.storage import BUFFER_FILE
from protocols.wire.bundle import open_body, peek_header
from tests.faults.buffer_load import AGGREGATOR, GATEWAY, Acknowledged
from tests.sealed import key_named


def violations(folder: Path, told: Sequence[Acknowledged]) -> list[str]:
    """Return what was broken: fsck's findings, acknowledged readings that are gone or another's."""
    path = folder / BUFFER_FILE
    if not path.exists():
        return ["acknowledged readings are gone with their buffer"] if told else []
    report = fsck.check(path, key_named(GATEWAY).public, aggregator=AGGREGATOR.public)
    found = [f"fsck: {problem}" for problem in report.problems]
    return found or [*_missing(path, told), *_strange(path)]


def _missing(path: Path, told: Sequence[Acknowledged]) -> Iterator[str]:
    """Yield acknowledgements that the chain in force does not cover; freed ones fsck judges."""
    buffer = Buffer.read_only(path)
    epoch, end = buffer.epoch, buffer.head.end_reading
    buffer.close()
    for acknowledged in told:
        if acknowledged.epoch != epoch:
            yield "acknowledged readings are in a buffer that is no longer in force"
        elif acknowledged.end > end:
            yield f"readings {end} to {acknowledged.end - 1} were acknowledged and are gone"


def _strange(path: Path) -> Iterator[str]:
    """Yield readings that are not the ones that were delivered: each says its own number."""
    buffer = Buffer.read_only(path)
    for number in buffer.numbers():
        bundle = buffer.bundle(number)
        _, header = peek_header(bundle.sealed_header)
        found = [reading.value for reading in open_body(header, bundle.body).readings()]
        if found != list(range(header.first_reading, header.end_reading)):
            yield f"bundle {number} holds readings that are not those of its numbers"
    buffer.close()
