"""What GS1's JSON schema lets pass and we do not: numbers, units, dates, identifiers, order.

The schema takes a negative quantity, the unit "PSI", 30 February, a malformed LGTIN, the business
step "baking", and a sensor that spoke after the event. Whatever we write passes here first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from aggregator.errors import ExportError
from aggregator.export.epcis.event_id import event_id
from aggregator.export.epcis.units import CODES
from protocols.identifiers.errors import IdentifierError
from protocols.identifiers.gs1.digital_link import read_digital_link


def check_document(document: Mapping[str, Any]) -> None:
    """Raise ExportError with everything that is wrong with an EPCIS document's events."""
    events = document["epcisBody"]["eventList"]
    faults = [
        f"event {at}: {fault}" for at, event in enumerate(events) for fault in faults_of(event)
    ]
    if faults:
        raise ExportError("; ".join(faults), hint="see docs/specs/outputs.md, EPCIS")


def faults_of(event: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with an event, one sentence each."""
    happened = _time(event["eventTime"])
    if happened is None:
        yield f"{event['eventTime']} is no time"
        return
    for name in ("bizStep", "disposition"):
        word = event.get(name)
        if word is not None and word not in _WORDS[name] and not _is_uri(word):
            yield f"{name} {word!r} is not of the Core Business Vocabulary"
    for quantity in _quantities(event):
        yield from _quantity_faults(quantity)
    for name in ("epcList", "inputEPCList", "outputEPCList", "childEPCs"):
        yield from _identifier_faults(event.get(name, ()))
    if "parentID" in event:
        yield from _identifier_faults([event["parentID"]])
    for element in event.get("sensorElementList", ()):
        yield from _sensor_faults(element, happened)
    if str(event.get("eventID", "")).endswith("?ver=CBV2.0") and event["eventID"] != event_id(
        event
    ):
        yield "the event id is not the hash of the event"


def _quantities(event: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in ("quantityList", "inputQuantityList", "outputQuantityList", "childQuantityList"):
        yield from event.get(name, ())


def _quantity_faults(element: Mapping[str, Any]) -> Iterator[str]:
    yield from _identifier_faults([element["epcClass"]])
    quantity = element.get("quantity")
    if quantity is not None and not (math.isfinite(quantity) and quantity > 0):
        yield f"a quantity of {quantity}"
    yield from _unit_faults(element)


def _unit_faults(element: Mapping[str, Any]) -> Iterator[str]:
    if element.get("uom", "KGM") not in CODES:
        yield f"uom {element['uom']!r} is no code of UN/ECE Recommendation 20 that we know"


def _identifier_faults(uris: Iterable[str]) -> Iterator[str]:
    for uri in uris:
        if uri.startswith("urn:epc:class:lgtin:"):
            found = _LGTIN.fullmatch(uri)
            if found is None or len(found["company"] + found["item"]) != 13:
                yield f"{uri} is no LGTIN"
        elif uri.startswith("https://id.gs1.org/"):
            try:
                read_digital_link(uri)
            except IdentifierError as error:
                yield str(error)
        elif not _is_uri(uri):
            yield f"{uri!r} is no URI"


def _sensor_faults(element: Mapping[str, Any], happened: datetime) -> Iterator[str]:
    about = element.get("sensorMetadata", {})
    spoken = [about[name] for name in ("time", "startTime", "endTime") if name in about]
    spoken += [each["time"] for each in element["sensorReport"] if "time" in each]
    for text in spoken:
        time = _time(text)
        if time is None:
            yield f"{text} is no time"
        elif time > happened:
            yield f"a sensor spoke at {text}, after the event"
    start, end = (_time(about.get(name, "")) for name in ("startTime", "endTime"))
    if start and end and start > end:
        yield "a sensor ended before it began"
    for report in element["sensorReport"]:
        yield from _unit_faults(report)
        figures = [report[name] for name in ("minValue", "meanValue", "maxValue") if name in report]
        if not all(math.isfinite(each) for each in figures) or figures != sorted(figures):
            yield "least, mean and greatest value are out of order"


def _time(text: str) -> datetime | None:
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:  # no such day
        return None


def _is_uri(text: str) -> bool:
    return _URI.fullmatch(text) is not None and not text.startswith(_CBV)


_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+")
_CBV: Final = ("urn:epcglobal:cbv:", "https://ns.gs1.org/cbv/", "https://ref.gs1.org/cbv/")
_LGTIN: Final = re.compile(
    r"urn:epc:class:lgtin:(?P<company>\d{6,12})\.(?P<item>\d{1,7})"
    r"\.(?P<lot>(?:%[0-9A-F]{2}|[A-Za-z0-9!'()*+,._:;=-]){1,20})"
)
_BIZ_STEPS: Final = """
    accepting arriving assembling collecting commissioning consigning creating_class_instance
    cycle_counting decommissioning departing destroying disassembling dispensing encoding
    entering_exiting holding inspecting installing killing loading other packing picking
    receiving removing repackaging repairing replacing reserving retail_selling sampling
    sensor_reporting shipping staging_outbound stock_taking stocking storing transporting
    unloading unpacking void_shipping
"""
_DISPOSITIONS: Final = """
    active available completeness_inferred completeness_verified conformant container_closed
    container_open damaged destroyed dispensed disposed encoded expired in_progress in_transit
    inactive mismatch_class mismatch_instance mismatch_quantity needs_replacement
    no_pedigree_match non_conformant non_sellable_other partially_dispensed recalled reserved
    retail_sold returned sellable_accessible sellable_not_accessible stolen unavailable unknown
"""
_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "bizStep": frozenset(_BIZ_STEPS.split()),
    "disposition": frozenset(_DISPOSITIONS.split()),
}
"""The words of the Core Business Vocabulary 2.0."""
