"""What a lot rested on, from the use cases to its record: master data of its time, typed values."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from aggregator.access.roles import Role
from aggregator.errors import (
    ConflictError,
    DeniedError,
    EvidenceError,
    InvalidError,
    NotFoundError,
)
from aggregator.model.binding.fact import Authority, Fact, FactKind
from aggregator.model.genealogy.edge import Edge, EdgeKind, Part, quantity
from aggregator.model.genealogy.item import Item, ItemKind, lot_item
from aggregator.model.master.equipment import EquipmentPath
from aggregator.model.master.lot import check_lot_key
from aggregator.model.master.recipe import ParameterName
from aggregator.model.record.batch_record import RecordState
from aggregator.model.record.entry import Entry
from aggregator.model.signature import Meaning
from aggregator.service import assemble_record, audit_trail, export_record, facts
from aggregator.service.assemble_record import StoredRecord
from aggregator.service.export_dossier import export_dossier
from aggregator.service.genealogy import edges, uses
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.service.master.master_data import Times
from aggregator.service.record import entries
from aggregator.service.review import doubts
from aggregator.store import registry
from protocols.wire.dossier.instant import format_time
from protocols.wire.reading import SECOND
from tests.personal import cheap_passwords, person
from tests.recorded_plant import (
    ENGINEER,
    GTIN,
    OPERATOR,
    PRESS,
    QA,
    bundles_of,
    recorded_plant,
)
from tests.reviewed_plant import LOT, Floor, opened
from tests.sealed import START, key_named
from tests.servers import Postgres, running_postgres
from verifier.report import Verdict
from verifier.verify import verify

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]
FILM = check_lot_key("04012345123456", "F-7")
SIGNAL = {"gateway": "gw-01", "signal": "press-1/seal-pressure"}
LIMIT = {
    "gtin": GTIN,
    "parameter": "seal pressure",
    **SIGNAL,
    "unit": "bar",
    "action_low": 3.5,
    "action_high": 4.5,
    "gap_max_s": 3,
}


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
async def floor(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Floor]:
    postgres = request.param == "postgres"
    url = request.getfixturevalue("server").database() if postgres else ""
    async with opened(tmp_path, url) as found:
        yield found


async def put(
    floor: Floor,
    kind: EntityKind,
    document: dict[str, Any],
    *,
    version: int | None = None,
    times: Times = master_data.NO_TIMES,
) -> None:
    parsed = master_data.parse(kind, document)
    await master_data.put(
        floor.context, ENGINEER, parsed, expected_version=version, why="set up", times=times
    )


async def assembled(floor: Floor) -> StoredRecord:
    return await assemble_record.assemble_record(floor.context, QA, GTIN, "L-1")


def found(record: StoredRecord, kind: str) -> list[dict[str, Any]]:
    return [each for each in record.document["exceptions"] if each["kind"] == kind]


def instant(second: float) -> str:
    return format_time(START + round(second * SECOND))


@pytest.mark.clause("21 CFR 11.10(k)")
@pytest.mark.req(16)
async def test_an_old_record_keeps_its_old_limits(floor: Floor) -> None:
    before = (await floor.standing()).newest
    await put(floor, EntityKind.LIMIT, {**LIMIT, "action_high": 3.9}, version=1)
    again = await assembled(floor)
    assert again.data == before.data, "the new limit is in force from now on, and not for L-1"
    assert again.document["master"][f"limit {GTIN}/seal pressure"] == 1

    right = {**LIMIT, "action_high": 3.95}  # says that it was in force already
    await put(floor, EntityKind.LIMIT, right, version=2, times=Times(start=START))
    judged = await assembled(floor)
    assert judged.document["master"][f"limit {GTIN}/seal pressure"] == 3
    assert found(judged, "excursion")[-1]["details"]["value"] == 3.95
    kept = await assemble_record.get(floor.context, QA, GTIN, "L-1", version=1)
    assert kept.data == before.data


async def test_a_record_cites_all_that_decided_it(floor: Floor) -> None:
    record = (await floor.standing()).newest
    cited = record.document["master"]
    assert cited[f"lot {GTIN}/L-1"] == 1
    assert {name.partition(" ")[0] for name in cited} == {
        *("lot", "limit", "work_order", "job", "signal", "equipment", "material")
    }
    assert cited["signal gw-01/press-1/plate-temperature"] == 1
    assert cited[f"equipment {PRESS}"] == 1


async def test_a_units_change_during_the_lot_is_told(floor: Floor) -> None:
    signal = {**SIGNAL, "equipment": PRESS, "value_kind": "float64", "unit": "kPa"}
    start = START + 30 * SECOND
    await put(floor, EntityKind.SIGNAL, signal, version=1, times=Times(start=start))
    record = await assembled(floor)
    (item,) = found(record, "unit_changed")
    assert (item["start"], item["details"]) == (instant(30), {"before": "bar", "after": "kPa"})
    assert record.document["master"]["signal gw-01/press-1/seal-pressure"] == 2


async def put_sensor(floor: Floor) -> None:
    sensor = {"physical_asset": "P-900"}
    await put(floor, EntityKind.PHYSICAL_ASSET, sensor)
    fitted = {**sensor, **SIGNAL, "valid_from": instant(-86_400)}
    await put(floor, EntityKind.INSTALLATION, fitted)
    await put_calibration(floor, "C-1", -3600, "not_tested", next_due=instant(86_400))


async def put_calibration(
    floor: Floor, certificate: str, performed: float, as_found: str, **rest: Any
) -> None:
    document = {
        "certificate": certificate,
        "physical_asset": "P-900",
        "performed": instant(performed),
        "as_found": as_found,
        "as_left": "passed",
        **rest,
    }
    await put(floor, EntityKind.CALIBRATION, document)


@pytest.mark.req(9)
async def test_a_calibration_that_failed_reopens_the_lots_since_the_last_good_one(
    floor: Floor,
) -> None:
    await put_sensor(floor)
    good = await assembled(floor)
    assert good.document["parameters"][1]["instruments"] == [
        {
            "start": good.document["window"]["start"],
            "end": good.document["window"]["end"],
            "sensor": "P-900",
            "calibration": "calibrated",
            "certificate": "C-1",
        }
    ]
    assert good.document["master"]["calibration C-1"] == 1
    await uses.refresh(floor.context)
    used = await edges.of_item(floor.context, QA, Item(ItemKind.CALIBRATION, "C-1"))
    assert [part.item for edge in used for part in edge.outputs] == [lot_item(LOT)]
    await floor.release()

    await put_calibration(floor, "C-2", 40_000, "passed")
    assert (await assembled(floor)).data == good.data
    assert await doubts.lots_in_doubt(floor.context, QA, "C-2") == ()

    await put_calibration(floor, "C-0", 3_600, "failed")  # told of later than C-2
    (lot,) = await doubts.lots_in_doubt(floor.context, QA, "C-0")
    assert (lot.lot, lot.told) == (LOT, False)
    with pytest.raises(DeniedError):
        await doubts.reopen(floor.context, OPERATOR, "C-0")
    (lot,) = await doubts.reopen(floor.context, QA, "C-0")
    assert lot.told
    standing = await floor.standing()
    assert standing.disposition.later is not None, "an addendum is due"
    (item,) = found(standing.newest, "calibration")
    assert item["details"] == {
        "state": "failed",
        "sensor": "P-900",
        "certificate": "C-0",
        "reason": "as_found",
    }
    with pytest.raises(NotFoundError):
        await doubts.lots_in_doubt(floor.context, QA, "C-9")


@pytest.mark.req(9)
async def test_an_operator_without_training_is_told(floor: Floor) -> None:
    recipe = {
        "gtin": GTIN,
        "revision": "1",
        "procedure": [
            {
                "name": "press",
                "operations": [
                    {
                        "name": "heat sealing",
                        "personnel": "qualified",
                        "phases": [{"name": "heat up"}, {"name": "dwell"}],
                    }
                ],
            }
        ],
    }
    await put(floor, EntityKind.RECIPE, recipe)
    (item,) = found(await assembled(floor), "operator_not_qualified")
    assert item["details"] == {"operation": "heat sealing", "person": ""}

    by_hand = Fact(
        kind=FactKind.OCCUPANCY,
        start=START - 40 * SECOND,
        end=START - 5 * SECOND,
        authority=Authority.OPERATOR,
        source="li.wei",
        equipment=EquipmentPath(PRESS),
        lot=LOT,
    )
    await facts.add(floor.context, OPERATOR, by_hand, why="a first run")
    assert "li.wei" in {
        each["details"]["person"]
        for each in found(await assembled(floor), "operator_not_qualified")
    }
    await put(floor, EntityKind.PERSON, {"person": "li.wei", "name": "Li Wei"})
    training = {
        "qualification": "T-1",
        "person": "li.wei",
        "operation": "heat sealing",
        "valid_from": instant(-100),
    }
    await put(floor, EntityKind.QUALIFICATION, training)
    record = await assembled(floor)
    people = {each["details"]["person"] for each in found(record, "operator_not_qualified")}
    assert "li.wei" not in people
    assert record.document["master"]["qualification T-1"] == 1
    assert record.document["recipe"] == {"revision": "1", "name": ""}


async def test_a_phase_is_judged_and_proved_over_its_own_time(floor: Floor) -> None:
    recipe = {
        "gtin": GTIN,
        "revision": "1",
        "procedure": [
            {
                "name": "press",
                "operations": [{"name": "heat sealing", "phases": [{"name": "dwell"}]}],
            }
        ],
    }
    await put(floor, EntityKind.RECIPE, recipe)
    times = Times(start=START)
    await put(floor, EntityKind.LIMIT, {**LIMIT, "phase": "dwell"}, version=1, times=times)
    dwell = Fact(
        kind=FactKind.PHASE,
        start=START + 20 * SECOND,
        end=START + 50 * SECOND,
        authority=Authority.OPERATOR,
        source="mes",
        equipment=EquipmentPath(PRESS),
        text="dwell",
    )
    await facts.add(floor.context, OPERATOR, dwell, why="told by the MES")
    record = await assembled(floor)
    whole, phase = record.document["sections"]
    assert (whole["operation"], whole["run"], whole["phase"]) == ("heat sealing", 1, None)
    assert (phase["phase"], phase["intervals"]) == ("dwell", [[instant(20), instant(50)]])
    assert phase["parameters"][0]["figures"]["readings"] == 30
    pressure = record.document["parameters"][1]
    assert pressure["figures"]["readings"] == 30
    paper = await export_record.export_pdf(floor.context, QA, GTIN, "L-1")
    text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(paper)).pages)
    assert "sealing1/dwell" in "".join(text.split())
    dossier = await export_dossier(floor.context, QA, GTIN, "L-1")
    report = verify(dossier, floor.plant.policy())
    assert report.verdict is Verdict.VERIFIED, report.to_text("en")


async def test_film_that_was_held_and_out_of_date_is_told(floor: Floor) -> None:
    await put(floor, EntityKind.MATERIAL, {"gtin": FILM.gtin, "name": "Film"})
    film = {"gtin": FILM.gtin, "lot": FILM.lot, "material": "Film", "expires": instant(30)}
    await put(floor, EntityKind.LOT, film)
    material = {"gtin": GTIN, "name": "Sterile barrier pouch", "tolerance": "0.05"}
    await put(floor, EntityKind.MATERIAL, material, version=1, times=Times(start=1))
    edge = Edge(
        kind=EdgeKind.TRANSFORMATION,
        start=START + 10 * SECOND,
        end=START + 70 * SECOND,
        inputs=(Part(item=lot_item(FILM), quantity=quantity("10", "kg")),),
        outputs=(Part(item=lot_item(LOT), quantity=quantity("9", "kg")),),
        source="mes",
    )
    await edges.add(floor.context, QA, [edge], why="weighed")
    record = await assembled(floor)
    (expired,) = found(record, "expired_material")
    assert expired["subject"] == str(FILM)
    (balance,) = found(record, "mass_balance")
    assert balance["details"]["tolerance"] == "0.05"
    assert record.document["materials"][0]["lot"] == {"gtin": FILM.gtin, "lot": FILM.lot}
    assert record.document["master"][f"lot {FILM.gtin}/{FILM.lot}"] == 1


async def test_film_that_was_held_when_it_was_used_is_told(floor: Floor) -> None:
    li, chen = await floor.li.log_in(), await floor.chen.log_in()
    await assemble_record.assemble_record(floor.context, QA, GTIN, "L-2")
    other = check_lot_key(GTIN, "L-2")
    before = floor.clock.now()
    await floor.sign(floor.li, li, Meaning.HELD, lot="L-2")
    during = floor.clock.now()
    await floor.sign(floor.chen, chen, Meaning.HOLD_LIFTED, lot="L-2")
    for start, count in ((before - SECOND, 0), (during, 1)):
        edge = Edge(
            kind=EdgeKind.TRANSFORMATION,
            start=start,
            end=start,
            inputs=(Part(item=lot_item(other)),),
            outputs=(Part(item=lot_item(LOT)),),
            source="mes",
        )
        await edges.add(floor.context, QA, [edge], why="told by the MES")
        record = await assembled(floor)
        assert len(found(record, "held_material")) == count
        assert record.document["balances"][0]["state"] == "unknown"


@pytest.mark.parametrize(("taken", "told"), [(8, 1), (20, 0)])
async def test_a_key_that_was_revoked_within_the_lot_is_told(
    tmp_path: Path, taken: int, told: int
) -> None:
    async with recorded_plant(tmp_path) as plant:
        gateway, other = plant.gateway, key_named("the one that came after")
        await plant.take(bundles_of(plant, seconds=5 * taken))  # L-1 takes 10 s to 70 s
        kid = gateway.key.public.kid
        async with plant.context.store.write() as tx:
            await registry.add_key(tx, "gw-01", other.public, by="engineer", now=2)
            await registry.revoke_key(tx, "gw-01", kid, reason="stolen", by="engineer", now=3)
        gateway.key = other
        await plant.take(bundles_of(plant, first=5 * taken))
        record = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
        assert record.summary.state is RecordState.COMPLETE
        items = found(record, "key_revoked")
        assert [each["details"] for each in items] == told * [
            {
                "key": kid.hex(),
                "epoch": gateway.epoch.hex(),
                "number": taken,
                "reason": "stolen",
            }
        ]


def typed(by: str, value: str = "121.5", **changes: Any) -> Entry:
    said = {
        "lot": LOT,
        "parameter": ParameterName("plate temperature"),
        "unit": "Cel",
        "time": START + 20 * SECOND,
        "reason": "the display was read",
    }
    return Entry(value=value, by=by, **{**said, **changes})


@pytest.mark.req(18)
async def test_a_typed_value_is_checked_by_a_second_person(floor: Floor) -> None:
    zhao = await person(floor.context, floor.clock, "op.zhao", "Zhao Lei", Role.OPERATOR)
    qian = await person(floor.context, floor.clock, "op.qian", "Qian Yu", Role.OPERATOR)
    one, other = await zhao.log_in(), await qian.log_in()
    entry = await entries.add(floor.context, one, typed("op.zhao"))
    assert await entries.add(floor.context, one, typed("op.zhao")) == entry
    before = await assembled(floor)
    (item,) = found(before, "unchecked_entry")
    assert item["details"]["by"] == "op.zhao"
    with pytest.raises(ConflictError, match="typed themselves"):
        await entries.check(floor.context, one, entry.id, of=LOT, reason="I am sure")
    checked = await entries.check(floor.context, other, entry.id, of=LOT, reason="seen as well")
    assert checked.check is not None
    with pytest.raises(ConflictError, match="already"):
        await entries.check(floor.context, other, entry.id, of=LOT, reason="again")
    after = await assembled(floor)
    assert not found(after, "unchecked_entry")
    (shown,) = after.document["entries"]
    assert (shown["source"], shown["check"]["by"]) == ("op.zhao", "op.qian")
    assert after.summary.readings == before.summary.readings
    trail = await audit_trail.page(floor.context, QA, after=-1, count=1000)
    acts = [(each["who"], each["act"]) for each in trail if each["what"] == f"entry {entry.id}"]
    assert acts == [("op.zhao", "enter_value"), ("op.qian", "check_entry")]
    paper = await export_record.export_pdf(floor.context, QA, GTIN, "L-1")
    text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(paper)).pages)
    assert "op.zhao" in text
    assert "op.qian" in text


async def test_a_typed_value_is_corrected_and_both_stay(floor: Floor) -> None:
    zhao = await person(floor.context, floor.clock, "op.zhao", "Zhao Lei", Role.OPERATOR)
    session = await zhao.log_in()
    wrong = await entries.add(floor.context, session, typed("op.zhao", "1215"))
    assert len(found(await assembled(floor), "excursion")) == 4
    right = await entries.correct(
        floor.context, session, wrong.id, typed("op.zhao"), of=LOT, reason="a dot was missing"
    )
    assert right.supersedes == wrong.id
    with pytest.raises(ConflictError, match="corrected already"):
        await entries.correct(floor.context, session, wrong.id, None, of=LOT, reason="twice")
    record = await assembled(floor)
    assert [each["value"] for each in record.document["entries"]] == ["1215", "121.5"]
    assert len(found(record, "excursion")) == 2
    gone = await entries.correct(floor.context, session, right.id, None, of=LOT, reason="no")
    assert gone.value is None
    other, unknown = check_lot_key(GTIN, "L-2"), check_lot_key(GTIN, "L-9")
    later = floor.context.clock.now() + SECOND
    with pytest.raises(NotFoundError):
        await entries.check(floor.context, session, gone.id, of=other, reason="seen")
    with pytest.raises(InvalidError, match="has not come"):
        await entries.add(floor.context, session, typed("op.zhao", time=later))
    with pytest.raises(InvalidError, match="no lot"):
        await entries.add(floor.context, session, typed("op.zhao", lot=unknown))


@pytest.mark.req(21)
async def test_an_entry_altered_in_the_store_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as floor:
        zhao = await person(floor.context, floor.clock, "op.zhao", "Zhao Lei", Role.OPERATOR)
        entry = await entries.add(floor.context, await zhao.log_in(), typed("op.zhao"))
        with contextlib.closing(sqlite3.connect(tmp_path / "aggregator.db")) as database:
            database.execute("UPDATE manual_entries SET value = '119.5'")
            database.commit()
        with pytest.raises(EvidenceError, match="not as it was typed"):
            await assembled(floor)
        trail = await audit_trail.page(floor.context, QA, after=-1, count=1000)
        (told,) = (each["after"] for each in trail if each["what"] == f"entry {entry.id}")
        assert told["value"] == "121.5", "what was typed stays visible"


async def test_nobody_types_who_may_not(floor: Floor) -> None:
    chen = await floor.chen.log_in()
    with pytest.raises(DeniedError):
        await entries.add(floor.context, chen, typed("chen.jie"))
    assert json.loads((await assembled(floor)).data)["entries"] == []
