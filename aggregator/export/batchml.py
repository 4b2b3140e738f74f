"""Write a lot's record as BatchML 0700, a BatchProductionRecord (ISA-88 part 4, IEC 61512-4).

Stays at equipment, figures of parameters and exceptions are its events; the readings of each
critical parameter are a data set, what a laboratory found is a sample. BatchML is used courtesy of
MESA International.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement

from aggregator.export.pdf.view import Version
from aggregator.export.readings import Rows, rows_of
from aggregator.export.words import describe
from aggregator.model.binding.bind import Binding
from aggregator.model.master.equipment import SignalSpec
from protocols.wire.dossier.instant import format_time
from protocols.wire.reading import Kind

NAMESPACE: Final = "http://www.mesa.org/xml/B2MML"
COLUMNS: Final = ("time", "value", "status")


def write_batchml(
    record: Mapping[str, Any], version: Version, readings: Mapping[SignalSpec, Binding]
) -> bytes:
    """Return the document of a record's JSON; the same version is the same bytes.

    ``readings`` are those bound to the lot; of them, the signals of critical parameters are
    written.
    """
    lot, entries = record["lot"], _Entries()
    root = Element("BatchProductionRecord", xmlns=NAMESPACE)
    _say(root, "ID", version.content_hash, schemeName="SHA-256")
    entries.head(root, "Batch Production Record", format_time(version.recorded))
    _say(root, "EquipmentScope", _scope(record))
    _say(root, "CreationDate", format_time(version.recorded))
    _say(root, "BatchID", record["order"] or lot["lot"])
    _say(root, "LotID", lot["lot"])
    _say(root, "MaterialDefinitionID", lot["gtin"], schemeName="GTIN")
    _say(root, "RecordStatus", record["state"])
    _say(root, "Version", str(version.number))
    sets = SubElement(root, "DataSets")
    for parameter in record["parameters"]:
        _data_set(SubElement(sets, "DataSet"), entries, parameter, readings)
    events = SubElement(root, "Events")
    _stays(events, entries, record)
    for parameter in (*record["parameters"], *record["other_parameters"]):
        _figures(SubElement(events, "Event"), entries, parameter)
    for item in record["exceptions"]:
        _finding(SubElement(events, "Event"), entries, item)
    for typed in record.get("entries", ()):
        _typed(SubElement(events, "Event"), entries, typed)
    if record.get("test_results"):
        _laboratory(SubElement(SubElement(root, "Samples"), "Sample"), entries, record)
    data: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return data


class _Entries:
    """Numbers the entries of the record, from 1."""

    def __init__(self) -> None:
        self._last = 0

    def head(self, entry: Element, kind: str, time: str | None, reference: str = "") -> None:
        """Write what every entry begins with."""
        self._last += 1
        _say(entry, "EntryID", str(self._last))
        _say(entry, "ObjectType", kind)
        if time is not None:
            _say(entry, "TimeStamp", time)
        if reference:
            _say(entry, "ExternalReference", reference)


def _data_set(
    entry: Element,
    entries: _Entries,
    parameter: Mapping[str, Any],
    readings: Mapping[SignalSpec, Binding],
) -> None:
    evidence = parameter["series"]
    entries.head(entry, "Data Set", None, f"sha-256:{evidence['sha256']}" if evidence else "")
    _say(entry, "Description", parameter["parameter"])
    if parameter["intervals"]:
        _say(entry, "StartTime", parameter["intervals"][0][0])
        if parameter["intervals"][-1][1] is not None:
            _say(entry, "EndTime", parameter["intervals"][-1][1])
    types = ("dateTime", _TYPES.get(parameter["kind"], "string"), "string")
    for at, (name, data_type) in enumerate(zip(COLUMNS, types, strict=True), start=1):
        column = SubElement(entry, "TagSpecification")
        _say(column, "TagIndex", str(at))
        _say(column, "DataType", data_type)
        _say(column, "UnitOfMeasure", parameter["unit"] if name == "value" else "")
        _say(column, "DataSource", f"{parameter['gateway']}/{parameter['signal']}")
        _say(column, "Alias", name)
        _say(column, "EquipmentID", parameter["equipment"])
    key = (parameter["gateway"], parameter["signal"])
    own = {spec: binding for spec, binding in readings.items() if spec.key == key}
    block = SubElement(entry, "DelimitedDataBlock")
    _say(block, "TagDelimiter", ",")
    _say(block, "OrderDelimiter", ";")
    _say(block, "DelimitedData", ";".join(line for rows in rows_of(own) for line in _lines(rows)))


def _lines(rows: Rows) -> Iterator[str]:
    plain = rows.spec.kind.name in _TYPES
    for time, value, status in zip(rows.times, rows.values, rows.statuses, strict=True):
        text = "" if value is None else json.dumps(value if plain else str(value))
        yield f"{time},{text},{status}"


def _stays(events: Element, entries: _Entries, record: Mapping[str, Any]) -> None:
    for window in record["windows"]:
        for bound, word in (("start", "Allocation"), ("end", "Deallocation")):
            time = window[bound]["time"]
            if time is None:
                continue
            entry = SubElement(events, "Event")
            entries.head(entry, "Event", time)
            _say(entry, "EventType", "Equipment")
            _say(entry, "EventSubType", word)
            _say(entry, "EquipmentID", window["equipment"])
            if window["job"] is not None:
                _say(entry, "ProceduralElementReference", window["job"])


def _figures(entry: Element, entries: _Entries, parameter: Mapping[str, Any]) -> None:
    entries.head(entry, "Event", None)
    _say(entry, "Description", parameter["parameter"])
    _say(entry, "EventType", "Procedural Execution")
    _say(entry, "EventSubType", "Process Data")
    _say(entry, "EquipmentID", parameter["equipment"])
    number = _TYPES.get(parameter["kind"], "string")
    figures = parameter["figures"]
    for name in ("readings", "good", "uncertain", "bad", "covered_ns", "window_ns"):
        _value(entry, name, figures[name], "long", "ns" if name.endswith("_ns") else "1")
    for name in ("min", "max", "mean", "first", "last"):
        kind = "double" if name == "mean" else number
        _value(entry, name, figures[name], kind, parameter["unit"])
    for limit in parameter["limits"]:
        _value(entry, limit["id"], limit["value"], "double", parameter["unit"])


def _finding(entry: Element, entries: _Entries, item: Mapping[str, Any]) -> None:
    entries.head(entry, "Event", item["start"], item["id"])
    _say(entry, "EventType", "Alarm" if item["kind"] == "excursion" else "General")
    _say(entry, "EventSubType", "Process" if item["kind"] == "excursion" else "System")
    _say(entry, "MessageText", f"{item['subject']}: {describe(item)}", languageID="en")
    _say(entry, "Category", item["kind"])


def _typed(entry: Element, entries: _Entries, typed: Mapping[str, Any]) -> None:
    """Write a value that a person typed; whoever checked it is the second person."""
    check = typed["check"]
    entries.head(entry, "Event", typed["time"], typed["id"])
    _say(entry, "Description", typed["parameter"])
    _say(entry, "EventType", "Operator")
    _say(entry, "EventSubType", "Process Data")
    _value(entry, typed["parameter"], typed["value"], "string", typed["unit"])
    _say(entry, "MessageText", typed["reason"])
    for person in (typed["source"], *(() if check is None else (check["by"],))):
        _say(entry, "PersonID", person)
    if typed["supersedes"] is not None:
        _say(entry, "AssociatedEventID", typed["supersedes"])


def _laboratory(entry: Element, entries: _Entries, record: Mapping[str, Any]) -> None:
    """Write each result of the lot as a test, and each version of it as a result of that test."""
    entries.head(entry, "Sample", None)
    _say(entry, "SampleSourceID", record["lot"]["lot"])
    for result, versions in groupby(record["test_results"], key=itemgetter("result")):
        found = list(versions)
        test = SubElement(entry, "SampleTest")
        entries.head(test, "Sample Test", None, result)
        _say(test, "TestName", found[-1]["test"])
        for each in found:
            _result(SubElement(test, "SampleTestResult"), entries, each)


def _result(entry: Element, entries: _Entries, found: Mapping[str, Any]) -> None:
    entries.head(entry, "Sample Test Result", found["time"], str(found["version"]))
    if found["analyst"]:
        _say(entry, "Description", f"analyst: {found['analyst']}")
    _say(entry, "TestDisposition", "superseded" if found["superseded"] else found["verdict"])
    if found["instrument"]:
        _say(entry, "PhysicalAssetID", found["instrument"])
    _value(entry, found["test"], found["value"], "string", found["unit"], element="Results")
    wanted = found["specification"] or None
    _value(entry, found["test"], wanted, "string", "", element="ExpectedResults")


def _value(
    entry: Element, name: str, value: Any, kind: str, unit: str, *, element: str = "Value"
) -> None:
    if value is None:
        return
    found = SubElement(entry, element)
    _say(found, "ValueString", str(value))
    _say(found, "DataType", kind)
    _say(found, "UnitOfMeasure", unit)
    _say(found, "Key", name)


def _scope(record: Mapping[str, Any]) -> str:
    """Return the lowest place that holds all places at which the lot was."""
    paths = [window["equipment"].split("/") for window in record["windows"]]
    return "/".join(_shared(paths))


def _shared(paths: Iterable[list[str]]) -> Iterator[str]:
    for names in zip(*paths, strict=False):  # paths are of different lengths
        if len(set(names)) > 1:
            return
        yield names[0]


def _say(parent: Element, name: str, text: str, **attributes: str) -> None:
    SubElement(parent, name, attributes).text = _ILLEGAL.sub("\ufffd", text)


_TYPES: Final = {
    Kind.FLOAT64.name: "double",
    Kind.FLOAT32.name: "float",
    Kind.INT.name: "long",
    Kind.UINT.name: "unsignedLong",
    Kind.BOOL.name: "boolean",
}
_ILLEGAL: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, even escaped."""
