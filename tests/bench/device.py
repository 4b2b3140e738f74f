"""What a gateway's flash is made to write: ``python -m tests.bench.device <keeper> ...``.

A process of its own, since the kernel counts a process's writes. It commits readings at a rhythm
without waiting between commits, has a receipt stored with a commit as often as the agent does,
frees what is 60 commits old as after a receipt, and prints how much was written to the device for
a reading.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Final

from edge_agent.buffer.buffer import Appended, Buffer, Head, Noted, StoredReceipt
from protocols.wire.bundle import split_bundle
from protocols.wire.header import Counters, Epoch, GatewayId, Opening, OpeningReason
from protocols.wire.reading import Reading
from protocols.wire.tlog import leaf_hash
from tests.bench.measure import written_bytes
from tests.bench.peers.row_stores import Key, SqliteRows, rows_of
from tests.bench.process_data import line_readings
from tests.sealed import START, SealedGateway

KEPT: Final = 60
"""Commits after which what was committed is freed."""
_A_RECEIPT: Final = 10
"""Commits between two receipts that the agent stores: it does so every ten seconds at most."""


def main() -> None:
    """Commit, and print the bytes written for a reading."""
    parser = argparse.ArgumentParser()
    parser.add_argument("keeper", choices=("bundles", "rows"))
    parser.add_argument("--signals", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=1, help="of readings in a commit")
    parser.add_argument("--commits", type=int, default=300)
    parser.add_argument("--folder", type=Path, help="on the disk that is meant")
    asked = parser.parse_args()
    seconds = line_readings(asked.signals, asked.seconds * asked.commits)
    commits = [
        [reading for second in islice(seconds, asked.seconds) for reading in second]
        for _ in range(asked.commits)
    ]
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        keep = _bundles if asked.keeper == "bundles" else _rows
        written = keep(Path(folder), commits)
    sys.stdout.write(f"{written / sum(map(len, commits))}\n")


def _bundles(folder: Path, commits: list[list[Reading]]) -> int:
    gateway = SealedGateway()
    buffer = Buffer.create(
        folder / "buffer.db",
        gateway=GatewayId(gateway.name),
        epoch=Epoch(gateway.epoch),
        opening=Opening(reason=OpeningReason.NEW),
        time=START,
        floor=START,
        bytes_max=1 << 30,
    )
    receipt = os.urandom(650)  # as long as a sealed receipt with a checkpoint
    before = written_bytes(os.getpid())
    for number, readings in enumerate(commits):
        bundle = split_bundle(gateway.seal(readings))
        end = gateway.first_reading
        leaf = leaf_hash(bundle.sealed_header)
        head = Head(
            number=number,
            leaf=leaf,
            end_reading=end,
            sealed_time=gateway.time,
            counters=Counters(read=end, sealed=end),
        )
        appended = Appended(number, leaf, gateway.time, bundle)
        buffer.append([appended], head, floor=START, urgent=False)
        if number % _A_RECEIPT == 0:
            buffer.note(Noted(buffer.epoch, StoredReceipt(number, receipt)))
        if number % KEPT == KEPT - 1:
            buffer.free(sealed_before=gateway.time, keep_bytes=1 << 30)
    written = written_bytes(os.getpid()) - before
    buffer.close()
    return written


def _rows(folder: Path, commits: list[list[Reading]]) -> int:
    """Keep a row a reading, remember what was sent, delete what is old."""
    table = SqliteRows(folder / "rows.db", Key.ARRIVAL)
    table.database.execute("CREATE TABLE sent (one INTEGER PRIMARY KEY, source_time INTEGER)")
    signals: dict[str, int] = {}
    before = written_bytes(os.getpid())
    for number, readings in enumerate(commits):
        rows = rows_of(readings, signals)
        table.store(rows)
        last = rows[-1].source_time
        table.database.execute("INSERT OR REPLACE INTO sent VALUES (1, ?)", (last,))
        if number % KEPT == KEPT - 1:
            table.free(before=last)
    written = written_bytes(os.getpid()) - before
    table.close()
    return written


if __name__ == "__main__":
    main()
