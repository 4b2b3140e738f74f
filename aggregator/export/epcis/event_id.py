"""An event's id by its content: the event hash of the Core Business Vocabulary 2.0.

Two who know the same event name it alike, however its JSON is written. Fields of the standard are
hashed; extensions are refused, since we write none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aggregator.errors import ExportError


def event_id(event: Mapping[str, Any]) -> str:
    """Return ``ni:///sha-256;<hex>?ver=CBV2.0`` of an event in EPCIS JSON.

    Raises ExportError for a field that the standard does not have in the event's hash.
    """
    digest = hashlib.sha256(pre_hash(event).encode()).hexdigest()
    return f"ni:///sha-256;{digest}?ver=CBV2.0"


def pre_hash(event: Mapping[str, Any]) -> str:
    """Return the canonical text that is hashed: names and values in the order of the standard."""
    known = {"type", *_IGNORED, *_EVENT}
    if unknown := set(event) - known:
        raise ExportError(f"an event's hash has no place for {', '.join(sorted(unknown))}")
    return f"eventType={event['type']}{_fields(event, _EVENT)}"


def _fields(values: Mapping[str, Any], order: Sequence[str]) -> str:
    return "".join(_field(name, values[name]) for name in order if name in values)


def _field(name: str, value: Any) -> str:
    match name:
        case "epcList" | "inputEPCList" | "outputEPCList" | "childEPCs":
            return name + "".join(sorted(f"epc={each}" for each in value))
        case "quantityList" | "childQuantityList" | "inputQuantityList" | "outputQuantityList":
            elements = sorted("quantityElement" + _fields(each, _QUANTITY) for each in value)
            return name + "".join(elements)
        case "readPoint" | "bizLocation":
            return f"{name}id={value['id']}"
        case "persistentDisposition":
            return name + "".join(
                sorted(
                    f"{act}={_word('disposition', each)}" for act in value for each in value[act]
                )
            )
        case "bizTransactionList":
            pairs = sorted(
                f"type={_word(name, each['type'])}bizTransaction={each['bizTransaction']}"
                for each in value
            )
            return name + "".join(pairs)
        case "sensorElementList":
            return name + "".join(sorted("sensorElement" + _sensor(each) for each in value))
        case _:
            return f"{name}={_text(name, value)}"


def _sensor(element: Mapping[str, Any]) -> str:
    about = element.get("sensorMetadata", {})
    reports = sorted(
        "sensorReport"
        + "".join(f"{name}={_text(name, each[name])}" for name in _REPORT if name in each)
        for each in element["sensorReport"]
    )
    told = "".join(f"{name}={_text(name, about[name])}" for name in _METADATA if name in about)
    return (f"sensorMetadata{told}" if told else "") + "".join(reports)


def _text(name: str, value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case int():
            return str(value)
    text = str(value).strip()
    if name.lower().endswith("time"):
        return _moment(text)
    return _word(name, text)


def _word(name: str, text: str) -> str:
    """Return a word of the vocabulary as its web address; an address stays what it is."""
    stem = _VOCABULARY.get(name)
    return text if stem is None or ":" in text else stem + text


def _moment(text: str) -> str:
    """Return a time in UTC with milliseconds; half a millisecond rounds up."""
    whole, _, rest = text.replace("Z", "+00:00").partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    zone = rest[len(digits) :] if rest else ""
    time = datetime.fromisoformat(whole + zone).astimezone(UTC)
    time += timedelta(milliseconds=(int(digits[:4].ljust(4, "0")) + 5) // 10 if digits else 0)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_IGNORED: Final = frozenset({"eventID", "recordTime", "errorDeclaration", "@context"})

_EVENT: Final = (
    "eventTime",
    "eventTimeZoneOffset",
    "certificationInfo",
    "parentID",
    "epcList",
    "inputEPCList",
    "childEPCs",
    "quantityList",
    "childQuantityList",
    "inputQuantityList",
    "outputEPCList",
    "outputQuantityList",
    "action",
    "transformationID",
    "bizStep",
    "disposition",
    "persistentDisposition",
    "readPoint",
    "bizLocation",
    "bizTransactionList",
    "sensorElementList",
)
_QUANTITY: Final = ("epcClass", "quantity", "uom")
_METADATA: Final = (
    *("time", "startTime", "endTime", "deviceID", "deviceMetadata", "rawData"),
    *("dataProcessingMethod", "bizRules"),
)
_REPORT: Final = (
    *("type", "exception", "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod"),
    *("time", "microorganism", "chemicalSubstance", "value", "component", "stringValue"),
    *("booleanValue", "hexBinaryValue", "uriValue", "minValue", "maxValue", "meanValue"),
    *("sDev", "percRank", "percValue", "uom", "coordinateReferenceSystem"),
)
_VOCABULARY: Final[Mapping[str, str]] = {
    "bizStep": "https://ref.gs1.org/cbv/BizStep-",
    "disposition": "https://ref.gs1.org/cbv/Disp-",
    "bizTransactionList": "https://ref.gs1.org/cbv/BTT-",
    "type": "https://gs1.org/voc/",
}
