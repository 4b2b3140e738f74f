"""Test results of a laboratory: from the import to the record, its review and what leaves."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from lxml import etree
from pypdf import PdfReader

from aggregator.access.roles import Actor, Role
from aggregator.errors import ConflictError
from aggregator.export.batchml import NAMESPACE
from aggregator.export.languages import CATALOGUES, Language
from aggregator.model.disposition import Stage
from aggregator.model.record.batch_record import RecordState
from aggregator.model.signature import Meaning
from aggregator.ops.rebinder import Rebinder
from aggregator.service import assemble_record, export_forms, export_record
from aggregator.service.assemble_record import StoredRecord
from aggregator.service.binding.rebind import Why, overtaken, rebind
from aggregator.service.export_dossier import export_dossier
from aggregator.service.integration import imports
from aggregator.service.integration.items import Changes, Outcome
from tests.data import third_party
from tests.personal import cheap_passwords
from tests.recorded_plant import GTIN, QA
from tests.reviewed_plant import Floor, opened
from tests.servers import Postgres, running_postgres
from verifier.report import Verdict
from verifier.verify import verify

pytestmark = [pytest.mark.usefixtures("cheap_passwords"), pytest.mark.req(5)]
__all__ = ["cheap_passwords"]

LIMS: Final = Actor(name="lims", roles=frozenset({Role.INTEGRATION}))
PEEL: Final[dict[str, Any]] = {
    "gtin": GTIN,
    "lot": "L-1",
    "result": "LIMS-77",
    "test": "peel strength",
    "value": "1.50",
    "unit": "N",
    "verdict": "fail",
    "specification": "at least 2.0 N",
    "instrument": "tester 3",
    "analyst": "wang",
    "time": "2026-11-22T16:00:00+08:00",
}
WIDTH: Final = PEEL | {
    "result": "LIMS-78",
    "test": "seal width",
    "value": "8.2",
    "unit": "mm",
    "verdict": "pass",
    "specification": "",
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


async def give(floor: Floor, *results: dict[str, Any]) -> list[Outcome]:
    """Let the laboratory's system import results, corrections among them."""
    channel = await imports.channel_named(floor.context, "test-results")
    terms = channel.terms(Changes.TAKE, "the laboratory is done")
    judged = await imports.take_all(floor.context, LIMS, channel, json.dumps(results), terms)
    return [each.outcome for each in judged]


async def assembled(floor: Floor) -> StoredRecord:
    return await assemble_record.assemble_record(floor.context, QA, GTIN, "L-1")


def failed(record: StoredRecord) -> list[dict[str, Any]]:
    return [each for each in record.document["exceptions"] if each["kind"] == "failed_test"]


async def test_results_are_a_part_of_the_record_and_of_its_proof(floor: Floor) -> None:
    before = await assembled(floor)
    assert before.document["test_results"] == []
    assert await give(floor, PEEL, WIDTH) == [Outcome.CREATED, Outcome.CREATED]
    record = await assembled(floor)
    assert (record.summary.version, record.summary.state) == (2, RecordState.COMPLETE)
    peel, width = record.document["test_results"]
    assert (peel["result"], peel["value"], peel["version"]) == ("LIMS-77", "1.50", 1)
    assert (peel["source"], peel["superseded"]) == ("lims", False)
    assert peel["time"] == "2026-11-22T08:00:00.000000000Z"
    assert width["verdict"] == "pass"
    (item,) = failed(record)
    assert (item["subject"], item["details"]["version"]) == ("peel strength", 1)
    passed = record.document["checks"]["by_kind"]
    assert passed["failed_test"] == 1
    assert record.summary.readings == before.summary.readings
    report = verify(await export_dossier(floor.context, QA, GTIN, "L-1"), floor.plant.policy())
    assert report.verdict is Verdict.VERIFIED, report.to_text("en")


async def test_a_corrected_result_supersedes_and_the_old_one_stays(floor: Floor) -> None:
    await give(floor, PEEL)
    first = await assembled(floor)
    assert await give(floor, PEEL | {"value": "2.50", "verdict": "pass"}) == [Outcome.CHANGED]
    second = await assembled(floor)
    assert [
        (each["value"], each["version"], each["superseded"])
        for each in second.document["test_results"]
    ] == [("1.50", 1, True), ("2.50", 2, False)]
    assert failed(first)
    assert not failed(second)
    kept = await assemble_record.get(floor.context, QA, GTIN, "L-1", version=2)
    assert kept.data == first.data, "the bytes of a version never change"
    assert await give(floor, PEEL | {"value": "2.50", "verdict": "pass"}) == [Outcome.SAME]
    assert (await assembled(floor)).data == second.data


@pytest.mark.req(16)
async def test_a_result_that_comes_after_the_release_waits_for_an_addendum(floor: Floor) -> None:
    await rebind(floor.context)
    await assembled(floor)  # the readings are known; nothing is waited for
    li, chen = await floor.release()
    released = (await floor.standing()).newest
    await give(floor, PEEL)
    (waiting,) = await overtaken(floor.context, QA)
    assert (waiting.lot.lot, waiting.why) == ("L-1", Why.TEST_RESULT)
    floor.clock.skip(int(floor.context.settings.records.assemble_seconds) + 1)
    await Rebinder(floor.context).catch_up()
    assert await overtaken(floor.context, QA) == []
    standing = await floor.standing()
    assert standing.disposition.stage is Stage.RELEASED
    assert standing.decided.data == released.data
    assert "test_results" in standing.changed
    (item,) = failed(standing.newest)
    assert item["id"] in standing.disposition.undecided
    with pytest.raises(ConflictError, match="waits for its decision"):
        await floor.sign(floor.chen, chen, Meaning.ADDENDUM)
    await floor.accept_all(floor.li, li)
    after = await floor.sign(floor.chen, chen, Meaning.ADDENDUM)
    assert after.disposition.covered == after.newest.summary.content_hash


@pytest.mark.parametrize("language", Language)
async def test_results_are_on_paper_and_in_the_tables(tmp_path: Path, language: Language) -> None:
    async with opened(tmp_path) as floor:
        await give(floor, PEEL, WIDTH)
        await give(floor, PEEL | {"value": "2.50", "verdict": "pass"})
        await assembled(floor)
        words = CATALOGUES[language]
        paper = await export_record.export_pdf(floor.context, QA, GTIN, "L-1", words)
        table = (await export_forms.export_values(floor.context, QA, GTIN, "L-1")).decode()
        markup = await export_forms.export_batchml(floor.context, QA, GTIN, "L-1")
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(paper)).pages)
    for shown in ("LIMS-77", "1.50", "2.50", "seal width", "wang"):
        assert shown in text
    for word in ("test_results", "test.fail", "test.pass", "entry.corrected"):
        assert words[word] in text
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert [(row["id"], row["version"], row["superseded"]) for row in rows] == [
        ("LIMS-77", "1", "true"),
        ("LIMS-77", "2", "false"),
        ("LIMS-78", "1", "false"),
    ]
    document = etree.fromstring(markup)
    path = third_party("b2mml/Schema/BatchML-BatchProductionRecord.xsd")
    etree.XMLSchema(etree.parse(str(path))).assertValid(document)
    said = document.xpath("//b:TestDisposition/text()", namespaces={"b": NAMESPACE})
    assert said == ["superseded", "pass", "pass"]
