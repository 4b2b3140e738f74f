"""Series: the same whether read from bundles, small segments, joined ones, or a rebuilt index."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aggregator.clock import SystemClock
from aggregator.errors import ConflictError
from aggregator.ingest.indexer import Indexer
from aggregator.ingest.intake import Intake
from aggregator.ingest.verify import Message
from aggregator.model.series import Series, SignalKey
from aggregator.settings import SegmentSettings
from aggregator.store import registry
from aggregator.store.chains.evidence import bundles, chains
from aggregator.store.keys import load_keys
from aggregator.store.seals import verify_window
from aggregator.store.segments import ReadingIndex
from aggregator.store.segments.build import bundle_times, open_bundles
from aggregator.store.sqlite import SqliteStore
from aggregator.store.workers import Workers
from protocols.wire.header import ClockState, GatewayId
from protocols.wire.reading import SECOND, Gap, GapReason, Kind, Reading, SignalName, Status
from tests.sealed import START, SealedGateway

GATEWAY = GatewayId("gw-01")
NAME = SignalName("press-1/signal-000")
KEY = SignalKey(GATEWAY, NAME)
EVER = (0, 2**62)


class Line:
    """A store with one gateway that seals into it."""

    def __init__(self, store: SqliteStore, folder: Path) -> None:
        self.store = store
        self.gateway = SealedGateway(GATEWAY)
        self.intake = Intake(store, load_keys(folder / "keys"), SystemClock())
        self.index = ReadingIndex()

    async def take(self, *sealed: bytes) -> None:
        """Store bundles."""
        topic = f"lotproof/v1/{GATEWAY}/bundle"
        await self.intake.accept([Message(topic, data) for data in sealed])

    async def series(self, *window: int, key: SignalKey = KEY) -> Series:
        """Read one signal."""
        async with self.store.read() as tx:
            found = await self.index.series(tx, key, *(window or EVER))
        if found is None:
            pytest.fail("the signal was never seen")
        return found

    def indexer(self, workers: Workers | None = None, **settings: Any) -> Indexer:
        """Return an indexer with these settings."""
        return Indexer(self.store, SystemClock(), SegmentSettings(**settings), workers)

    async def segments(self) -> list[tuple[int, int]]:
        """Return the bundle numbers that each segment covers."""
        async with self.store.read() as tx:
            rows = await tx.fetch("segments.of_epoch", epoch_id=1)
        return [(row["first_number"], row["end_number"]) for row in rows]


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    store = SqliteStore(tmp_path / "test.db")
    await store.open()
    await store.migrate()
    line = Line(store, tmp_path)
    async with store.write() as tx:
        await registry.add_gateway(tx, GATEWAY, line.gateway.key.public, by="test", now=1)
    yield line
    await store.close()


def same(one: Series, other: Series) -> bool:
    """Tell whether two series are one."""
    return (one.key, one.kind, one.epoch_ids) == (other.key, other.kind, other.epoch_ids) and all(
        getattr(one, name).tolist() == getattr(other, name).tolist()
        for name in (
            "times",
            "gateway_times",
            "values",
            "present",
            "statuses",
            "codes",
            "epochs",
            "numbers",
            "positions",
        )
    )


def mixed(line: Line, count: int) -> list[bytes]:
    """Seal bundles with every kind of trouble."""
    sealed = []
    for number in range(count):
        readings = line.gateway.readings(3, 5)
        if number % 3 == 1:
            readings[0] = readings[0]._replace(value=None, status=Status.BAD, code=-1, raw=b"nan")
        if number % 4 == 2:
            readings[3] = readings[3]._replace(source_time=None)
        if number % 5 == 3:  # what the equipment says of the time cannot be
            readings[6] = readings[6]._replace(source_time=5, status=Status.UNCERTAIN, code=-4)
        sealed.append(line.gateway.seal(readings))
    return sealed


async def test_a_series_does_not_tell_how_it_was_stored(line: Line) -> None:
    sealed = mixed(line, 40)
    await line.take(*sealed[:30])
    await line.take(*sealed[30:])
    from_bundles = await line.series()
    assert len(from_bundles) == 200
    assert await line.indexer().catch_up(bundles_min=41) == 0
    assert await line.indexer().catch_up() == 1
    from_segment = await line.series()
    assert await line.indexer().rebuild() == 1
    assert same(from_bundles, from_segment)
    assert same(from_bundles, await line.series())
    assert from_bundles.times.min() > 5, "a time that cannot be places nothing"
    assert bool((np.diff(from_bundles.times) >= 0).all())
    assert from_bundles.present.sum() == 200 - 13


async def test_a_segment_made_in_another_process_is_the_same(line: Line) -> None:
    await line.take(*mixed(line, 40))
    from_bundles = await line.series()
    workers = Workers(1)
    try:
        assert await line.indexer(workers).rebuild() == 1
    finally:
        workers.close()
    assert same(from_bundles, await line.series())


async def test_the_times_of_a_bundle_are_those_that_place_its_readings(line: Line) -> None:
    for number, data in enumerate(mixed(line, 12)):
        opened = open_bundles([(number, data)])
        assert not opened.wrong
        times: dict[SignalName, list[int]] = {}
        for key, part in opened.parts.items():
            times.setdefault(key.signal, []).extend(part.times.tolist())
        assert bundle_times(data) == {name: (min(of), max(of)) for name, of in times.items()}
        assert bundle_times(data[:-1]) == {}


async def test_small_segments_are_joined_and_nothing_changes(line: Line) -> None:
    sealed = mixed(line, 60)
    indexer = line.indexer(span_seconds=100)
    for at in range(0, 60, 4):
        await line.take(*sealed[at : at + 4])
        await indexer.catch_up()
    assert len(await line.segments()) < 8
    assert (await line.segments())[-1][1] == 60
    joined = await line.series()
    await line.indexer().rebuild()
    assert same(joined, await line.series())


async def test_a_long_backlog_becomes_segments_of_a_span(line: Line) -> None:
    await line.take(*(line.gateway.seal(line.gateway.readings(1, 60)) for _ in range(10)))
    assert await line.indexer(span_seconds=120).catch_up() == 4
    numbers = await line.segments()
    assert numbers[0][0] == 0
    assert [end for _, end in numbers[:-1]] == [first for first, _ in numbers[1:]]


async def test_what_waits_beyond_a_gap_is_read_at_once(line: Line) -> None:
    sealed = mixed(line, 6)
    await line.take(*sealed[:2], *sealed[4:])
    assert await line.indexer().catch_up() == 1
    assert set((await line.series()).numbers.tolist()) == {0, 1, 4, 5}
    await line.take(*sealed[2:4])
    await line.indexer().catch_up()
    assert set((await line.series()).numbers.tolist()) == set(range(6))
    assert (await line.segments())[-1][1] == 6


async def test_a_window_is_half_open(line: Line) -> None:
    await line.take(line.gateway.seal(line.gateway.readings(1, 10)))
    for built in (False, True):
        if built:
            await line.indexer().catch_up()
        whole = await line.series()
        start, end = int(whole.times[2]), int(whole.times[5])
        assert (await line.series(start, end)).times.tolist() == whole.times[2:5].tolist()
        assert len(await line.series(end, end)) == 0


async def test_every_kind_comes_back_with_its_place(line: Line) -> None:
    values: dict[Kind, Sequence[Any]] = {
        Kind.BOOL: [True, False],
        Kind.INT: [-5, 2**62],
        Kind.UINT: [0, 2**64 - 1],
        Kind.FLOAT32: [0.5, -0.25],
        Kind.TEXT: ["a", "批号"],
        Kind.BYTES: [b"", b"x"],
    }
    time = START + SECOND
    readings = [
        Reading(signal=SignalName(kind.name), kind=kind, value=value, gateway_time=time + at)
        for kind, several in values.items()
        for at, value in enumerate(several)
    ]
    await line.take(line.gateway.seal(readings))
    for built in (False, True):
        if built:
            await line.indexer().catch_up()
        for at, (kind, several) in enumerate(values.items()):
            found = await line.series(key=SignalKey(GATEWAY, SignalName(kind.name)))
            assert found.values.tolist() == list(several)
            assert found.positions.tolist() == [2 * at, 2 * at + 1]
        async with line.store.read() as tx:
            rows = await line.index.signals(tx)
            latest = await line.index.latest(tx, GATEWAY)
        assert {row.signal for row in rows} == {kind.name for kind in values}
        assert {name: series.values.tolist()[-1] for name, series in latest.items()} == {
            kind.name: several[-1] for kind, several in values.items()
        }


async def test_a_signal_that_changes_its_kind(line: Line) -> None:
    made = line.gateway.readings(1, 2)
    await line.take(line.gateway.seal([made[0], made[1]._replace(kind=Kind.INT, value=7)]))
    found = await line.series()
    assert (found.kind, found.values.tolist()[1]) == (Kind.FLOAT64, 7.0)
    other = line.gateway.readings(1)[0]._replace(kind=Kind.TEXT, value="seven")
    await line.take(line.gateway.seal([other]))
    with pytest.raises(ConflictError, match="kind"):
        await line.series()


async def test_what_is_unpacked_when_it_is_asked_for_is_the_same_in_any_order(line: Line) -> None:
    await line.take(*mixed(line, 40))
    keys = [SignalKey(GATEWAY, SignalName(f"press-1/signal-{at:03}")) for at in range(3)]
    async with line.store.read() as tx:
        from_bundles = await line.index.window(tx, keys, *EVER)
    await line.indexer(span_seconds=60).rebuild()
    async with line.store.read() as tx:
        found = await line.index.window(tx, keys, *EVER)
    assert len(await line.segments()) > 1
    held = [found[key].values for key in keys]
    for key in (*keys, *reversed(keys)):
        assert same(found[key], from_bundles[key])
    assert [each.tolist() for each in held] == [from_bundles[key].values.tolist() for key in keys]


async def test_an_unknown_signal_has_no_series(line: Line) -> None:
    async with line.store.read() as tx:
        assert await line.index.series(tx, SignalKey(GATEWAY, SignalName("x")), *EVER) is None


async def test_what_the_chain_proves_of_a_window(line: Line) -> None:
    gateway = line.gateway
    gap = Gap(subject="press-1", start=START, end=START + 1, reason=GapReason.OVERRUN, count=3)
    sealed = [gateway.seal(gateway.readings(1, 10)) for _ in range(5)]
    sealed.append(gateway.seal(gateway.readings(1, 10), gaps=(gap,), settings_hash=bytes(32)))
    sealed += [gateway.seal(gateway.readings(1, 10)) for _ in range(4)]
    await line.take(*sealed)
    start, end = START + 35 * SECOND, START + 65 * SECOND
    async with line.store.read() as tx:
        (span,) = await chains(tx, GATEWAY, start, end)
    assert (span.before, span.first, span.last, span.after) == (2, 3, 6, 7)
    assert (span.missing, span.forked, span.approved, span.head) == ((), False, True, 9)
    assert (span.bundles, span.readings, span.clock) == (4, 40, ClockState.SYNCHRONISED)
    assert (span.gaps, len(span.settings)) == ((gap,), 3)
    assert span.sealed_from < start < end < span.sealed_through


async def test_missing_bundles_are_named(line: Line) -> None:
    sealed = [line.gateway.seal(line.gateway.readings(1, 10)) for _ in range(8)]
    await line.take(*sealed[:3], *sealed[5:])
    async with line.store.read() as tx:
        (span,) = await chains(tx, GATEWAY, START, START + 90 * SECOND)
        assert (span.missing, span.head) == ((range(3, 5),), 2)
        later = await chains(tx, GATEWAY, START + 900 * SECOND, START + 999 * SECOND)
        earlier = await chains(tx, GATEWAY, START - 99 * SECOND, START - 9 * SECOND)
    assert (later, earlier) == ([], [])


async def test_heartbeats_speak_of_the_silence_between_them(line: Line) -> None:
    gateway = line.gateway
    for _ in range(4):
        gateway.time += 60 * SECOND
        await line.take(gateway.seal())
    async with line.store.read() as tx:
        (span,) = await chains(tx, GATEWAY, START + 130 * SECOND, START + 140 * SECOND)
    assert (span.before, span.first, span.last, span.after) == (1, 2, 2, 3)
    assert (span.readings, span.sealed_from) == (0, START + 120 * SECOND)


@pytest.mark.parametrize("processes", [0, 2])
async def test_every_seal_of_a_window_is_verified(line: Line, processes: int) -> None:
    await line.take(*mixed(line, 120))
    async with line.store.read() as tx:
        epoch = (await tx.fetch("epochs.all"))[0]["epoch"]
        stored = [(each.number, each.data) async for each in bundles(tx, GATEWAY, epoch, 5, 120)]
    key = line.gateway.key.public
    workers = Workers(processes)
    try:
        found = await verify_window(stored, {key.kid: key}, workers=workers)
        assert (found.holds, found.bundles, found.readings) == (True, 115, 1725)
        altered = bytearray(stored[7][1])
        altered[-9] ^= 1
        stored[7] = (stored[7][0], bytes(altered))
        (fault,) = (await verify_window(stored, {key.kid: key}, workers=workers)).faults
        assert fault.number == stored[7][0]
    finally:
        workers.close()
    del stored[7]
    assert (await verify_window(stored, {key.kid: key})).holds
    swapped = [stored[1], (stored[0][0], stored[1][1])]
    assert not (await verify_window(swapped, {key.kid: key})).holds
    assert (await verify_window(stored, {})).faults[0].reason == "unknown_key"
