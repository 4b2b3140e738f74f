"""A record as EPCIS 2.0: GS1's schema takes it, its event ids are CBV's, our checks refuse more."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any

import jsonschema
import pytest

from aggregator.errors import ExportError
from aggregator.export.epcis.checks import check_document, faults_of
from aggregator.export.epcis.decisions import Decision
from aggregator.export.epcis.document import write_epcis
from aggregator.export.epcis.event_id import event_id, pre_hash
from aggregator.export.epcis.genealogy import makes
from aggregator.export.epcis.naming import Naming
from aggregator.export.epcis.units import unit_of
from aggregator.model.genealogy.edge import Edge, EdgeKind, Part, Quantity, quantity
from aggregator.model.genealogy.item import Item, ItemKind, lot_item, parse_item
from aggregator.model.master.lot import check_lot_key
from aggregator.model.record.assemble import assemble
from aggregator.model.record.batch_record import content_hash
from aggregator.model.record.document import encode_record
from aggregator.model.signature import Meaning
from tests.cases.record_case import GTIN, UNIT, Arrived, at, inputs_of
from tests.data import third_party

CASE: dict[str, Any] = {
    "lot": [GTIN, "L/1"],
    "signals": [
        {"signal": "press-1/temperature", "unit": "Cel"},
        {"signal": "room/particles", "unit": "{#}/m3", "equipment": "acme/suzhou/cleanroom-1"},
        {"signal": "press-1/odd", "unit": "[foo]"},
    ],
    "parameters": [
        {"parameter": name, "signal": signal, "unit": unit, "gap_max_s": 3}
        for name, signal, unit in (
            ("temperature", "press-1/temperature", "Cel"),
            ("particles", "room/particles", "{#}/m3"),
            ("odd one", "press-1/odd", "[foo]"),
        )
    ],
    "facts": [{"lot": [GTIN, "L/1"], "start": 0, "end": 10.0005}],
}
NAMING = Naming(site="lotproof.local/plant", glns={UNIT: "9506000134376"})


def written(
    edges: Sequence[Edge] = (), decisions: Sequence[Decision] = (), **changes: Any
) -> bytes:
    readings = [
        Arrived(signal=spec["signal"], time=at(t), value=120.25 + t, position=10 * place + t)
        for place, spec in enumerate(CASE["signals"])
        for t in range(10)
    ]
    data = encode_record(assemble(inputs_of({**CASE, **changes}, readings)))
    return write_epcis(
        json.loads(data), content_hash(data), at(99), NAMING, edges=edges, decisions=decisions
    )


def events(edges: Sequence[Edge] = (), decisions: Sequence[Decision] = ()) -> list[dict[str, Any]]:
    document = json.loads(written(edges, decisions))
    found: list[dict[str, Any]] = document["epcisBody"]["eventList"]
    return found


def test_the_schema_of_gs1_takes_it_with_formats_on() -> None:
    schema = json.loads(third_party("epcis/EPCIS-JSON-Schema.json").read_text())
    checker = jsonschema.Draft7Validator.FORMAT_CHECKER
    assert {"date-time", "uri"} <= set(checker.checkers), "formats are really checked"
    judge = jsonschema.Draft7Validator(schema, format_checker=checker)
    document = json.loads(written(EDGES, DECISIONS))
    assert {each["type"] for each in document["epcisBody"]["eventList"]} == {
        *("ObjectEvent", "TransformationEvent", "AggregationEvent", "AssociationEvent")
    }
    assert list(judge.iter_errors(document)) == []
    document["epcisBody"]["eventList"][0]["eventTime"] = "yesterday"
    assert list(judge.iter_errors(document)), "the judge is awake"


def test_the_same_version_is_the_same_bytes() -> None:
    assert written() == written()


def test_what_happened_stands_in_order_with_its_place() -> None:
    found = events()
    steps = [each["bizStep"] for each in found]
    assert steps[0] == "arriving"
    assert sorted(steps[1:]) == ["departing", "sensor_reporting", "sensor_reporting"]
    (arrived,) = [each for each in found if each["bizStep"] == "arriving"]
    assert arrived["readPoint"] == {"id": "https://id.gs1.org/414/9506000134376"}
    area = "https://lotproof.local/plant/equipment/acme/suzhou/cleanroom-1/line-1"
    assert arrived["bizLocation"] == {"id": area}
    assert arrived["quantityList"] == [
        {"epcClass": f"https://id.gs1.org/01/{GTIN}/10/L%2F1"},
    ]
    (departed,) = [each for each in found if each["bizStep"] == "departing"]
    assert departed["eventTime"] == "2026-11-18T11:06:50.001Z", "half a millisecond rounds up"


def test_sensors_say_their_figures_and_where_the_evidence_is() -> None:
    elements = [element for event in events() for element in event.get("sensorElementList", [])]
    reports = {element["sensorReport"][0]["type"]: element for element in elements}
    temperature = reports["Temperature"]
    assert temperature["sensorReport"] == [
        {"type": "Temperature", "minValue": 120.25, "maxValue": 129.25}
        | {"meanValue": temperature["sensorReport"][0]["meanValue"], "uom": "CEL"}
    ]
    about = temperature["sensorMetadata"]
    assert about["deviceID"] == "https://lotproof.local/plant/gateway/gw-01"
    assert about["rawData"].startswith("ni:///sha-256;")
    particles = reports["https://lotproof.local/plant/parameter/particles"]
    assert particles["sensorReport"][0]["uom"] == "C86"
    odd = reports["https://lotproof.local/plant/parameter/odd%20one/%5Bfoo%5D"]
    assert "uom" not in odd["sensorReport"][0], "a unit is never guessed"


def test_a_release_is_an_inspection_that_found_the_lot_conformant_and_complete() -> None:
    released, held, lifted = [
        each for each in events(decisions=DECISIONS) if each["bizStep"] in ("inspecting", "holding")
    ]
    assert released == {
        "type": "ObjectEvent",
        "eventID": event_id(released),
        "eventTime": "2026-11-18T11:08:20.000Z",
        "eventTimeZoneOffset": "+08:00",
        "action": "OBSERVE",
        "quantityList": [{"epcClass": f"https://id.gs1.org/01/{GTIN}/10/L%2F1"}],
        "bizStep": "inspecting",
        "disposition": "conformant",
        "persistentDisposition": {"set": ["completeness_verified"]},
        "bizLocation": {
            "id": "https://lotproof.local/plant/equipment/acme/suzhou/cleanroom-1/line-1"
        },
    }
    assert (held["bizStep"], held["disposition"]) == ("holding", "unavailable")
    assert (lifted["bizStep"], lifted["disposition"]) == ("inspecting", "conformant")
    assert "persistentDisposition" not in lifted
    (rejected,) = [
        each
        for each in events(decisions=[decision(Meaning.REJECTED, 100), REVIEWED])
        if each["bizStep"] == "inspecting"
    ]
    assert rejected["disposition"] == "non_conformant"


def test_what_the_lot_was_made_of_and_became_stands_with_quantities() -> None:
    found = {each.get("transformationID", "").rpartition("/")[2]: each for each in events(EDGES)}
    made = found[EDGES[0].id]
    assert made["inputQuantityList"] == [
        {"epcClass": f"https://id.gs1.org/01/{GTIN}/10/R-1", "quantity": 12.5, "uom": "KGM"},
        {"epcClass": f"https://id.gs1.org/01/{GTIN}/10/R-2"},
        {"epcClass": f"https://lotproof.local/plant/sublot/{GTIN}/R-3/half"},
    ]
    assert made["outputQuantityList"] == [
        {"epcClass": f"https://id.gs1.org/01/{GTIN}/10/L%2F1", "quantity": 1000}
    ]
    assert (made["eventTime"], made["bizStep"]) == (
        "2026-11-18T11:06:50.000Z",
        "creating_class_instance",
    )
    became = found[EDGES[1].id]
    assert became["outputEPCList"] == [f"https://id.gs1.org/01/{GTIN}/21/S-1"]
    held = [each for each in events(EDGES) if "parentID" in each]
    assert [(each["type"], each["action"], each["bizStep"]) for each in held] == [
        ("AggregationEvent", "ADD", "loading"),
        ("AssociationEvent", "ADD", "installing"),
        ("AggregationEvent", "DELETE", "unloading"),
    ]
    assert held[0]["parentID"] == "https://id.gs1.org/00/095060001343520017"
    assert held[1]["childEPCs"] == [f"https://id.gs1.org/01/{GTIN}/21/S-1"]
    used = Edge(
        kind=EdgeKind.USE,
        start=at(0),
        end=at(1),
        inputs=(Part(item=Item(ItemKind.OPERATOR, "li.wei")),),
        outputs=(Part(item=lot_item(LOT)),),
        source="record",
    )
    assert events([used]) == events(), "on whom the making rested is no event of EPCIS"


def test_an_order_s_lot_is_made_once() -> None:
    steps = [each["bizStep"] for each in events()]
    assert steps.count("creating_class_instance") == 0  # this record has no order
    assert makes(EDGES, GTIN, "L/1")
    assert not makes(EDGES[1:], GTIN, "L/1")
    assert not makes(EDGES, GTIN, "R-1")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("acme/suzhou", "https://id.gs1.org/414/9506000134376"),
        ("acme/suzhou/line-1/press-1", "https://id.gs1.org/414/9506000134376/254/line-1%2Fpress-1"),
        (
            "acme/suzhou/line-1/press-number-one-2",
            "/equipment/acme/suzhou/line-1/press-number-one-2",
        ),
        ("acme/suzhou/压机", "/equipment/acme/suzhou/%E5%8E%8B%E6%9C%BA"),
        ("acme/suzhou-2", "/equipment/acme/suzhou-2"),
        ("acme", "/equipment/acme"),
    ],
)
def test_equipment_below_a_gln_is_named_by_its_extension(path: str, name: str) -> None:
    naming = Naming(site="lotproof.local/plant", glns={"acme/suzhou": "9506000134376"})
    assert naming.place(path) == (
        name if name.startswith("https") else f"https://lotproof.local/plant{name}"
    )


def test_a_lot_that_has_not_ended_is_refused() -> None:
    with pytest.raises(ExportError, match="has not ended"):
        written(facts=[{"lot": [GTIN, "L/1"], "start": 0, "end": None}])


def test_an_event_id_is_that_of_the_reference_implementation() -> None:
    """Ids and text are what epcis-event-hash-generator 1.9.3 says of the events."""
    event = REFERENCE["TransformationEvent"]
    assert pre_hash(event) == (
        "eventType=TransformationEventeventTime=2026-09-21T14:14:30.000Z"
        "eventTimeZoneOffset=+00:00outputQuantityListquantityElement"
        "epcClass=https://id.gs1.org/01/09506000134352/10/L-1"
        "transformationID=https://lotproof.local/plant/order/WO-1"
        "bizStep=https://ref.gs1.org/cbv/BizStep-creating_class_instance"
    )
    for name, digest in ORACLES.items():
        assert event_id(REFERENCE[name]) == f"ni:///sha-256;{digest}?ver=CBV2.0", name


def test_event_ids_of_genealogy_and_decisions_are_those_of_the_reference_implementation() -> None:
    """Ids are what epcis-event-hash-generator 1.9.3 says of these events."""
    found = [
        (each["type"], each["bizStep"], each["eventID"][14:78]) for each in events(EDGES, DECISIONS)
    ]
    assert [each for each in found if each in REFERENCE_IDS] == REFERENCE_IDS


def test_an_event_id_does_not_hang_on_how_the_event_is_written() -> None:
    event = REFERENCE["ObjectEvent"]
    other = dict(reversed(copy.deepcopy(event).items()))
    other["eventTime"] = "2026-09-21T16:14:30.0001+02:00"
    other["eventID"] = "urn:uuid:1"
    other["sensorElementList"].reverse()
    other["bizStep"] = "https://ref.gs1.org/cbv/BizStep-sensor_reporting"
    assert event_id(other) == event_id(event)
    other["action"] = "ADD"
    assert event_id(other) != event_id(event)


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z"),
        ("2026-01-01T00:00:00.1415Z", "2026-01-01T00:00:00.142Z"),
        ("2025-12-31T23:59:59.9996Z", "2026-01-01T00:00:00.000Z"),
        ("2026-01-01T08:00:00.5+08:00", "2026-01-01T00:00:00.500Z"),
    ],
)
def test_times_are_hashed_in_utc_to_the_millisecond(time: str, shown: str) -> None:
    text = pre_hash({"type": "ObjectEvent", "eventTime": time, "action": "OBSERVE"})
    assert f"eventTime={shown}action" in text


def test_an_extension_has_no_place_in_the_hash() -> None:
    with pytest.raises(ExportError, match="no place for ext:note"):
        event_id({"type": "ObjectEvent", "ext:note": "x"})


def negative(event: dict[str, Any]) -> None:
    event["quantityList"][0] |= {"quantity": -5, "uom": "KGM"}


def psi(event: dict[str, Any]) -> None:
    event["sensorElementList"][0]["sensorReport"][0]["uom"] = "PSI"


def february(event: dict[str, Any]) -> None:
    event["eventTime"] = "2026-02-30T00:00:00.000Z"


def lgtin(event: dict[str, Any]) -> None:
    event["quantityList"][0]["epcClass"] = "urn:epc:class:lgtin:4012345.012.L1"


def link(event: dict[str, Any]) -> None:
    event["quantityList"][0]["epcClass"] = "https://id.gs1.org/01/09506000134353/10/L-1"


def baking(event: dict[str, Any]) -> None:
    event["bizStep"] = "baking"


def late(event: dict[str, Any]) -> None:
    event["sensorElementList"][0]["sensorMetadata"]["endTime"] = "2026-11-18T12:00:00.000Z"


def swapped(event: dict[str, Any]) -> None:
    event["sensorElementList"][0]["sensorReport"][0]["meanValue"] = 1e9


def altered(event: dict[str, Any]) -> None:
    event["disposition"] = "conformant"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (negative, "quantity of -5"),
        (psi, "'PSI' is no code"),
        (february, "2026-02-30T00:00:00.000Z is no time"),
        (lgtin, "is no LGTIN"),
        (link, "check digit"),
        (baking, "'baking' is not of the Core Business Vocabulary"),
        (late, "after the event"),
        (swapped, "out of order"),
        (altered, "is not the hash"),
    ],
)
def test_what_the_schema_lets_pass_is_refused(
    spoil: Callable[[dict[str, Any]], None], said: str
) -> None:
    document = json.loads(written())
    event = next(each for each in document["epcisBody"]["eventList"] if "sensorElementList" in each)
    assert list(faults_of(event)) == []
    spoil(event)
    with pytest.raises(ExportError, match=said):
        check_document(document)


def test_units_are_those_of_the_recommendation() -> None:
    codes = {unit: found.code for unit in ("Cel", "bar", "%", "[psi]") if (found := unit_of(unit))}
    assert codes == {"Cel": "CEL", "bar": "BAR", "%": "P1", "[psi]": "PS"}
    assert unit_of("PSI") is None


def decision(meaning: Meaning, second: int) -> Decision:
    return Decision(meaning=meaning, time=at(second), offset_minutes=480)


def material(text: str, amount: Quantity | None = None) -> Part:
    return Part(item=parse_item(text), quantity=amount)


LOT = check_lot_key(GTIN, "L/1")
REVIEWED = decision(Meaning.REVIEWED, 90)
DECISIONS = [
    REVIEWED,
    decision(Meaning.RELEASED, 100),
    decision(Meaning.HELD, 110),
    decision(Meaning.HOLD_LIFTED, 120),
]
PALLET = material("carrier:(00)095060001343520017")
UNIT_1 = material(f"unit:(01){GTIN}(21)S-1")
EDGES = [
    Edge(
        kind=EdgeKind.TRANSFORMATION,
        start=at(0),
        end=at(10),
        inputs=(
            material(f"lot:(01){GTIN}(10)R-1", quantity("12.5", "kg")),
            material(f"lot:(01){GTIN}(10)R-2", quantity("3", "[lb_av]")),
            material(f"sublot:(01){GTIN}(10)R-3#half"),
        ),
        outputs=(Part(item=lot_item(LOT), quantity=quantity("1000", "1")),),
        source="mes",
    ),
    Edge(
        kind=EdgeKind.SPLIT,
        start=at(20),
        end=at(20),
        inputs=(Part(item=lot_item(LOT)),),
        outputs=(UNIT_1,),
        source="mes",
    ),
    Edge(
        kind=EdgeKind.AGGREGATION,
        start=at(21),
        end=at(30),
        inputs=(PALLET,),
        outputs=(UNIT_1, Part(item=lot_item(LOT))),
        source="mes",
    ),
    Edge(
        kind=EdgeKind.ASSOCIATION,
        start=at(22),
        end=None,
        inputs=(PALLET,),
        outputs=(UNIT_1,),
        source="mes",
    ),
]
PLANT = "https://lotproof.local/plant"
LOT_1 = "https://id.gs1.org/01/09506000134352/10/L-1"
HAPPENED = {"eventTime": "2026-09-21T14:14:30.000123Z", "eventTimeZoneOffset": "+00:00"}
SPAN = {"startTime": "2026-09-21T14:13:30Z", "endTime": "2026-09-21T14:14:30Z"}
REFERENCE: dict[str, dict[str, Any]] = {
    "ObjectEvent": {
        "type": "ObjectEvent",
        **HAPPENED,
        "action": "OBSERVE",
        "bizStep": "sensor_reporting",
        "disposition": "in_progress",
        "quantityList": [{"epcClass": LOT_1, "quantity": 100.0, "uom": "KGM"}],
        "readPoint": {"id": f"{PLANT}/equipment/acme/x"},
        "bizLocation": {"id": f"{PLANT}/equipment/acme"},
        "persistentDisposition": {"set": ["completeness_verified"]},
        "sensorElementList": [
            {
                "sensorMetadata": SPAN
                | {"deviceID": f"{PLANT}/gw/1", "rawData": "ni:///sha-256;abc"},
                "sensorReport": [
                    {
                        "type": "Temperature",
                        "minValue": 118.0,
                        "maxValue": 132.5,
                        "meanValue": 120.123456789012345,
                        "uom": "CEL",
                    },
                    {"type": "Pressure", "value": 1e-7, "minValue": 3.95, "uom": "BAR"},
                ],
            },
            {
                "sensorMetadata": SPAN | {"deviceID": f"{PLANT}/gw/1"},
                "sensorReport": [{"type": "Pressure", "minValue": 3.95, "uom": "BAR"}],
            },
        ],
    },
    "TransformationEvent": {
        "type": "TransformationEvent",
        **HAPPENED,
        "transformationID": f"{PLANT}/order/WO-1",
        "outputQuantityList": [{"epcClass": LOT_1}],
        "bizStep": "creating_class_instance",
    },
    "AggregationEvent": {
        "type": "AggregationEvent",
        **HAPPENED,
        "action": "OBSERVE",
        "parentID": f"{PLANT}/carrier/3034",
        "childQuantityList": [{"epcClass": LOT_1}, {"epcClass": LOT_1[:-1] + "2"}],
        "bizStep": "entering_exiting",
        "bizTransactionList": [
            {"type": "prodorder", "bizTransaction": f"{PLANT}/order/WO-1"},
        ],
    },
}
ORACLES: dict[str, str] = {
    "ObjectEvent": "4a6d2d1926162e21b57b158b412ea60d22b2e2f6cfa9968ca26404c5944cf470",
    "TransformationEvent": "9b977551e491a916dc3efcf32fd70aba0213520890e34ed5ce80ef53f3a89c12",
    "AggregationEvent": "19af19efff526a4ed6abc5809d44e58106ee967f530bb772844dd69dc0fc3823",
}
REFERENCE_IDS = [
    (
        "TransformationEvent",
        "creating_class_instance",
        "8f1645bf4cc04a6189628ab2427965833f9b317a00e6b4b587b3a2766e684448",
    ),
    (
        "TransformationEvent",
        "creating_class_instance",
        "325ac3de6eb6134774623132128d4d606edd716ba75dcf80f26de5cd697c433a",
    ),
    (
        "AggregationEvent",
        "loading",
        "a848aa8c5d3efd57e8dc6c7c55753451f772f356912ac18d46c054409a6b58a6",
    ),
    (
        "AssociationEvent",
        "installing",
        "59041daca34232434a7a81c2069b3c46a8e4018650bb155876f269efc88eac93",
    ),
    (
        "AggregationEvent",
        "unloading",
        "32715c0ec42492e40a5aeaa759ad4ee0d26dadfd3759c67145c55d261059d36d",
    ),
    (
        "ObjectEvent",
        "inspecting",
        "acc35d4a7fff863beda093ad14545f38328548520dea0164e34b7a3f884bb920",
    ),
    ("ObjectEvent", "holding", "3b57e8c1d495a92cfb8af2411deaf47061b0e8b9ccd1277938b77f4ffa84fdce"),
    (
        "ObjectEvent",
        "inspecting",
        "29c023653004a0046fb683a6a4244e697375b629ef9983fc6b4e493cd8547168",
    ),
]
