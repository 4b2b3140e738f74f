"""A record as BatchML: the schema of MESA takes it, and it says what the record says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lxml import etree

from aggregator.export.batchml import NAMESPACE, write_batchml
from aggregator.export.pdf.view import Version
from aggregator.model.record.assemble import assemble, bound
from aggregator.model.record.batch_record import content_hash
from aggregator.model.record.document import encode_record
from protocols.wire.reading import Status
from tests.cases.record_case import GTIN, Arrived, at, inputs_of
from tests.data import third_party

IN = {"b": NAMESPACE}
CASE: dict[str, Any] = {
    "lot": [GTIN, "L-1"],
    "signals": [
        {"signal": "press-1/temperature", "unit": "Cel"},
        {"signal": "press-1/message", "kind": "TEXT"},
    ],
    "parameters": [
        {
            "parameter": name,
            "signal": signal,
            "gap_max_s": 3,
            "criticality": criticality,
            "unit": unit,
            "limits": limits,
        }
        for name, signal, criticality, unit, limits in (
            ("temperature", "press-1/temperature", "critical", "Cel", {"action_high": 125}),
            ("message \x01 <b>", "press-1/message", "monitored", "", {}),
        )
    ],
    "facts": [{"lot": [GTIN, "L-1"], "start": 0, "end": 20}],
}
TYPED: dict[str, Any] = {
    "parameter": "pressure",
    "value": "4.1",
    "unit": "bar",
    "at": 5,
    "by": "op.zhao",
    "checked_by": "op.qian",
    "reason": "the display was read",
}
PEEL: dict[str, Any] = {
    "result": "LIMS-77",
    "test": "peel \x01 <b>",
    "value": "1.50",
    "unit": "N",
    "at": 60,
    "verdict": "fail",
    "specification": "at least 2.0 N",
    "analyst": "wang",
    "instrument": "3",
}
FOUND: dict[str, Any] = {
    "entries": [TYPED, TYPED | {"value": None, "supersedes": "m-1", "at": 6}],
    "test_results": [
        PEEL,
        PEEL | {"value": "2.50", "verdict": "pass", "version": 2},
        {"result": "LIMS-78", "test": "colour", "value": "white"},
    ],
}


def made(**changes: Any) -> tuple[dict[str, Any], bytes]:
    readings = [
        Arrived(signal="press-1/temperature", time=at(t), value=120.5 + t / 2, position=t)
        for t in range(-3, 25)
    ]
    readings.append(
        Arrived(signal="press-1/temperature", time=at(7.5), value=None, status=Status.BAD)
    )
    readings.append(Arrived(signal="press-1/message", time=at(5), value="a;b,\x02", position=90))
    inputs = inputs_of({**CASE, **changes}, readings)
    data = encode_record(assemble(inputs))
    record = json.loads(data)
    # A case has no evidence, so it names none; where there is evidence, critical ones are first.
    record["parameters"] = record.pop("other_parameters")
    record["other_parameters"] = []
    version = Version(
        number=2,
        content_hash=content_hash(data),
        recorded=at(99),
        recorded_by="qa",
        checkpoint="",
    )
    return record, write_batchml(record, version, bound(inputs))


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    path = third_party("b2mml/Schema/BatchML-BatchProductionRecord.xsd")
    return etree.XMLSchema(etree.parse(str(path)))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"facts": [{"lot": [GTIN, "L-1"], "start": 0, "end": None}]},
        {"facts": []},
        {"facts": [{"lot": [GTIN, "L-1"], "start": 1, "end": 1}]},
        FOUND,
    ],
    ids=["whole", "open", "nowhere", "no length", "found"],
)
def test_the_schema_of_mesa_takes_it(schema: etree.XMLSchema, changes: dict[str, Any]) -> None:
    document = etree.fromstring(made(**changes)[1])
    assert schema.validate(document), schema.error_log
    document.find("b:Events", IN).append(etree.Element(f"{{{NAMESPACE}}}Nonsense"))
    assert not schema.validate(document), "the judge is awake"


def test_the_same_version_is_the_same_bytes() -> None:
    assert made()[1] == made()[1]


def test_it_says_what_the_record_says() -> None:
    record, data = made()
    document = etree.fromstring(data)
    assert document.findtext("b:LotID", namespaces=IN) == "L-1"
    assert document.findtext("b:MaterialDefinitionID", namespaces=IN) == GTIN
    assert document.findtext("b:EquipmentScope", namespaces=IN) == record["windows"][0]["equipment"]
    values = {
        value.findtext("b:Key", namespaces=IN): value.findtext("b:ValueString", namespaces=IN)
        for value in document.iterfind("b:Events/b:Event/b:Value", IN)
        if value.getparent().findtext("b:Description", namespaces=IN) == "temperature"
    }
    (figures,) = [each["figures"] for each in record["parameters"] if each["unit"] == "Cel"]
    assert {name: values[name] for name in ("readings", "bad", "max", "mean")} == {
        name: str(figures[name]) for name in ("readings", "bad", "max", "mean")
    }
    told = document.xpath("//b:Event[b:Category]/b:ExternalReference/text()", namespaces=IN)
    assert told == [each["id"] for each in record["exceptions"]]


def test_a_data_set_has_every_reading() -> None:
    record, data = made()
    document = etree.fromstring(data)
    (found,) = document.xpath("//b:DataSet[b:Description='temperature']", namespaces=IN)
    lines = found.findtext("b:DelimitedDataBlock/b:DelimitedData", namespaces=IN).split(";")
    (figures,) = [each["figures"] for each in record["parameters"] if each["unit"] == "Cel"]
    assert len(lines) == figures["readings"] == 21
    assert lines[0] == "2026-11-18T11:06:40.000000000Z,120.5,GOOD"
    assert lines[8] == "2026-11-18T11:06:47.500000000Z,,BAD"


def test_what_persons_typed_and_laboratories_found_is_said() -> None:
    record, data = made(**FOUND)
    document = etree.fromstring(data)
    typed, gone = document.xpath("//b:Event[b:EventType='Operator']", namespaces=IN)
    assert typed.xpath("b:PersonID/text()", namespaces=IN) == ["op.zhao", "op.qian"]
    assert typed.findtext("b:Value/b:ValueString", namespaces=IN) == "4.1"
    assert typed.findtext("b:ExternalReference", namespaces=IN) == record["entries"][0]["id"]
    assert gone.find("b:Value", IN) is None
    assert gone.findtext("b:AssociatedEventID", namespaces=IN) == "m-1"
    peel, colour = document.xpath("//b:Sample/b:SampleTest", namespaces=IN)
    assert peel.findtext("b:TestName", namespaces=IN) == "peel \ufffd <b>"
    for path, values in (
        ("b:ExternalReference", ["1", "2"]),
        ("b:TestDisposition", ["superseded", "pass"]),
        ("b:Results/b:ValueString", ["1.50", "2.50"]),
        ("b:ExpectedResults/b:ValueString", ["at least 2.0 N", "at least 2.0 N"]),
    ):
        assert peel.xpath(f"b:SampleTestResult/{path}/text()", namespaces=IN) == values
    (plain,) = colour.iterfind("b:SampleTestResult", IN)
    assert plain.findtext("b:TestDisposition", namespaces=IN) == "not_judged"
    assert plain.find("b:ExpectedResults", IN) is None
    assert etree.fromstring(made()[1]).find("b:Samples", IN) is None


def test_what_xml_cannot_hold_is_marked_and_nothing_is_markup() -> None:
    document = etree.fromstring(made()[1])
    (found,) = document.xpath(
        "//b:DataSet[b:TagSpecification/b:DataType='string' and "
        "contains(b:Description, 'message')]",
        namespaces=IN,
    )
    assert found.findtext("b:Description", namespaces=IN) == "message \ufffd <b>"
    block = found.findtext("b:DelimitedDataBlock/b:DelimitedData", namespaces=IN)
    assert block == '2026-11-18T11:06:45.000000000Z,"a;b,\\u0002",GOOD'
