"""Every form of a record says what the store says: counts and hashes (21 CFR 11.10(b))."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import jsonschema
import pyarrow.parquet as pq
import pytest
from lxml import etree

from aggregator.access import tokens
from aggregator.access.tokens import TokenKind
from aggregator.export.batchml import NAMESPACE
from aggregator.model.genealogy.edge import Edge, EdgeKind, Part
from aggregator.model.genealogy.item import check_item, lot_item
from aggregator.model.master.lot import check_lot_key
from aggregator.service import assemble_record, audit_trail
from aggregator.service.assemble_record import StoredRecord
from aggregator.service.genealogy import edges
from aggregator.site import create_app
from protocols.wire.reading import SECOND
from tests.data import third_party
from tests.recorded_plant import GTIN, QA, RecordedPlant, bundles_of, recorded_plant
from tests.sealed import START

TOLD = {"epcis.json": "epcis", "batchml.xml": "batchml"}
LOT = f"/api/v1/records/{GTIN}/L-1"


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[RecordedPlant]:
    async with recorded_plant(tmp_path) as opened:
        await opened.take(bundles_of(opened))
        yield opened


@pytest.fixture
async def stored(plant: RecordedPlant) -> StoredRecord:
    return await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")


@asynccontextmanager
async def client(plant: RecordedPlant) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client that calls the API as a person of quality does."""
    async with plant.context.store.write() as tx:
        _, token = await tokens.issue(tx, QA, TokenKind.SERVICE, now=plant.context.clock.now())
    transport = httpx.ASGITransport(app=create_app(plant.context))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers=headers
    ) as http:
        yield http


async def taken(plant: RecordedPlant, form: str) -> bytes:
    async with client(plant) as http:
        answer = await http.get(f"{LOT}.{form}")
    assert answer.status_code == 200, answer.text
    name = form.partition("?")[0]
    assert answer.headers["Content-Disposition"] == f'attachment; filename="L-1.{name}"'
    return answer.content


def ni(digest: str) -> str:
    """Return a SHA-256 as RFC 6920 writes it."""
    return "ni:///sha-256;" + base64.urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip("=")


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


@pytest.mark.clause("21 CFR 11.10(b)")
async def test_tables_have_the_readings_of_the_store(
    plant: RecordedPlant, stored: StoredRecord
) -> None:
    found = rows(await taken(plant, "csv"))
    assert len(found) == stored.summary.readings
    counted = {each["signal"]: each["readings"] for each in stored.document["signals"]}
    assert {signal: sum(row["signal"] == signal for row in found) for signal in counted} == counted
    for each in stored.document["parameters"]:
        own = [float(row["value"]) for row in found if row["signal"] == each["signal"]]
        assert (min(own), max(own)) == (each["figures"]["min"], each["figures"]["max"])
    (chain,) = stored.document["chains"]
    assert {row["epoch"] for row in found} == {chain["epoch"]}
    assert all(chain["first"] <= int(row["bundle"]) <= chain["last"] for row in found)
    columns = pq.read_table(io.BytesIO(await taken(plant, "parquet")))
    assert columns.num_rows == stored.summary.readings
    assert columns["reading"].to_pylist() == [int(row["reading"]) for row in found]
    named = columns.schema.metadata[b"lotproof.record"].decode()
    assert named == stored.summary.content_hash


@pytest.mark.clause("21 CFR 11.10(b)")
async def test_the_table_of_exceptions_is_the_record_s(
    plant: RecordedPlant, stored: StoredRecord
) -> None:
    data = await taken(plant, "exceptions.csv?bom=true")
    assert data.startswith(b"\xef\xbb\xbf")
    assert [row["id"] for row in rows(data)] == [
        each["id"] for each in stored.document["exceptions"]
    ]


@pytest.mark.clause("21 CFR 11.10(b)")
async def test_events_say_the_figures_of_the_record_and_name_its_evidence(
    plant: RecordedPlant, stored: StoredRecord
) -> None:
    schema = json.loads(third_party("epcis/EPCIS-JSON-Schema.json").read_text())
    document = json.loads(await taken(plant, "epcis.json"))
    judge = jsonschema.Draft7Validator(
        schema, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER
    )
    judge.validate(document)
    assert document["id"] == ni(stored.summary.content_hash)
    steps = [event["bizStep"] for event in document["epcisBody"]["eventList"]]
    assert {"arriving", "departing", "creating_class_instance", "sensor_reporting"} == set(steps)
    said = {
        element["sensorMetadata"]["rawData"]: element["sensorReport"][0]
        for event in document["epcisBody"]["eventList"]
        for element in event.get("sensorElementList", [])
    }
    for each in stored.document["parameters"]:
        report, figures = said[ni(each["series"]["sha256"])], each["figures"]
        assert report["minValue"] == figures["min"]
        assert report["maxValue"] == figures["max"]
        assert report["meanValue"] == figures["mean"]


@pytest.mark.clause("21 CFR 11.10(b)")
async def test_batchml_has_the_readings_and_exceptions_of_the_record(
    plant: RecordedPlant, stored: StoredRecord
) -> None:
    path = third_party("b2mml/Schema/BatchML-BatchProductionRecord.xsd")
    document = etree.fromstring(await taken(plant, "batchml.xml"))
    etree.XMLSchema(etree.parse(str(path))).assertValid(document)
    names = {"b": NAMESPACE}
    assert document.findtext("b:ID", namespaces=names) == stored.summary.content_hash
    for each in stored.document["parameters"]:
        (found,) = document.xpath(
            "//b:DataSet[b:Description=$name]", name=each["parameter"], namespaces=names
        )
        reference = found.findtext("b:ExternalReference", namespaces=names)
        assert reference == f"sha-256:{each['series']['sha256']}"
        lines = found.findtext(".//b:DelimitedData", namespaces=names).split(";")
        assert len(lines) == each["figures"]["readings"]
    told = document.xpath("//b:Event[b:Category]/b:ExternalReference/text()", namespaces=names)
    assert told == [each["id"] for each in stored.document["exceptions"]]


async def test_every_edge_of_a_lot_is_read_page_by_page(plant: RecordedPlant) -> None:
    own = lot_item(check_lot_key(GTIN, "L-1"))
    held = [
        Edge(
            kind=EdgeKind.AGGREGATION,
            start=START + (at % 7) * SECOND,  # many begin at one time
            end=None,
            inputs=(Part(item=check_item("carrier", f"3034{at:020x}")),),
            outputs=(Part(item=own),),
            source="wms",
        )
        for at in range(edges.EDGES_SHOWN + 7)
    ]
    await edges.add(plant.context, QA, held, why="packed")
    async with plant.context.store.read() as tx:
        found = [each.id async for each in edges.every_edge(tx, own)]
    assert sorted(found) == sorted(each.id for each in held)


async def test_what_has_not_ended_has_no_events_yet(tmp_path: Path) -> None:
    async with recorded_plant(tmp_path) as plant:
        await plant.take(bundles_of(plant)[:10])
        await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
        async with client(plant) as http:
            answer = await http.get(f"{LOT}.epcis.json")
    assert answer.status_code == 409
    assert "has not ended" in answer.json()["detail"]


@pytest.mark.parametrize(
    "form", ["csv", "exceptions.csv", "values.csv", "parquet", "epcis.json", "batchml.xml"]
)
async def test_each_form_is_told_to_the_audit(
    plant: RecordedPlant, stored: StoredRecord, form: str
) -> None:
    await taken(plant, form)
    last = (await audit_trail.page(plant.context, QA, after=-1, count=1000))[-1]
    assert (last["who"], last["act"]) == (QA.name, "export_record")
    assert last["after"] == {
        "version": 1,
        "hash": stored.summary.content_hash,
        "form": TOLD.get(form, form),
    }


@pytest.mark.parametrize("form", ["csv", "parquet", "epcis.json", "batchml.xml"])
async def test_what_has_changed_since_is_not_exported(tmp_path: Path, form: str) -> None:
    async with recorded_plant(tmp_path) as plant:
        bundles = bundles_of(plant)
        await plant.take(bundles[:14])
        await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
        await plant.take(bundles[14:])
        async with client(plant) as http:
            answer = await http.get(f"{LOT}.{form}")
    assert answer.status_code == 409
    assert "have come since version 1" in answer.json()["detail"]
