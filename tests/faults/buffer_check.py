"""What must hold of a gateway's folder at any instant: the judge of the buffer's faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_agent import fsck
from edge_agent.buffer.buffer import Buffer
from edge_agent.storage import BUFFER_FILE
from protocols.wire.bundle import open_body, peek_header
from protocols.wire.header import Epoch
from tests.faults.buffer_load import AGGREGATOR, GATEWAY, Acknowledged
from tests.sealed import key_named


def violations(folder: Path, told: Sequence[Acknowledged], *, renewed: bool = False) -> list[str]:
    """Return what was broken: fsck's findings, acknowledged readings that are gone or another's.

    Where the epoch was given up (``renewed``), what was acknowledged before may be in the buffer
    that was set aside, as whole as the one in force.
    """
    paths = [folder / BUFFER_FILE]
    if renewed:
        paths += [aside / BUFFER_FILE.name for aside in sorted(folder.glob("buffer-aside-*"))]
    paths = [path for path in paths if path.exists()]
    found = [f"fsck: {problem}" for path in paths for problem in _problems(path)]
    if found:
        return found
    return [*_missing(paths, told), *(text for path in paths for text in _strange(path))]


def _problems(path: Path) -> tuple[str, ...]:
    return fsck.check(path, key_named(GATEWAY).public, aggregator=AGGREGATOR.public).problems


def _missing(paths: Sequence[Path], told: Sequence[Acknowledged]) -> Iterator[str]:
    """Yield acknowledgements that no chain covers; what was freed of a chain fsck has judged."""
    ends: dict[Epoch, int] = {}
    for path in paths:
        buffer = Buffer.read_only(path)
        ends[buffer.epoch] = buffer.head.end_reading
        buffer.close()
    for acknowledged in told:
        end = ends.get(acknowledged.epoch)
        if end is None:
            yield "acknowledged readings are in no buffer that counts"
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
