"""Row d: a lot's batch record from sealed bundles, beside scans and SQL over the same readings.

200 signals at 1 Hz in bundles of 10 and of 50 s. Ours is the use case as the API calls it, every
seal verified again: facts, windows, figures, gaps, excursions, chains, series of the critical
parameters. The SQL reckons the figures, gaps and excursions alone and verifies nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from aggregator.access.roles import Actor, Role
from aggregator.ingest.verify import Message
from aggregator.model.binding.fact import Authority, Fact, FactKind
from aggregator.model.master.equipment import EquipmentPath
from aggregator.model.master.lot import check_lot_key
from aggregator.service import facts
from aggregator.service.assemble_record import StoredRecord, assemble_record
from aggregator.service.context import Context
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.settings import MasterSettings, Settings
from aggregator.store.segments import ReadingIndex
from aggregator.store.workers import Workers
from protocols.wire.reading import SECOND, Reading
from protocols.wire.topics import Channel, topic
from tests.bench.feeder import GROUP, Intaking
from tests.bench.measure import Figures, Side, Stopwatch, interleave
from tests.bench.peers.lot_sql import GAP_MAX, DuckLot, LotReadings, postgres_lot
from tests.bench.process_data import line_readings
from tests.bench.scale import Scale
from tests.bench.table import Entry, Goal
from tests.sealed import START, SealedGateway

_SIGNALS: Final = 200
_BUNDLES_S: Final = (10, 50)  # 50: by the agent's own bound of 10,000 readings
_CRITICAL: Final = 10  # every so many parameters one is critical
_SILENT: Final = range(1000, 1030)  # seconds in which every fiftieth signal is silent
_GTIN: Final = "09506000134352"
_PLACE: Final = "acme/suzhou/line-1"
_GATEWAY: Final = partial(SealedGateway, "gw-lot")
_BENCH: Final = Actor(name="bench", roles=frozenset({Role.QA, Role.ENGINEER, Role.OPERATOR}))


async def run(folder: Path, scale: Scale) -> list[Entry]:
    """Take the lot in, once by each length of bundle, then let each side reckon it in turn."""
    readings = LotReadings(end=START + scale.lot_seconds * SECOND)
    async with contextlib.AsyncExitStack() as stack:
        lots = [
            await stack.enter_async_context(_taken_in(folder / f"store-{length}"))
            for length in _BUNDLES_S
        ]
        for at, second in enumerate(_seconds(scale.lot_seconds), 1):
            readings.add(second)
            for lot, length in zip(lots, _BUNDLES_S, strict=True):
                await lot.take(second, cut=at % length == 0)
        readings.finish()
        for lot in lots:
            await lot.finish(readings)
        duck = DuckLot(folder / "lot.parquet", readings)
        stack.callback(duck.close)
        postgres = await stack.enter_async_context(postgres_lot(readings))
        return await _measure(lots, readings, duck, postgres, scale)


class _Lot:
    """The lot in a store of its own."""

    def __init__(self, store: Intaking, context: Context) -> None:
        self._store = store
        self._gateway = _GATEWAY()
        self._waiting: list[Reading] = []
        self._sealed: list[Message] = []
        self._context = context
        self.made: list[StoredRecord] = []

    async def take(self, second: list[Reading], *, cut: bool) -> None:
        """Take in what was read in a second; ``cut`` ends the bundle."""
        self._waiting += second
        if cut:
            self._seal()
        if len(self._sealed) == GROUP:
            await self._accept()

    async def finish(self, readings: LotReadings) -> None:
        """Let the chain go on past the lot's end, so that it is complete, and build the index."""
        if self._waiting:
            self._seal()
        self._gateway.time += 60 * SECOND
        self._seal()
        await self._accept()
        await self._store.index()
        await _set_up(self._context, readings)

    async def record(self) -> Figures:
        """Make the record as the API does."""
        with Stopwatch() as watch:
            self.made.append(await assemble_record(self._context, _BENCH, _GTIN, "L-1"))
        return {"seconds": watch.seconds}

    def _seal(self) -> None:
        data = self._gateway.seal(self._waiting)
        self._waiting = []
        self._sealed.append(Message(topic(self._gateway.name, Channel.BUNDLE), data))

    async def _accept(self) -> None:
        await self._store.accept(self._sealed)
        self._sealed = []


@contextlib.asynccontextmanager
async def _taken_in(folder: Path) -> AsyncIterator[_Lot]:
    store = Intaking(folder)
    await store.open({_GATEWAY().name: _GATEWAY().key.public})
    context = Context(
        store=store.store,
        index=ReadingIndex(),
        clock=store.clock,
        settings=Settings(master=MasterSettings(approval=())),
        keys=store.keys,
        workers=Workers(Settings().records.processes),
    )
    try:
        yield _Lot(store, context)
    finally:
        context.workers.close()
        await store.close()


async def _measure(
    lots: list[_Lot], readings: LotReadings, duck: DuckLot, postgres: Side, scale: Scale
) -> list[Entry]:
    names = [f"ours-{length}" for length in _BUNDLES_S]
    rounds = await interleave(
        {
            **{name: lot.record for name, lot in zip(names, lots, strict=True)},
            "scan": duck.scan,
            "sql": duck.full,
            "postgres": postgres,
        },
        rounds=scale.rounds,
    )
    entries: list[Entry] = []
    for name, lot, length in zip(names, lots, _BUNDLES_S, strict=True):
        document = lot.made[-1].document
        readings.compare(document)
        seals = document["seals"]["verified"]
        entries += [
            Entry(
                row="d",
                what=f"record of {len(readings) / 1e6:.3g} M readings in bundles of {length} s, "
                f"{seals:,} seals verified",
                figure="s",
                ours=rounds.median(name, "seconds"),
                beside=beside,
                theirs=rounds.median(side, "seconds"),
                ratio=(ratio := rounds.ratio("seconds", name, side)),
                goal=Goal(name="G8", text=text, reached=ratio <= most),
            )
            for side, beside, text, most in (
                ("scan", "DuckDB scan of Parquet, count/min/max/sum", "at most 4 x", 4.0),
                ("sql", "DuckDB SQL for the figures", "at most half", 0.5),
                ("postgres", "PostgreSQL, the same SQL", "at most 1/20", 0.05),
            )
        ]
    return entries


def _seconds(count: int) -> Iterator[list[Reading]]:
    """Yield the lot's readings second by second; a few signals fall silent for a while."""
    for second, readings in enumerate(line_readings(_SIGNALS, count)):
        if second in _SILENT:
            yield [reading for at, reading in enumerate(readings) if at % 50]
        else:
            yield readings


async def _set_up(context: Context, readings: LotReadings) -> None:
    """Put the master data of the lot, with limits that one reading of ten thousand breaks."""
    entities: list[tuple[EntityKind, dict[str, Any]]] = [
        (EntityKind.EQUIPMENT, {"path": _PLACE}),
        (EntityKind.MATERIAL, {"gtin": _GTIN, "name": "Sterile barrier pouch"}),
        (EntityKind.LOT, {"gtin": _GTIN, "lot": "L-1"}),
    ]
    for number, (signal, kind) in enumerate(readings.signals.items()):
        whose = {"gateway": "gw-lot", "signal": signal}
        value = {"equipment": _PLACE, "value_kind": kind.name.lower()}
        entities.append((EntityKind.SIGNAL, whose | value))
        limit = whose | {
            "gtin": _GTIN,
            "parameter": signal,
            "unit": "",
            "gap_max_s": GAP_MAX / SECOND,
            "action_high": readings.limits[number],
            "criticality": "key" if number % _CRITICAL else "critical",
        }
        entities.append((EntityKind.LIMIT, limit))
    for entity, data in entities:
        document = master_data.parse(entity, data)
        await master_data.put(context, _BENCH, document, expected_version=None, why="bench")
    occupancy = Fact(
        kind=FactKind.OCCUPANCY,
        start=START,
        end=readings.end,
        authority=Authority.OPERATOR,
        source="bench",
        equipment=EquipmentPath(_PLACE),
        lot=check_lot_key(_GTIN, "L-1"),
    )
    await facts.add(context, _BENCH, occupancy, why="bench")
