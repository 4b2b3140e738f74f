"""Row d: a lot's batch record from sealed bundles, beside scans and SQL over the same readings.

200 signals at 1 Hz in bundles of 10 s. Ours is the use case as the API calls it, every seal
verified again: facts, windows, figures, gaps, excursions, chains, series of the critical
parameters. The SQL reckons the figures, gaps and excursions alone and verifies nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
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
from tests.bench.measure import Figures, Stopwatch, interleave
from tests.bench.peers.lot_sql import GAP_MAX, DuckLot, LotReadings, postgres_lot
from tests.bench.process_data import line_readings
from tests.bench.scale import Scale
from tests.bench.table import Entry, Goal
from tests.sealed import START, SealedGateway

_SIGNALS: Final = 200
_BUNDLE_S: Final = 10
_CRITICAL: Final = 10  # every so many parameters one is critical
_SILENT: Final = range(1000, 1030)  # seconds in which every fiftieth signal is silent
_GTIN: Final = "09506000134352"
_PLACE: Final = "acme/suzhou/line-1"
_BENCH: Final = Actor(name="bench", roles=frozenset({Role.QA, Role.ENGINEER, Role.OPERATOR}))


async def run(folder: Path, scale: Scale) -> list[Entry]:
    """Take the lot in, then let each side reckon it in turn."""
    store, gateway = Intaking(folder / "store"), SealedGateway("gw-lot")
    await store.open({gateway.name: gateway.key.public})
    readings = LotReadings(end=START + scale.lot_seconds * SECOND)
    seconds = _seconds(scale.lot_seconds)
    while bundles := [
        _sealed(gateway, list(part), readings) for part in islice(_by(seconds, _BUNDLE_S), GROUP)
    ]:
        await store.accept(bundles)
    gateway.time += 60 * SECOND  # the chain goes on past the lot's end: it is complete
    await store.accept([Message(topic(gateway.name, Channel.BUNDLE), gateway.seal())])
    await store.index()
    readings.finish()
    context = Context(
        store=store.store,
        index=ReadingIndex(),
        clock=store.clock,
        settings=Settings(master=MasterSettings(approval=())),
        keys=store.keys,
        workers=Workers(Settings().records.processes),
    )
    await _set_up(context, readings)
    duck = DuckLot(folder / "lot.parquet", readings)
    try:
        async with postgres_lot(readings) as postgres:
            return await _measure(context, readings, duck, postgres, scale)
    finally:
        duck.close()
        context.workers.close()
        await store.close()


async def _measure(
    context: Context, readings: LotReadings, duck: DuckLot, postgres: Any, scale: Scale
) -> list[Entry]:
    made: list[StoredRecord] = []

    async def ours() -> Figures:
        with Stopwatch() as watch:
            made.append(await assemble_record(context, _BENCH, _GTIN, "L-1"))
        return {"seconds": watch.seconds}

    rounds = await interleave(
        {"ours": ours, "scan": duck.scan, "sql": duck.full, "postgres": postgres},
        rounds=scale.rounds,
    )
    readings.compare(made[-1].document)
    seals = made[-1].document["seals"]["verified"]
    millions = len(readings) / 1e6
    what = f"record of {millions:.3g} M readings, {seals:,} seals verified"
    return [
        Entry(
            row="d",
            what=what,
            figure="s",
            ours=rounds.median("ours", "seconds"),
            beside=name,
            theirs=rounds.median(side, "seconds"),
            ratio=(ratio := rounds.ratio("seconds", "ours", side)),
            goal=Goal(name="G8", text=text, reached=ratio <= most),
        )
        for side, name, text, most in (
            ("scan", "DuckDB scan of Parquet, count/min/max/sum", "at most 4 x", 4.0),
            ("sql", "DuckDB SQL for the figures", "at most half", 0.5),
            ("postgres", "PostgreSQL, the same SQL", "at most 1/20", 0.05),
        )
    ]


def _seconds(count: int) -> Iterator[list[Reading]]:
    """Yield the lot's readings second by second; a few signals fall silent for a while."""
    for second, readings in enumerate(line_readings(_SIGNALS, count)):
        if second in _SILENT:
            yield [reading for at, reading in enumerate(readings) if at % 50]
        else:
            yield readings


def _by(seconds: Iterator[list[Reading]], size: int) -> Iterator[list[Reading]]:
    while part := [reading for second in islice(seconds, size) for reading in second]:
        yield part


def _sealed(gateway: SealedGateway, part: list[Reading], readings: LotReadings) -> Message:
    readings.add(part)
    return Message(topic(gateway.name, Channel.BUNDLE), gateway.seal(part))


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
