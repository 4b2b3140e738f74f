"""Every form of a record says what the store says: counts and hashes (21 CFR 11.10(b))."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest

from aggregator.access import tokens
from aggregator.access.tokens import TokenKind
from aggregator.service import assemble_record, audit_trail
from aggregator.service.assemble_record import StoredRecord
from aggregator.site import create_app
from tests.recorded_plant import GTIN, QA, RecordedPlant, bundles_of, recorded_plant

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


@pytest.mark.parametrize("form", ["csv", "exceptions.csv", "parquet"])
async def test_each_form_is_told_to_the_audit(
    plant: RecordedPlant, stored: StoredRecord, form: str
) -> None:
    await taken(plant, form)
    last = (await audit_trail.page(plant.context, QA, after=-1, count=1000))[-1]
    assert (last["who"], last["act"]) == (QA.name, "export_record")
    assert last["after"] == {"version": 1, "hash": stored.summary.content_hash, "form": form}


@pytest.mark.parametrize("form", ["csv", "parquet"])
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
