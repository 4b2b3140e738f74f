"""What the making of a lot rested on besides readings, looked up at the time of the lot."""

from __future__ import annotations

from pathlib import Path

from aggregator.model.master.equipment import SignalSpec
from aggregator.model.master.lot import check_lot_key
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.service.master.master_data import Times
from aggregator.service.record.circumstances import circumstances_of
from tests.rigs.context import running_context
from tests.rigs.master_documents import put
from tests.unit.test_aggregator_master_data import ENGINEER, GTIN, MATERIAL, PRESS, SIGNAL


async def test_a_unit_that_changed_while_the_lot_was_made_is_told(tmp_path: Path) -> None:
    async with running_context(tmp_path) as context:
        await put(context, EntityKind.EQUIPMENT, PRESS)
        await put(context, EntityKind.MATERIAL, MATERIAL)
        first = await put(context, EntityKind.SIGNAL, SIGNAL)
        for version, (unit, time) in enumerate((("K", 500), ("[degF]", 2_000)), 1):
            document = master_data.parse(EntityKind.SIGNAL, SIGNAL | {"unit": unit})
            await master_data.put(
                context,
                ENGINEER,
                document,
                expected_version=version,
                why="another sensor",
                times=Times(start=time),
            )
        spec = first.document.model()
        assert isinstance(spec, SignalSpec)
        async with context.store.read() as tx:
            for start, end, told in (
                (0, 500, []),
                (0, 501, [("Cel", "K", 500)]),
                (400, 2_001, [("Cel", "K", 500), ("K", "[degF]", 2_000)]),
                (2_000, 9_000, []),
            ):
                found = await circumstances_of(
                    tx,
                    check_lot_key(GTIN, "L-1"),
                    start,
                    end,
                    signals=[spec],
                    chains=[],
                    facts=[],
                    entries=[],
                )
                changes = found.circumstances.unit_changes
                assert [(each.before, each.after, each.time) for each in changes] == told
