"""Master data: versions that nobody overwrites unseen, references that hold, a trail of it all."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aggregator.access.roles import Actor, Role
from aggregator.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from aggregator.model.master.equipment import Occupancy, SignalSpec
from aggregator.model.master.lot import Lot
from aggregator.model.master.recipe import ParameterSpec
from aggregator.service import audit_trail
from aggregator.service.context import Context
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.store.queries import migrations
from tests.rigs.context import running_context
from tests.rigs.master_documents import DOCUMENTS_OF, put, put_before

ENGINEER = Actor(name="engineer", roles=frozenset({Role.ENGINEER}))
QA = Actor(name="qa", roles=frozenset({Role.QA}))
GTIN = "09506000134352"

PRESS = {"path": "demo/press-1", "name": "Sealing press"}
SIGNAL = {
    "gateway": "gw-1",
    "signal": "press-1/plate-temperature",
    "equipment": "demo/press-1",
    "value_kind": "float64",
    "unit": "Cel",
}
MATERIAL = {"gtin": GTIN, "name": "Pouch"}
LIMIT = {
    "gtin": GTIN,
    "parameter": "plate temperature",
    "gateway": "gw-1",
    "signal": "press-1/plate-temperature",
    "unit": "Cel",
    "alert_low": 118,
    "alert_high": 122,
    "gap_max_s": 1.5,
}


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    async with running_context(tmp_path) as opened:
        yield opened


async def test_an_entity_keeps_every_version(context: Context) -> None:
    first = await put(context, EntityKind.EQUIPMENT, PRESS)
    second = await put(context, EntityKind.EQUIPMENT, PRESS | {"occupancy": "ambient"}, 1)
    assert (first.version, second.version) == (1, 2)
    old = await master_data.get(context, QA, EntityKind.EQUIPMENT, "demo/press-1", version=1)
    new = await master_data.get(context, QA, EntityKind.EQUIPMENT, "demo/press-1")
    assert old.document == first.document
    assert new.document == second.document
    assert new.document.model().occupancy is Occupancy.AMBIENT  # type: ignore[union-attr]


async def test_the_same_document_again_is_no_change(context: Context) -> None:
    await put(context, EntityKind.EQUIPMENT, PRESS)
    again = await put(context, EntityKind.EQUIPMENT, PRESS)
    assert again.version == 1
    assert len(await audit_trail.page(context, QA, after=-1, count=10)) == 1


@pytest.mark.parametrize("expected", [None, 2, 7])
async def test_nobody_overwrites_what_he_has_not_seen(
    context: Context, expected: int | None
) -> None:
    await put(context, EntityKind.EQUIPMENT, PRESS)
    with pytest.raises(ConflictError, match="is at version 1"):
        await put(context, EntityKind.EQUIPMENT, PRESS | {"name": "Other"}, expected)


async def test_a_change_stands_in_the_trail_with_before_and_after(context: Context) -> None:
    await put(context, EntityKind.EQUIPMENT, PRESS)
    await put(context, EntityKind.EQUIPMENT, PRESS | {"name": "Press"}, 1)
    _, entry = await audit_trail.page(context, QA, after=-1, count=10)
    assert (entry["who"], entry["what"]) == ("engineer", "equipment demo/press-1")
    assert (entry["before"]["name"], entry["after"]["name"]) == ("Sealing press", "Press")


async def test_a_refused_change_leaves_nothing_behind(context: Context) -> None:
    with pytest.raises(InvalidError, match="needs equipment demo/press-1"):
        await put(context, EntityKind.SIGNAL, SIGNAL)
    with pytest.raises(NotFoundError):
        await master_data.get(context, QA, EntityKind.SIGNAL, "gw-1/press-1/plate-temperature")
    assert await audit_trail.page(context, QA, after=-1, count=10) == []


async def test_documents_become_the_models_that_rules_read(context: Context) -> None:
    for kind, data in (
        (EntityKind.EQUIPMENT, PRESS),
        (EntityKind.SIGNAL, SIGNAL),
        (EntityKind.MATERIAL, MATERIAL),
        (EntityKind.LIMIT, LIMIT),
        (EntityKind.LOT, {"gtin": GTIN, "lot": "L-1", "material": "Pouch"}),
    ):
        await put(context, kind, data)
    async with context.store.read() as tx:
        (spec,) = await master_data.models(tx, EntityKind.LIMIT)
        (signal,) = await master_data.models(tx, EntityKind.SIGNAL)
        (lot,) = await master_data.models(tx, EntityKind.LOT)
    assert isinstance(spec, ParameterSpec)
    assert spec.sampling.gap_max == 1_500_000_000
    assert isinstance(signal, SignalSpec)
    assert signal.key == spec.signal
    assert isinstance(lot, Lot)
    assert lot.key == (GTIN, "L-1")


async def test_lots_are_told_apart_by_gtin_and_by_case(context: Context) -> None:
    other = "09506000134369"
    for gtin in (GTIN, other):
        await put(context, EntityKind.MATERIAL, {"gtin": gtin, "name": gtin})
        for lot in ("L-1", "l-1"):
            await put(context, EntityKind.LOT, {"gtin": gtin, "lot": lot})
    found = await master_data.page(context, QA, EntityKind.LOT)
    assert [each.key for each in found] == sorted(
        f"{gtin}/{lot}" for gtin in (GTIN, other) for lot in ("L-1", "l-1")
    )


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        (EntityKind.MATERIAL, {"gtin": "09506000134353", "name": "x"}, "check digit"),
        (EntityKind.EQUIPMENT, {"path": "demo//press"}, "not an equipment path"),
        (EntityKind.SIGNAL, SIGNAL | {"gateway": "GW 1"}, "not a gateway id"),
        (EntityKind.LIMIT, LIMIT | {"alert_low": 130}, "out of order"),
        (EntityKind.LIMIT, LIMIT | {"gap_max_s": None}, "needs gap_max"),
        (EntityKind.SIGNAL, SIGNAL | {"colour": "red"}, "colour: Extra inputs"),
    ],
)
async def test_a_document_that_contradicts_itself_is_refused(
    context: Context, kind: EntityKind, data: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidError, match=message):
        await put(context, kind, data)


async def test_pages_follow_each_other(context: Context) -> None:
    for number in range(5):
        await put(context, EntityKind.EQUIPMENT, {"path": f"demo/unit-{number}"})
    first = await master_data.page(context, QA, EntityKind.EQUIPMENT, count=2)
    rest = await master_data.page(context, QA, EntityKind.EQUIPMENT, after=first[-1].key)
    assert [each.key for each in first + rest] == [f"demo/unit-{number}" for number in range(5)]


async def test_who_may_not_change_master_data_does_not(context: Context) -> None:
    auditor = Actor(name="auditor", roles=frozenset({Role.AUDITOR}))
    document = master_data.parse(EntityKind.EQUIPMENT, PRESS)
    with pytest.raises(DeniedError):
        await master_data.put(context, auditor, document, expected_version=None, why="x")


async def test_a_limit_of_a_phase_needs_a_recipe_that_has_it(context: Context) -> None:
    await put_before(context, EntityKind.LIMIT)
    _, limit = DOCUMENTS_OF[EntityKind.LIMIT]
    with pytest.raises(InvalidError, match="has no phase 'cool down'") as raised:
        await put(context, EntityKind.LIMIT, limit | {"phase": "cool down"})
    assert "heat up, hold" in raised.value.hint
    with pytest.raises(InvalidError, match=f"needs recipe {GTIN}/B"):
        await put(context, EntityKind.LIMIT, limit | {"revision": "B"})
    assert (await put(context, EntityKind.LIMIT, limit)).version == 1


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (EntityKind.INSTALLATION, {"equipment": "demo/press-1"}, "at a place or behind a signal"),
        (EntityKind.INSTALLATION, {"gateway": ""}, "named by its gateway and its name"),
        (EntityKind.INSTALLATION, {"valid_to": "2025-01-01T00:00:00Z"}, "ends after it starts"),
        (EntityKind.INSTALLATION, {"valid_from": "2026-01-01"}, "no time with a zone"),
        (EntityKind.CALIBRATION, {"physical_asset": ""}, "of a physical asset or of a signal"),
        (EntityKind.CALIBRATION, {"valid_from": "2025-01-01T00:00:00Z"}, "not before"),
        (EntityKind.CALIBRATION, {"performed": "2262-04-12T00:00:00Z"}, "after 2262"),
        (EntityKind.RECIPE, {"procedure": []}, "at least 1 item"),
        (EntityKind.MATERIAL, {"tolerance": "1.01"}, "less than or equal to 1"),
        (EntityKind.LIMIT, {"target": float("nan")}, "finite number"),
        (EntityKind.LIMIT, {"stuck_after_s": 0}, "greater than 0"),
        (EntityKind.SUBLOT, {"part": "a#b"}, "not a lot id"),
        (EntityKind.UNIT, {"unit_id": "S-1"}, "no id of a unit"),
        (EntityKind.UNIT, {"lot": ""}, "not a lot id"),
        (EntityKind.PERSON, {"person": " li"}, "no id of a person"),
        (EntityKind.QUALIFICATION, {"operation": ""}, "for an operation, for a place"),
    ],
)
async def test_a_document_of_a_new_kind_that_contradicts_itself_is_refused(
    context: Context, kind: EntityKind, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidError, match=message):
        await put(context, kind, DOCUMENTS_OF[kind][1] | change)


async def test_every_kind_refers_to_what_must_be_there(context: Context) -> None:
    for kind in EntityKind:
        document = master_data.parse(kind, DOCUMENTS_OF[kind][1])
        assert document.key == DOCUMENTS_OF[kind][0]
        assert all(reference.kind is not kind for reference in document.references())
        if document.references():
            with pytest.raises(InvalidError, match="needs"):
                await put(context, kind, DOCUMENTS_OF[kind][1])


def test_versions_of_before_came_into_force_when_they_were_recorded() -> None:
    steps = {number: sql for number, _, sql in migrations("sqlite")}
    with closing(sqlite3.connect(":memory:")) as store:
        store.executescript(steps[2])
        rows = [(kind, "k", at, "{}", at * 10, "li") for kind in ("limit", "lot") for at in (1, 2)]
        store.executemany("INSERT INTO master_versions VALUES (?, ?, ?, ?, ?, ?)", rows)
        store.executescript(steps[9])
        found = store.execute(
            "SELECT kind, version, state, effective_from FROM master_versions ORDER BY 1, 2"
        ).fetchall()
    assert found == [
        ("limit", 1, "approved", 0),
        ("limit", 2, "approved", 20),
        ("lot", 1, "approved", 0),
        ("lot", 2, "approved", 0),
    ]
