"""From sealed bundles to a record, its paper and its dossier; the verifier is the judge."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pypdf import PdfReader

from aggregator.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from aggregator.model.binding.fact import Authority, Fact, FactKind
from aggregator.model.master.equipment import EquipmentPath
from aggregator.model.master.lot import check_lot_key
from aggregator.model.record.batch_record import RecordState
from aggregator.service import assemble_record, audit_trail, export_record, facts
from aggregator.service.binding.coverage import coverage
from aggregator.service.export_dossier import export_dossier
from protocols.wire.reading import SECOND
from tests.recorded_plant import (
    ENGINEER,
    GTIN,
    OPERATOR,
    PRESS,
    QA,
    RecordedPlant,
    bundles_of,
    recorded_plant,
    sighting,
)
from tests.sealed import START
from tests.servers import Postgres, running_postgres
from verifier.report import Verdict
from verifier.verify import verify

LOT = check_lot_key(GTIN, "L-1")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
async def plant(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RecordedPlant]:
    url = ""
    if request.param == "postgres":
        url = request.getfixturevalue("server").database()
    async with recorded_plant(tmp_path, url) as opened:
        yield opened


async def test_a_lot_becomes_a_record_that_the_verifier_proves(plant: RecordedPlant) -> None:
    await plant.take(bundles_of(plant))
    stored = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
    document = stored.document
    assert stored.summary.state is RecordState.COMPLETE
    temperature, pressure = document["parameters"]
    assert temperature["figures"]["readings"] == 60
    assert {each["limit"] for each in temperature["excursions"]} == {"alert-high", "action-high"}
    assert pressure["excursions"] == []
    assert document["other_parameters"][0]["figures"]["readings"] == 30
    assert {each["kind"] for each in document["exceptions"]} == {"excursion"}
    assert document["seals"] == {"verified": 15, "refused": []}

    report = verify(await export_dossier(plant.context, QA, GTIN, "L-1"), plant.policy())
    assert report.verdict is Verdict.VERIFIED, report.to_text("en")


async def test_the_same_evidence_is_the_same_version_and_the_same_paper(
    plant: RecordedPlant,
) -> None:
    await plant.take(bundles_of(plant))
    one = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
    two = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
    assert one == two
    papers = {await export_record.export_pdf(plant.context, QA, GTIN, "L-1") for _ in range(2)}
    (paper,) = papers
    reader = PdfReader(io.BytesIO(paper))
    assert reader.attachments["record.json"] == [one.data]
    text = "".join(page.extract_text() for page in reader.pages)
    assert one.summary.content_hash in text
    assert await export_record.export_json(plant.context, QA, GTIN, "L-1") == one.data


async def test_bundles_in_any_order_give_the_same_record(
    plant: RecordedPlant, tmp_path_factory: pytest.TempPathFactory
) -> None:
    await plant.take(bundles_of(plant))
    async with recorded_plant(tmp_path_factory.mktemp("other")) as other:
        bundles = bundles_of(other)
        for data in [*bundles[::-1], *bundles[:5]]:
            await other.take([data])
        found = [
            (await assemble_record.assemble_record(each.context, QA, GTIN, "L-1")).data
            for each in (plant, other)
        ]
    assert found[0] == found[1]


async def test_a_record_is_open_until_the_chain_is_past_its_end(plant: RecordedPlant) -> None:
    bundles = bundles_of(plant)
    await plant.take(bundles[:14])  # 70 s: the lot's end has just been read
    early = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
    assert early.summary.state is RecordState.OPEN
    await plant.take(bundles[14:])
    late = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
    assert late.summary.state is RecordState.COMPLETE
    assert late.summary.version == 2
    assert late.document["earlier"] is None, "what came before it was complete is not late"


async def test_a_missing_bundle_is_no_complete_record(plant: RecordedPlant) -> None:
    bundles = bundles_of(plant)
    await plant.take([*bundles[:5], *bundles[6:]])
    stored = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
    kinds = {each["kind"] for each in stored.document["exceptions"]}
    assert stored.summary.state is RecordState.OPEN
    assert {"chain", "gap"} <= kinds
    with pytest.raises(ConflictError, match="bundles 5 to 5"):
        await export_dossier(plant.context, QA, GTIN, "L-1")
    await plant.take([bundles[5]])
    with pytest.raises(ConflictError, match="have come since"):
        await export_dossier(plant.context, QA, GTIN, "L-1")
    again = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
    assert again.summary.state is RecordState.COMPLETE


async def test_a_fact_is_corrected_and_never_changed(plant: RecordedPlant) -> None:
    await plant.take(bundles_of(plant))
    said = Fact(
        kind=FactKind.OCCUPANCY,
        start=START,
        end=START + 5 * SECOND,
        authority=Authority.OPERATOR,
        source="mes",
        equipment=EquipmentPath(PRESS),
        lot=LOT,
    )
    added = await facts.add(plant.context, OPERATOR, said, why="entered by hand")
    assert (await facts.add(plant.context, OPERATOR, said, why="again")).id == added.id
    gone = await facts.supersede(plant.context, OPERATOR, added.id, None, reason="wrong lot")
    assert gone.kind is FactKind.WITHDRAWAL
    with pytest.raises(ConflictError, match="corrected already"):
        await facts.supersede(plant.context, OPERATOR, added.id, None, reason="twice")
    held = await facts.of_lot(plant.context, QA, GTIN, "L-1")
    assert [fact.kind for fact in held] == [FactKind.WITHDRAWAL]
    trail = await audit_trail.page(plant.context, QA, after=-1, count=100)
    correction = trail[-1]
    assert (correction["who"], correction["why"]) == ("operator", "wrong lot")
    assert correction["before"]["source"] == "mes"


async def test_readings_speak_for_equipment_and_nobody_else_does(plant: RecordedPlant) -> None:
    boast = Fact(
        kind=FactKind.OCCUPANCY,
        start=START,
        end=None,
        authority=Authority.CONTROLLER,
        source="mes",
        equipment=EquipmentPath(PRESS),
        lot=LOT,
    )
    with pytest.raises(DeniedError, match="belongs to readings"):
        await facts.add(plant.context, OPERATOR, boast, why="boasting")


async def test_a_carrier_brings_its_lot(plant: RecordedPlant) -> None:
    epc = "30340000000000000000000a"
    link = Fact(
        kind=FactKind.ASSOCIATION,
        start=START,
        end=START + 600 * SECOND,
        authority=Authority.OPERATOR,
        source="packing",
        carrier=epc,
        lot=check_lot_key(GTIN, "L-2"),
    )
    await facts.add(plant.context, OPERATOR, link, why="loaded")
    gateway = plant.gateway
    first = gateway.seal([sighting(epc, at) for at in (20, 22, 24)], sealed_time=gateway.time)
    gateway.time = START + 60 * SECOND
    await plant.take([first, gateway.seal(), gateway.seal()])
    stored = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-2")
    (window,) = stored.document["windows"]
    assert window["start"]["time"].startswith("2026-09-21T14:13:40.000")
    assert window["end"]["time"].startswith("2026-09-21T14:13:44.000")
    assert stored.document["facts"][0]["authority"] == "rfid"


async def test_every_reading_is_of_a_lot_or_counted_as_of_none(plant: RecordedPlant) -> None:
    await plant.take(bundles_of(plant))
    found = await coverage(plant.context, ENGINEER, START, START + 160 * SECOND)
    counts = {each.signal.key.signal: each for each in found}
    pressure = counts["press-1/seal-pressure"]  # type: ignore[index]
    assert pressure.readings == 160
    assert [run.readings for run in pressure.unbound] == [10, 30]


async def test_nobody_makes_a_record_who_may_not(plant: RecordedPlant) -> None:
    with pytest.raises(DeniedError):
        await assemble_record.assemble_record(plant.context, OPERATOR, GTIN, "L-1")
    with pytest.raises(DeniedError):
        await export_dossier(plant.context, OPERATOR, GTIN, "L-1")
    with pytest.raises(NotFoundError, match="no lot"):
        await assemble_record.assemble_record(plant.context, QA, GTIN, "L-9")
    with pytest.raises(InvalidError, match="check digit"):
        await assemble_record.assemble_record(plant.context, QA, "09506000134353", "L-1")
    with pytest.raises(NotFoundError, match="no record"):
        await assemble_record.get(plant.context, QA, GTIN, "L-1")


async def test_a_reading_altered_in_the_store_is_named(plant: RecordedPlant) -> None:
    bundles = bundles_of(plant)
    await plant.take(bundles)
    await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
    dossier = await export_dossier(plant.context, QA, GTIN, "L-1")
    assert json.loads(await export_record.export_json(plant.context, QA, GTIN, "L-1"))["complete"]
    place = dossier.index(bundles[5][-40:])
    spoilt = bytearray(dossier)
    spoilt[place + 20] ^= 1
    report = verify(bytes(spoilt), plant.policy())
    assert report.verdict is Verdict.NOT_VERIFIED
