"""Events: what other systems are told, and the act in the audit trail that each one tells of.

An event names what happened by ids and hashes and never carries a value, so it may travel where
the thing itself may not; who may read the thing follows the address in it. The envelope is
CloudEvents 1.0 (docs/specs/events.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

from aggregator.model.disposition import Event
from aggregator.model.genealogy.recall import CaseEvent
from protocols.wire.dossier.instant import format_time
from protocols.wire.reading import Nanoseconds

Json = dict[str, Any]
CONTENT_TYPE: Final = "application/cloudevents+json"


class EventType(StrEnum):
    """What can be told; the value is the ``type`` of CloudEvents."""

    LOT_CREATED = "lotproof.lot.created"
    MASTER_CREATED = "lotproof.master.created"
    MASTER_CHANGED = "lotproof.master.changed"
    MASTER_PROPOSED = "lotproof.master.proposed"
    MASTER_APPROVED = "lotproof.master.approved"
    MASTER_REJECTED = "lotproof.master.rejected"
    RECORD_ASSEMBLED = "lotproof.record.assembled"
    RECORD_COMPLETED = "lotproof.record.completed"
    EXCEPTIONS_RAISED = "lotproof.record.exceptions_raised"
    RECORD_SIGNED = "lotproof.record.signed"
    RECORD_EXPORTED = "lotproof.record.exported"
    REVIEW_OPENED = "lotproof.review.opened"
    DEVIATION_RAISED = "lotproof.deviation.raised"
    LOT_REVIEWED = "lotproof.lot.reviewed"
    LOT_RELEASED = "lotproof.lot.released"
    LOT_REJECTED = "lotproof.lot.rejected"
    LOT_HELD = "lotproof.lot.held"
    HOLD_LIFTED = "lotproof.lot.hold_lifted"
    ADDENDUM_SIGNED = "lotproof.record.addendum_signed"
    GENEALOGY_CHANGED = "lotproof.genealogy.changed"
    RECALL_OPENED = "lotproof.recall.opened"
    RECALL_CHANGED = "lotproof.recall.changed"
    RECALL_CLOSED = "lotproof.recall.closed"
    RESULT_RECORDED = "lotproof.result.recorded"
    GATEWAY_CHANGED = "lotproof.gateway.changed"
    GATEWAY_QUARANTINED = "lotproof.gateway.quarantined"
    IMPORT_MISFIT = "lotproof.import.misfit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event before it has a number."""

    type: EventType
    subject: str  # the path of the thing below /api/v1, as far as it has one
    data: Json  # ids, hashes and words of ours; never a value


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedEvent:
    """An event as it stands in the store."""

    sequence: int  # from 1; in the order of commits
    type: EventType
    subject: str
    record_time: Nanoseconds
    data: Json


def envelope(event: NumberedEvent, origin: str) -> Json:
    """Return the event as CloudEvents 1.0 in JSON; ``origin`` is the name of the log.

    ``id`` is unique for the source, so a repeat is known by it; ``sequence`` (an extension of
    CloudEvents) is text whose order is the order of events.
    """
    return {
        "specversion": "1.0",
        "id": str(event.sequence),
        "source": f"//{origin}",
        "type": event.type.value,
        "subject": event.subject,
        "time": format_time(event.record_time),
        "sequence": f"{event.sequence:020}",
        "datacontenttype": "application/json",
        "data": event.data,
    }


def happenings(act: str, what: str, before: Any, after: Any) -> list[Happening]:
    """Return what an entry of the audit trail tells other systems; often nothing.

    ``act``, ``what``, ``before`` and ``after`` are those of ``aggregator.audit.Entry``.
    """
    said = after if isinstance(after, Mapping) else {}
    lot = _lot(what)
    if act in _OF_MASTER:
        return _of_master(_OF_MASTER[act], what, said, is_new=before is None)
    if act == "assemble_record" and lot:
        return _of_record(lot, said)
    if act == "export_record" and lot:
        return [_of_lot(EventType.RECORD_EXPORTED, lot, said, "version", "hash", "form")]
    if act in _OF_REVIEW and lot:
        return _of_review(act, lot, said)
    if act == "manage_recall":
        return [_of_recall(what, said)]
    if act == "write_genealogy":
        return [Happening(type=EventType.GENEALOGY_CHANGED, subject="genealogy", data={})]
    if act == "write_results" and lot:
        return [_of_lot(EventType.RESULT_RECORDED, lot, said, "result", "version")]
    if what.startswith("gateway "):
        gateway = what.removeprefix("gateway ")
        data: Json = {"gateway": gateway, "act": act}
        return [Happening(type=EventType.GATEWAY_CHANGED, subject=f"gateways/{gateway}", data=data)]
    return []


def quarantined(gateway: str, messages: int) -> Happening:
    """Return what is told when messages were refused; ``gateway`` is what their topics claim."""
    data: Json = {"gateway": gateway, "messages": messages}
    return Happening(type=EventType.GATEWAY_QUARANTINED, subject=f"gateways/{gateway}", data=data)


def misfit(misfit_id: str, interface: str) -> Happening:
    """Return what is told when an incoming item does not fit."""
    subject = f"import/misfits/{misfit_id}"
    data: Json = {"misfit": misfit_id, "interface": interface, "href": f"/api/v1/{subject}"}
    return Happening(type=EventType.IMPORT_MISFIT, subject=subject, data=data)


def _of_master(
    told: EventType, what: str, said: Mapping[str, Any], *, is_new: bool
) -> list[Happening]:
    kind, _, key = what.partition(" ")
    path = f"{_PATH_OF.get(kind, kind.replace('_', '-') + 's')}/{quote(key)}"
    data: Json = {"kind": kind, "key": key, "href": f"/api/v1/{path}"}
    if told in _DECISIONS:
        data["version"] = said.get("version")
    elif told is EventType.MASTER_CHANGED and is_new:
        told = EventType.MASTER_CREATED
    found = [Happening(type=told, subject=path, data=data)]
    first = told is EventType.MASTER_APPROVED and data["version"] == 1
    if kind == "lot" and (first or told is EventType.MASTER_CREATED):
        gtin, _, lot = key.partition("/")
        found.insert(0, _of_lot(EventType.LOT_CREATED, (gtin, lot), {}, path="lots"))
    return found


def _of_record(lot: tuple[str, str], said: Mapping[str, Any]) -> list[Happening]:
    found = [_of_lot(EventType.RECORD_ASSEMBLED, lot, said, "version", "hash", "state")]
    if said.get("state") == "complete":
        found.append(_of_lot(EventType.RECORD_COMPLETED, lot, said, "version", "hash"))
    if said.get("raised"):
        found.append(_of_lot(EventType.EXCEPTIONS_RAISED, lot, said, "version", "raised"))
    return found


def _of_review(act: str, lot: tuple[str, str], said: Mapping[str, Any]) -> list[Happening]:
    found = []
    if "signature" in said:
        signed = ("signature", "meaning", "version")
        found.append(_of_lot(EventType.RECORD_SIGNED, lot, said, *signed))
    if said.get("meaning") == "deviation_raised":
        fields = ("version", "deviation", "subjects", "signature")
        found.append(_of_lot(EventType.DEVIATION_RAISED, lot, said, *fields))
    told = _OF_REVIEW[act]
    if told is not None:
        found.append(_of_lot(told, lot, said, "version", "signature"))
    return found


def _of_recall(what: str, said: Mapping[str, Any]) -> Happening:
    kind, _, case = what.partition(" ")
    told = _OF_RECALL.get(str(said.get("event")), EventType.RECALL_CHANGED)
    data: Json = {"case": case, "kind": kind, "href": f"/api/v1/recalls/{case}"}
    data |= {name: said[name] for name in ("event", "state") if name in said}
    return Happening(type=told, subject=f"recalls/{case}", data=data)


def _of_lot(
    told: EventType,
    lot: tuple[str, str],
    said: Mapping[str, Any],
    *fields: str,
    path: str = "records",
) -> Happening:
    """Return an event about a lot, with those of the entry's fields that it tells."""
    gtin, number = lot
    key = f"{gtin}/{quote(number, safe='')}"
    data: Json = {"gtin": gtin, "lot": number, "href": f"/api/v1/{path}/{key}"}
    data |= {name: said[name] for name in fields if name in said}
    return Happening(type=told, subject=f"lots/{key}", data=data)


def _lot(what: str) -> tuple[str, str] | None:
    found = _LOT.search(what)
    return None if found is None else (found[1], found[2])


_LOT: Final = re.compile(r"\(01\)([0-9]{14})\(10\)(\S+)$")
_PATH_OF: Final = {"equipment": "equipment", "person": "people"}
_OF_MASTER: Final[Mapping[str, EventType]] = {
    "manage_master": EventType.MASTER_CHANGED,
    "propose_master": EventType.MASTER_PROPOSED,
    "approve_master": EventType.MASTER_APPROVED,
    "reject_master": EventType.MASTER_REJECTED,
}
_DECISIONS: Final = frozenset({EventType.MASTER_APPROVED, EventType.MASTER_REJECTED})
_OF_REVIEW: Final[Mapping[str, EventType | None]] = {
    Event.OPEN_REVIEW: EventType.REVIEW_OPENED,
    Event.DECIDE: None,
    Event.CHECK_ENTRY: None,
    Event.SIGN_REVIEW: EventType.LOT_REVIEWED,
    Event.RELEASE: EventType.LOT_RELEASED,
    Event.REJECT: EventType.LOT_REJECTED,
    Event.HOLD: EventType.LOT_HELD,
    Event.LIFT: EventType.HOLD_LIFTED,
    Event.ADDEND: EventType.ADDENDUM_SIGNED,
}
_OF_RECALL: Final = {
    "open": EventType.RECALL_OPENED,
    CaseEvent.CLOSE.value: EventType.RECALL_CLOSED,
    CaseEvent.CANCEL.value: EventType.RECALL_CLOSED,
}
