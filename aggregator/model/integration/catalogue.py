"""The catalogue of events: what each type tells and which fields its data have, as AsyncAPI 3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aggregator.model.integration.event import CONTENT_TYPE, EventType

TOPICS: Final = "lotproof/v1/events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What an event tells, for whoever receives it."""

    text: str
    fields: tuple[str, ...]  # names in ``FIELDS``; one that the act does not say is left out


FIELDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "gtin": {"type": "string", "description": "GTIN-14 of the lot's material."},
    "lot": {"type": "string", "description": "Lot id."},
    "href": {"type": "string", "description": "Where the API shows it to who may read it."},
    "kind": {"type": "string", "description": "Kind of the document, or of the case."},
    "key": {"type": "string", "description": "Key of the document within its kind."},
    "version": {"type": ["integer", "null"], "description": "Version, from 1."},
    "hash": {"type": "string", "description": "SHA-256 of the record's bytes, in hexadecimal."},
    "state": {"type": "string", "description": "State of the record or the case."},
    "form": {"type": "string", "description": "Form in which the record left the system."},
    "raised": {
        "type": "array",
        "description": "Exceptions that the version before did not have.",
        "items": {
            "type": "object",
            "properties": {"id": {"type": "string"}, "kind": {"type": "string"}},
        },
    },
    "signature": {"type": "string", "description": "Id of the electronic signature."},
    "meaning": {"type": "string", "description": "Meaning of the signature."},
    "deviation": {"type": "string", "description": "Number of the deviation, as a person gave it."},
    "subjects": {
        "type": "array",
        "description": "Ids of the exceptions that it is about.",
        "items": {"type": "string"},
    },
    "case": {"type": "string", "description": "Id of the recall or drill."},
    "event": {"type": "string", "description": "What happened in the case."},
    "result": {"type": "string", "description": "Id of the result, as the laboratory gave it."},
    "gateway": {"type": "string", "description": "Id of the gateway, or what a topic claimed."},
    "act": {"type": "string", "description": "What was done to it."},
    "messages": {"type": "integer", "description": "Messages refused for the first time."},
    "misfit": {"type": "string", "description": "Id of the item that does not fit."},
    "interface": {"type": "string", "description": "Interface or adapter that it came by."},
}

_LOT: Final = ("gtin", "lot", "href")
_MASTER: Final = ("kind", "key", "href")
_SIGNED: Final = (*_LOT, "version", "signature")
_CASE: Final = ("case", "kind", "event", "state", "href")
CATALOGUE: Final[Mapping[EventType, Described]] = {
    EventType.LOT_CREATED: Described(text="A lot is known.", fields=_LOT),
    EventType.MASTER_CREATED: Described(text="A document of master data is new.", fields=_MASTER),
    EventType.MASTER_CHANGED: Described(
        text="A document of master data has a new version.", fields=_MASTER
    ),
    EventType.MASTER_PROPOSED: Described(
        text="A version of master data waits for a second person.", fields=_MASTER
    ),
    EventType.MASTER_APPROVED: Described(
        text="A second person approved a version of master data.", fields=(*_MASTER, "version")
    ),
    EventType.MASTER_REJECTED: Described(
        text="A version of master data was rejected.", fields=(*_MASTER, "version")
    ),
    EventType.RECORD_ASSEMBLED: Described(
        text="A version of a lot's batch record came about.",
        fields=(*_LOT, "version", "hash", "state"),
    ),
    EventType.RECORD_COMPLETED: Described(
        text="A version of a record is complete: nothing that is owed is missing.",
        fields=(*_LOT, "version", "hash"),
    ),
    EventType.EXCEPTIONS_RAISED: Described(
        text="A version of a record has exceptions that the one before did not have.",
        fields=(*_LOT, "version", "raised"),
    ),
    EventType.RECORD_SIGNED: Described(
        text="A person signed.", fields=(*_LOT, "version", "signature", "meaning")
    ),
    EventType.RECORD_EXPORTED: Described(
        text="A record left the system.", fields=(*_LOT, "version", "hash", "form")
    ),
    EventType.REVIEW_OPENED: Described(text="A person took a record up.", fields=_SIGNED),
    EventType.DEVIATION_RAISED: Described(
        text="A person judged exceptions to be a deviation: the QMS opens its case.",
        fields=(*_SIGNED, "deviation", "subjects"),
    ),
    EventType.LOT_REVIEWED: Described(text="The reviewer signed.", fields=_SIGNED),
    EventType.LOT_RELEASED: Described(text="A lot was released.", fields=_SIGNED),
    EventType.LOT_REJECTED: Described(text="A lot was rejected.", fields=_SIGNED),
    EventType.LOT_HELD: Described(text="A lot was stopped.", fields=_SIGNED),
    EventType.HOLD_LIFTED: Described(text="A lot may go on.", fields=_SIGNED),
    EventType.ADDENDUM_SIGNED: Described(
        text="What came after the release was judged and signed for.", fields=_SIGNED
    ),
    EventType.GENEALOGY_CHANGED: Described(text="It was said what became of what.", fields=()),
    EventType.RECALL_OPENED: Described(text="A recall or a drill was opened.", fields=_CASE),
    EventType.RECALL_CHANGED: Described(text="A recall or a drill went on.", fields=_CASE),
    EventType.RECALL_CLOSED: Described(text="A recall or a drill has ended.", fields=_CASE),
    EventType.RESULT_RECORDED: Described(
        text="A test result of a lot came, or was corrected.", fields=(*_LOT, "result", "version")
    ),
    EventType.GATEWAY_CHANGED: Described(
        text="A gateway, a key or an epoch of it was registered, approved or revoked.",
        fields=("gateway", "act"),
    ),
    EventType.GATEWAY_QUARANTINED: Described(
        text="Messages were refused and kept in quarantine.", fields=("gateway", "messages")
    ),
    EventType.IMPORT_MISFIT: Described(
        text="An item from another system does not fit and waits for a person.",
        fields=("misfit", "interface", "href"),
    ),
}


def asyncapi(version: str) -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of ``version`` of this program."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Lotproof events",
            "version": version,
            "description": "CloudEvents 1.0 by MQTT 5 or 3.1.1 (QoS 1), by signed webhook, and as "
            "a stream at /api/v1/events. Delivered at least once, in order; `id` tells a repeat.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {
            each.value: {
                "address": f"{TOPICS}/{each.value}",
                "messages": {each.value: {"$ref": f"#/components/messages/{each.value}"}},
            }
            for each in CATALOGUE
        },
        "operations": {
            each.value: {
                "action": "send",
                "channel": {"$ref": f"#/channels/{each.value}"},
                "bindings": {"mqtt": {"qos": 1, "retain": False}},
            }
            for each in CATALOGUE
        },
        "components": {
            "messages": {each.value: _message(each, said) for each, said in CATALOGUE.items()}
        },
    }


def _message(told: EventType, said: Described) -> dict[str, Any]:
    envelope: dict[str, Any] = {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "description": "Unique for the source; a repeat has the same."},
        "source": {"type": "string", "format": "uri-reference", "description": "The log's name."},
        "type": {"const": told.value},
        "subject": {"type": "string", "description": "What it happened to, below /api/v1."},
        "time": {"type": "string", "format": "date-time", "description": "Record time."},
        "sequence": {"type": "string", "pattern": "^[0-9]{20}$", "description": "Order, as text."},
        "datacontenttype": {"const": "application/json"},
        "data": {
            "type": "object",
            "properties": {name: FIELDS[name] for name in said.fields},
            "additionalProperties": False,
        },
    }
    return {
        "name": told.value,
        "summary": said.text,
        "contentType": CONTENT_TYPE,
        "payload": {
            "type": "object",
            "required": [name for name in envelope if name != "subject"],
            "properties": envelope,
            "additionalProperties": False,
        },
    }
