"""Use cases: what stands of every lot, what its record would be now, and its charts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from aggregator.access.roles import Act, Actor, require
from aggregator.errors import NotFoundError
from aggregator.export.charts import Chart, chart
from aggregator.model.master.lot import Lot, check_lot_key
from aggregator.model.master.recipe import Limits
from aggregator.model.record.batch_record import BatchRecord
from aggregator.model.series import SignalKey
from aggregator.service.assemble_record import RecordSummary, assemble_now, page, stored
from aggregator.service.context import Context
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from protocols.wire.dossier.instant import parse_time
from protocols.wire.dossier.series import Interval
from protocols.wire.header import GatewayId
from protocols.wire.reading import SignalName

LOTS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRow:
    """A lot, and its newest record if one was assembled."""

    gtin: str
    lot: str
    material: str
    record: RecordSummary | None


async def overview(context: Context, actor: Actor) -> list[LotRow]:
    """Return every lot: those without a record first, then the latest records first."""
    require(actor, Act.READ_RECORDS)
    records = await page(context, actor, count=LOTS_MAX)
    async with context.store.read() as tx:
        lots = await master_data.models(tx, EntityKind.LOT)
    by_lot = {record.lot: record for record in records}
    order = {record.lot: at for at, record in enumerate(records)}
    found = [
        LotRow(
            gtin=each.key.gtin,
            lot=each.key.lot,
            material=each.material,
            record=by_lot.get(each.key),
        )
        for each in lots
        if isinstance(each, Lot)
    ]
    rows = ((order[row.record.lot] if row.record else -1, row.gtin, row.lot, row) for row in found)
    return [row for *_, row in sorted(rows, key=lambda each: each[:3])]


async def preview(context: Context, actor: Actor, gtin: str, lot: str) -> BatchRecord:
    """Return the record as it would be if it were assembled now; nothing is kept."""
    require(actor, Act.READ_RECORDS)
    return (await assemble_now(context, check_lot_key(gtin, lot))).record


async def record_chart(
    context: Context, actor: Actor, gtin: str, lot: str, parameter: str
) -> tuple[Chart, dict[str, Any]]:
    """Return the chart of a parameter of a lot's newest record, and what the record says of it."""
    require(actor, Act.READ_RECORDS)
    async with context.store.read() as tx:
        record = (await stored(tx, check_lot_key(gtin, lot))).document
        found = next(
            (each for each in record["parameters"] if each["parameter"] == parameter), None
        )
        if found is None or not found["intervals"]:
            raise NotFoundError(f"the record has no critical parameter {parameter!r}")
        intervals = _intervals(found["intervals"], None)
        whole = Interval(intervals[0].start, max(intervals[-1].end, intervals[0].start + 1))
        key = SignalKey(GatewayId(found["gateway"]), SignalName(found["signal"]))
        series = await context.index.series(tx, key, whole.start, whole.end)
    if series is None:
        raise NotFoundError(f"no reading of {key.signal} came from {key.gateway}")
    drawn = chart(
        series,
        whole=whole,
        intervals=intervals,
        gaps=_intervals([(gap["start"], gap["end"]) for gap in found["gaps"]], whole.end),
        excursions=_intervals(
            [(each["start"], each["end"]) for each in found["excursions"]], whole.end
        ),
        limits=Limits(**found["specified"]),
    )
    return drawn, {**found, "start": whole.start, "end": whole.end}


def _intervals(texts: Any, open_end: int | None) -> list[Interval]:
    """Return intervals given as pairs of texts; an end that nobody knows is ``open_end``."""
    found = []
    for start, end in texts:
        begin = parse_time(start)
        found.append(Interval(begin, parse_time(end) if end else open_end or begin + 1))
    return found
