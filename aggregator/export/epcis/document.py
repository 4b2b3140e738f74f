"""Write the EPCIS 2.0 document of a lot's record (JSON-LD, ISO/IEC 19987).

For each stay of the lot at equipment, an event when it came and one when it left, with its carrier
where a reader saw it on one. For each place with parameters, an event with what its sensors said.
For the genealogy, what became of what and which carrier held it; else, for the work order, the
event by which the lot came into being. For each decision, what a person signed
(docs/specs/outputs.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aggregator.errors import ExportError
from aggregator.export.epcis.checks import check_document
from aggregator.export.epcis.decisions import Decision, decided
from aggregator.export.epcis.event_id import event_id
from aggregator.export.epcis.genealogy import became, makes
from aggregator.export.epcis.naming import Naming, above, lot_class, moment, ni, times
from aggregator.export.epcis.units import unit_of
from aggregator.model.genealogy.edge import Edge
from protocols.wire.dossier.file import canonical_json
from protocols.wire.dossier.instant import parse_time
from protocols.wire.reading import Nanoseconds

Json = dict[str, Any]
CONTEXT: Final = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"


def write_epcis(
    record: Mapping[str, Any],
    content_hash: str,
    recorded: Nanoseconds,
    naming: Naming,
    *,
    edges: Sequence[Edge] = (),
    decisions: Sequence[Decision] = (),
) -> bytes:
    """Return the document of a record's JSON; the same version, edges, decisions: the same bytes.

    ``content_hash`` names the version, ``recorded`` is when it was made; ``edges`` are those of the
    genealogy that the lot is part of, ``decisions`` what persons signed of it. Raises ExportError
    for a record that has not ended, and for events that our own checks refuse.
    """
    if not record["windows"] or record["window"]["end"] is None:
        raise ExportError("the lot has not ended", hint="say when it ended, then assemble it again")
    place = naming.place(above(_last(record)["equipment"]))
    events = [
        *_stays(record, naming),
        *_sensors(record, naming),
        *_made(record, naming, edges),
        *became(edges, naming),
        *decided(decisions, _own(record), place),
    ]
    for event in events:
        event["eventID"] = event_id(event)
    document = {
        "@context": [CONTEXT],
        "id": ni(content_hash),
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": moment(recorded),
        "epcisBody": {
            "eventList": sorted(events, key=lambda event: (event["eventTime"], event["eventID"]))
        },
    }
    check_document(document)
    return canonical_json(document)


def _stays(record: Mapping[str, Any], naming: Naming) -> Iterator[Json]:
    facts = {fact["id"]: fact for fact in record["facts"]}
    for window in record["windows"]:
        carriers = {facts[fact]["carrier"] for fact in window["facts"] if fact in facts} - {None}
        for bound, step in (("start", "arriving"), ("end", "departing")):
            where = {
                "action": "OBSERVE",
                "bizStep": step,
                "disposition": "in_progress",
                "readPoint": {"id": naming.place(window["equipment"])},
                "bizLocation": {"id": naming.place(above(window["equipment"]))},
                **_order(record, naming),
            }
            when = times(window[bound]["time"])
            if len(carriers) == 1:
                (carrier,) = carriers
                held = {
                    "parentID": naming.carrier(carrier),
                    "childQuantityList": [{"epcClass": _own(record)}],
                }
                yield {"type": "AggregationEvent", **when, **held, **where}
            else:
                yield {
                    "type": "ObjectEvent",
                    **when,
                    "quantityList": [{"epcClass": _own(record)}],
                    **where,
                }


def _sensors(record: Mapping[str, Any], naming: Naming) -> Iterator[Json]:
    """Yield one event a place: what its sensors said over the lot's intervals."""
    found = [*record["parameters"], *record["other_parameters"]]
    found = [each for each in found if each["figures"]["min"] is not None and each["intervals"]]
    for place in sorted({each["equipment"] for each in found}):
        own = [each for each in found if each["equipment"] == place]
        yield {
            "type": "ObjectEvent",
            **times(max(_end(each) for each in own)),
            "action": "OBSERVE",
            "quantityList": [{"epcClass": _own(record)}],
            "bizStep": "sensor_reporting",
            "disposition": "in_progress",
            "readPoint": {"id": naming.place(place)},
            "bizLocation": {"id": naming.place(above(place))},
            "sensorElementList": [_element(each, record, naming) for each in own],
        }


def _element(parameter: Mapping[str, Any], record: Mapping[str, Any], naming: Naming) -> Json:
    figures, unit = parameter["figures"], unit_of(parameter["unit"])
    kind = unit.kind if unit is not None else None
    name = parameter["parameter"]
    own_kind = f"{name}/{parameter['unit']}" if unit is None else name
    report: Json = {
        "type": kind or naming.address("parameter", own_kind),
        "minValue": figures["min"],
        "maxValue": figures["max"],
    }
    if figures["mean"] is not None:
        report["meanValue"] = figures["mean"]
    if unit is not None:
        report["uom"] = unit.code
    evidence = parameter["series"]
    return {
        "sensorMetadata": {
            "startTime": moment(parse_time(parameter["intervals"][0][0])),
            "endTime": moment(parse_time(_end(parameter))),
            "deviceID": naming.address("gateway", parameter["gateway"]),
            "deviceMetadata": naming.address(
                "signal", f"{parameter['gateway']}/{parameter['signal']}"
            ),
            "rawData": ni(evidence["sha256"] if evidence else _head(parameter, record)),
        },
        "sensorReport": [report],
    }


def _made(record: Mapping[str, Any], naming: Naming, edges: Sequence[Edge]) -> Iterator[Json]:
    """Yield the event by which the order's lot came into being, once its data are complete.

    Where the genealogy says what it was made of, that says it, and better.
    """
    lot = record["lot"]
    if record["order"] is None or not record["complete"] or makes(edges, lot["gtin"], lot["lot"]):
        return
    last = _last(record)
    yield {
        "type": "TransformationEvent",
        **times(record["window"]["end"]),
        "transformationID": naming.address("order", record["order"]),
        "outputQuantityList": [{"epcClass": _own(record)}],
        "bizStep": "creating_class_instance",
        "disposition": "in_progress",
        "readPoint": {"id": naming.place(last["equipment"])},
        "bizLocation": {"id": naming.place(above(last["equipment"]))},
        **_order(record, naming),
    }


def _order(record: Mapping[str, Any], naming: Naming) -> Json:
    if record["order"] is None:
        return {}
    order = naming.address("order", record["order"])
    return {"bizTransactionList": [{"type": "prodorder", "bizTransaction": order}]}


def _head(parameter: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Return the leaf hash of the last bundle that the parameter's readings came in."""
    own = [each for each in record["chains"] if each["gateway"] == parameter["gateway"]]
    head: str = own[-1]["last_leaf"] if own else record["findings_hash"]
    return head


def _end(parameter: Mapping[str, Any]) -> str:
    end: str = parameter["intervals"][-1][1]
    return end


def _own(record: Mapping[str, Any]) -> str:
    return lot_class(record["lot"]["gtin"], record["lot"]["lot"])


def _last(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the window that ended last."""
    windows: list[Mapping[str, Any]] = record["windows"]
    return max(windows, key=lambda window: (window["end"]["time"], window["equipment"]))
