"""Write the EPCIS 2.0 document of a lot's record (JSON-LD, ISO/IEC 19987).

For each stay of the lot at equipment, an event when it came and one when it left, with its carrier
where a reader saw it on one. For each place with parameters, an event with what its sensors said.
For the work order, the event by which the lot came into being (docs/specs/outputs.md).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from aggregator.errors import ExportError
from aggregator.export.epcis.checks import check_document
from aggregator.export.epcis.event_id import event_id
from aggregator.export.epcis.units import unit_of
from protocols.identifiers.epc import decode
from protocols.identifiers.errors import EpcError
from protocols.identifiers.gs1.digital_link import to_digital_link
from protocols.identifiers.gs1.elements import element_string
from protocols.wire.dossier.file import canonical_json
from protocols.wire.dossier.instant import format_time, parse_time
from protocols.wire.reading import Nanoseconds

Json = dict[str, Any]
CONTEXT: Final = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How what has no GS1 key is named: as addresses below the site's own."""

    site: str  # "lotproof.local/plant", as the transparency log is named
    glns: Mapping[str, str] = field(default_factory=dict)  # equipment path -> GLN

    def address(self, kind: str, name: str) -> str:
        """Return the URI of something of the plant."""
        return f"https://{self.site}/{kind}/{quote(name, safe='/')}"

    def place(self, path: str) -> str:
        """Return the URI of equipment: by its GLN where it has one."""
        gln = self.glns.get(path)
        return (
            to_digital_link(element_string([("414", gln)]))
            if gln
            else self.address("equipment", path)
        )


def write_epcis(
    record: Mapping[str, Any], content_hash: str, recorded: Nanoseconds, naming: Naming
) -> bytes:
    """Return the document of a record's JSON; the same version is the same bytes.

    ``content_hash`` names the version, ``recorded`` is when it was made. Raises ExportError for a
    record that has not ended, and for events that our own checks refuse.
    """
    if not record["windows"] or record["window"]["end"] is None:
        raise ExportError("the lot has not ended", hint="say when it ended, then assemble it again")
    events = [*_stays(record, naming), *_sensors(record, naming), *_made(record, naming)]
    for event in events:
        event["eventID"] = event_id(event)
    document = {
        "@context": [CONTEXT],
        "id": _ni(content_hash),
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": _moment(format_time(recorded)),
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
                "bizLocation": {"id": naming.place(_above(window["equipment"]))},
                **_order(record, naming),
            }
            times = _times(window[bound]["time"])
            if len(carriers) == 1:
                (carrier,) = carriers
                held = {"parentID": _carrier(carrier, naming), "childQuantityList": [_lot(record)]}
                yield {"type": "AggregationEvent", **times, **held, **where}
            else:
                yield {"type": "ObjectEvent", **times, "quantityList": [_lot(record)], **where}


def _sensors(record: Mapping[str, Any], naming: Naming) -> Iterator[Json]:
    """Yield one event a place: what its sensors said over the lot's intervals."""
    found = [*record["parameters"], *record["other_parameters"]]
    found = [each for each in found if each["figures"]["min"] is not None and each["intervals"]]
    for place in sorted({each["equipment"] for each in found}):
        own = [each for each in found if each["equipment"] == place]
        yield {
            "type": "ObjectEvent",
            **_times(max(_end(each) for each in own)),
            "action": "OBSERVE",
            "quantityList": [_lot(record)],
            "bizStep": "sensor_reporting",
            "disposition": "in_progress",
            "readPoint": {"id": naming.place(place)},
            "bizLocation": {"id": naming.place(_above(place))},
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
            "startTime": _moment(parameter["intervals"][0][0]),
            "endTime": _moment(_end(parameter)),
            "deviceID": naming.address("gateway", parameter["gateway"]),
            "deviceMetadata": naming.address(
                "signal", f"{parameter['gateway']}/{parameter['signal']}"
            ),
            "rawData": _ni(evidence["sha256"] if evidence else _head(parameter, record)),
        },
        "sensorReport": [report],
    }


def _made(record: Mapping[str, Any], naming: Naming) -> Iterator[Json]:
    """Yield the event by which the order's lot came into being, once its data are complete."""
    if record["order"] is None or not record["complete"]:
        return
    last = max(record["windows"], key=lambda window: (window["end"]["time"], window["equipment"]))
    yield {
        "type": "TransformationEvent",
        **_times(record["window"]["end"]),
        "transformationID": naming.address("order", record["order"]),
        "outputQuantityList": [_lot(record)],
        "bizStep": "creating_class_instance",
        "disposition": "in_progress",
        "readPoint": {"id": naming.place(last["equipment"])},
        "bizLocation": {"id": naming.place(_above(last["equipment"]))},
        **_order(record, naming),
    }


def _order(record: Mapping[str, Any], naming: Naming) -> Json:
    if record["order"] is None:
        return {}
    order = naming.address("order", record["order"])
    return {"bizTransactionList": [{"type": "prodorder", "bizTransaction": order}]}


def _lot(record: Mapping[str, Any]) -> Json:
    lot = record["lot"]
    return {"epcClass": to_digital_link(element_string([("01", lot["gtin"]), ("10", lot["lot"])]))}


def _carrier(epc: str, naming: Naming) -> str:
    """Return the URI that an EPC stands for; one of no scheme is named by its bits."""
    data = bytes.fromhex(epc)
    try:
        return decode(data, len(data) * 8).uri or naming.address("carrier", epc)
    except EpcError:
        return naming.address("carrier", epc)


def _head(parameter: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Return the leaf hash of the last bundle that the parameter's readings came in."""
    own = [each for each in record["chains"] if each["gateway"] == parameter["gateway"]]
    head: str = own[-1]["last_leaf"] if own else record["findings_hash"]
    return head


def _ni(digest: str) -> str:
    """Return a SHA-256 as a URI (RFC 6920 section 3)."""
    text = base64.urlsafe_b64encode(bytes.fromhex(digest)).rstrip(b"=").decode()
    return f"ni:///sha-256;{text}"


def _above(path: str) -> str:
    return path.rpartition("/")[0] or path


def _end(parameter: Mapping[str, Any]) -> str:
    end: str = parameter["intervals"][-1][1]
    return end


def _times(text: str) -> Json:
    return {"eventTime": _moment(text), "eventTimeZoneOffset": "+00:00"}


def _moment(text: str) -> str:
    """Return a record's time to the millisecond, as EPCIS keeps it; half of one rounds up."""
    rounded = (parse_time(text) + 500_000) // 1_000_000 * 1_000_000
    return format_time(rounded)[:23] + "Z"
