"""Row c: bundles into the store, each verified and durable, beside a row a reading."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from tests.bench.feeder import GROUP, Feeder, Intaking
from tests.bench.measure import Figures, Rounds, Side, Stopwatch, interleave
from tests.bench.peers.row_stores import PostgresRows, ReadingRow, SqliteRows, postgres_rows
from tests.bench.scale import Scale
from tests.bench.table import Entry, Goal

_SIGNALS: Final = 20
_BUNDLES: Final = {20: 2048, 200: 2048, 2000: 512}  # readings a bundle -> bundles a turn


async def run(folder: Path, scale: Scale) -> list[Entry]:
    """Measure what bundles of each size cost, and what becomes of it as the store grows."""
    entries: list[Entry] = []
    async with postgres_rows() as postgres:
        for readings, bundles in _BUNDLES.items():
            entries += await _sizes(folder, scale, postgres, readings, bundles // scale.divisor)
    entries += await _growth(folder, scale)
    return entries


async def _sizes(
    folder: Path, scale: Scale, postgres: PostgresRows, readings: int, bundles: int
) -> list[Entry]:
    feeder = Feeder(f"gw-{readings}", readings=readings, signals=_SIGNALS)
    ours = Intaking(folder / f"ours-{readings}")
    await ours.open({feeder.gateway.name: feeder.gateway.key.public})
    sqlite = SqliteRows(folder / f"rows-{readings}.db")
    in_sqlite, in_postgres = Rows(), Rows(first=readings * 10**6)
    rounds = await interleave(
        {
            "ours": _bundles_side(ours, feeder, bundles),
            "sqlite": _rows_side(_in_thread(sqlite), in_sqlite, readings, bundles),
            "postgres": _rows_side(postgres.store, in_postgres, readings, bundles),
        },
        rounds=scale.rounds,
    )
    indexed = await _index(ours, readings * bundles * scale.rounds)
    await ours.close()
    sqlite.close()
    what = f"intake, {readings:,} readings a bundle, SQLite"
    return [
        Entry(
            row="c",
            what=what,
            figure="bundles/s",
            ours=rounds.median("ours", "readings_per_s") / readings,
        ),
        Entry(
            row="c", what=what, figure="CPU us a bundle", ours=rounds.median("ours", "bundle_us")
        ),
        Entry(
            row="c",
            what=f"index behind the intake, {readings // _SIGNALS:,} readings a column",
            figure="CPU us a reading",
            ours=indexed,
        ),
        *(
            _beside(rounds, what, readings, side, name)
            for side, name in (
                ("sqlite", "SQLite, a row a reading, key"),
                ("postgres", "PostgreSQL COPY + btree"),
            )
        ),
    ]


async def _index(store: Intaking, readings: int) -> float:
    """Build the segments of all that was taken in; return CPU microseconds a reading."""
    with Stopwatch() as watch:
        await store.index()
    return watch.cpu_s / readings * 1e6


def _beside(rounds: Rounds, what: str, readings: int, side: str, name: str) -> Entry:
    ratio = rounds.ratio("readings_per_s", "ours", side)
    goal = Goal(name="G6", text="at least 8 x", reached=ratio >= 8)
    return Entry(
        row="c",
        what=what,
        figure="readings/s",
        ours=rounds.median("ours", "readings_per_s"),
        beside=name,
        theirs=rounds.median(side, "readings_per_s"),
        ratio=ratio,
        goal=goal if readings == max(_BUNDLES) else None,
    )


async def _growth(folder: Path, scale: Scale) -> list[Entry]:
    """Let two stores grow, one ten times the other, and measure both in turn from there."""
    small, large = scale.growth
    bundle = max(_BUNDLES)
    turn = scale.growth_turn
    sides: dict[str, Side] = {}
    stores: list[Intaking] = []
    for name, size in (("small", small), ("large", large)):
        feeder = Feeder(f"gw-{name}", readings=bundle, signals=_SIGNALS)
        store = Intaking(folder / f"growth-{name}")
        await store.open({feeder.gateway.name: feeder.gateway.key.public})
        for _ in range(size // (bundle * GROUP)):
            await store.accept(feeder.bundles(GROUP))
        stores.append(store)
        sides[name] = _bundles_side(store, feeder, turn // bundle)
    rows: list[SqliteRows] = []
    for name, size in (("rows-small", small), ("rows-large", large)):
        table, source = SqliteRows(folder / f"growth-{name}.db"), Rows()
        for _ in range(size // turn):
            await asyncio.to_thread(table.store, source.take(turn))
        rows.append(table)
        sides[name] = _rows_side(_in_thread(table), source, bundle, turn // bundle)
    rounds = await interleave(sides, rounds=scale.rounds)
    for store in stores:
        await store.close()
    for table in rows:
        table.close()
    kept = rounds.ratio("readings_per_s", "large", "small")
    beside = rounds.ratio("readings_per_s", "rows-large", "rows-small")
    what = f"growth: rate at {large / 1e6:g} M readings over that at {small / 1e6:g} M"
    return [
        Entry(
            row="c",
            what=what,
            figure="of the rate kept",
            ours=kept,
            beside="SQLite, a row a reading, key",
            theirs=beside,
            ratio=kept / beside,
            goal=Goal(name="G6", text="at least 0.8", reached=kept >= 0.8),
        ),
        Entry(
            row="c",
            what=f"intake at {large / 1e6:g} M readings",
            figure="readings/s",
            ours=rounds.median("large", "readings_per_s"),
            beside="SQLite, a row a reading, key",
            theirs=rounds.median("rows-large", "readings_per_s"),
            ratio=rounds.ratio("readings_per_s", "large", "rows-large"),
        ),
    ]


class Rows:
    """Rows of readings in the order in which they are taken, without end."""

    def __init__(self, *, first: int = 0) -> None:
        self._second = first

    def take(self, count: int) -> list[ReadingRow]:
        """Return the next rows, second by second."""
        seconds = count // _SIGNALS
        first, self._second = self._second, self._second + seconds
        return [
            ReadingRow(
                signal,
                second * 1_000_000_000,
                second * 1_000_000_000 + 1_500_000,
                20.0 + signal + second % 97 / 100,
                0,
            )
            for second in range(first, first + seconds)
            for signal in range(_SIGNALS)
        ]


def _bundles_side(store: Intaking, feeder: Feeder, bundles: int) -> Side:
    async def turn() -> Figures:
        messages = feeder.bundles(bundles)
        with Stopwatch() as watch:
            await store.accept(messages)
        return {
            "readings_per_s": bundles * feeder.readings / watch.seconds,
            "bundle_us": watch.cpu_s / bundles * 1e6,
        }

    return turn


def _rows_side(
    store: Callable[[list[ReadingRow]], Awaitable[None]], rows: Rows, readings: int, bundles: int
) -> Side:
    """Store as many readings as ``bundles`` hold, in transactions of as many as a group holds."""

    async def turn() -> Figures:
        wanted = bundles * readings
        chunks = [
            rows.take(min(GROUP * readings, wanted - at))
            for at in range(0, wanted, GROUP * readings)
        ]
        with Stopwatch() as watch:
            for chunk in chunks:
                await store(chunk)
        return {"readings_per_s": wanted / watch.seconds}

    return turn


def _in_thread(table: SqliteRows) -> Callable[[list[ReadingRow]], Awaitable[None]]:
    async def store(rows: list[ReadingRow]) -> None:
        await asyncio.to_thread(table.store, rows)

    return store
