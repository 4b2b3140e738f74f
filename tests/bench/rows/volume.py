"""Row e: bytes a reading, on the wire, at rest and written to the gateway's disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

from aggregator.ingest.verify import Message
from plant.process import ask, our_command
from protocols.wire.reading import Reading
from protocols.wire.topics import Channel, topic
from tests.bench.device import KEPT
from tests.bench.feeder import Intaking
from tests.bench.measure import Side, interleave
from tests.bench.peers.row_stores import SqliteRows, rows_of
from tests.bench.process_data import Resolution, line_readings, pubsub_json
from tests.bench.scale import Scale
from tests.bench.table import Entry, Goal
from tests.sealed import SealedGateway

_BUNDLE: Final = 2000  # readings
_BUNDLES: Final = 5


async def run(folder: Path, scale: Scale) -> list[Entry]:
    """Weigh the same readings in each place."""
    entries: list[Entry] = []
    for signals in (20, 200):
        entries += _wire(signals, Resolution.SENSOR)
    entries += _wire(20, Resolution.DOUBLE)
    entries.append(await _at_rest(folder, 600 if scale.divisor > 1 else 3600))
    for signals in (20, 200):
        entries.append(await _device(folder, signals, scale))
    return entries


def _wire(signals: int, resolution: Resolution) -> list[Entry]:
    """Weigh bundles and PubSub messages of the same readings; equal data, so no rounds.

    The goals are for what sensors give: noise cannot be written shorter, and stands for comparison.
    """
    gateway, each = SealedGateway(), _BUNDLE // signals
    seconds = line_readings(signals, each * _BUNDLES, resolution=resolution)
    bundles = messages = 0
    for _ in range(_BUNDLES):
        part = list(islice(seconds, each))
        bundles += len(gateway.seal([reading for second in part for reading in second]))
        messages += len(pubsub_json(part))
    count = _BUNDLE * _BUNDLES
    ours, theirs = bundles / count, messages / count
    process = resolution is Resolution.SENSOR
    what = f"on the wire, {_BUNDLE:,} readings of {signals} signals a bundle" + (
        "" if process else ", values of 53 bits of noise"
    )
    reached = fraction = None
    if process:
        reached = Goal(name="G4", text="at most 1.6 B", reached=ours <= 1.6)
        fraction = Goal(name="G4", text="at most 1/50", reached=ours / theirs <= 1 / 50)
    return [
        Entry(
            row="e", what=what, figure="B a reading", ours=ours, goal=reached if process else None
        ),
        Entry(
            row="e",
            what=what,
            figure="B a reading",
            ours=ours,
            beside="OPC UA PubSub JSON",
            theirs=theirs,
            ratio=ours / theirs,
            goal=fraction,
        ),
    ]


async def _at_rest(folder: Path, seconds: int) -> Entry:
    """Weigh the files of both stores after so many seconds of 200 signals in 10 s bundles."""
    gateway = SealedGateway("gw-rest")
    store = Intaking(folder / "rest")
    await store.open({gateway.name: gateway.key.public})
    rows, signals = SqliteRows(folder / "rest-rows.db"), dict[str, int]()
    source, count = line_readings(200, seconds), 0
    while chunk := [reading for second in islice(source, 600) for reading in second]:
        await store.accept(_sealed(gateway, chunk))
        rows.store(rows_of(chunk, signals))
        count += len(chunk)
    await store.index()
    await store.close()
    rows.close()
    ours, theirs = (
        _packed_bytes(path) / count
        for path in (store.folder / "aggregator.db", folder / "rest-rows.db")
    )
    return Entry(
        row="e",
        what=f"at rest, bundles and segments, {count / 1e6:g} M readings",
        figure="B a reading",
        ours=ours,
        beside="SQLite, a row a reading, key",
        theirs=theirs,
        ratio=ours / theirs,
    )


def _sealed(gateway: SealedGateway, readings: Sequence[Reading]) -> list[Message]:
    name = topic(gateway.name, Channel.BUNDLE)
    return [
        Message(name, gateway.seal(readings[at : at + _BUNDLE]))
        for at in range(0, len(readings), _BUNDLE)
    ]


def _packed_bytes(path: Path) -> int:
    """Return the bytes of the pages in use: what small segments freed will be used again."""
    with closing(sqlite3.connect(path)) as database:
        size, pages, free = (
            int(database.execute(f"PRAGMA {pragma}").fetchone()[0])
            for pragma in ("page_size", "page_count", "freelist_count")
        )
    return size * (pages - free)


async def _device(folder: Path, signals: int, scale: Scale) -> Entry:
    """Count what the kernel writes for commits of one second of so many signals."""

    def side(keeper: str) -> Side:
        async def turn() -> dict[str, float]:
            arguments = ("--signals", str(signals), "--commits", str(5 * KEPT // scale.divisor))
            command = our_command("tests.bench.device", keeper, *arguments, "--folder", str(folder))
            return {"bytes": float(await ask(command, timeout_s=300))}

        return turn

    rounds = await interleave({"ours": side("bundles"), "rows": side("rows")}, rounds=scale.rounds)
    ratio = rounds.ratio("bytes", "ours", "rows")
    return Entry(
        row="e",
        what=f"written to the gateway's disk, {signals} readings a commit, with receipts",
        figure="B a reading",
        ours=rounds.median("ours", "bytes"),
        beside="SQLite queue, a row a reading, same commits",
        theirs=rounds.median("rows", "bytes"),
        ratio=ratio,
        goal=Goal(name="G5", text="at most half", reached=ratio <= 0.5),
    )
