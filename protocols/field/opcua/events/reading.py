"""From an event to readings: text that holds its fields, or the tag reads of an RFID scan."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from asyncua import ua

from protocols.field.opcua.change import Change, nanoseconds, plain_of
from protocols.field.opcua.convert import reading_of
from protocols.field.opcua.events.auto_id import tag_reads
from protocols.field.opcua.events.selection import ALWAYS, fields_of
from protocols.field.opcua.settings import OpcuaSignal
from protocols.field.opcua.values.part import Decode
from protocols.wire.reading import Kind, Nanoseconds, Reading

OVERFLOW: Final = ua.NodeId(ua.ObjectIds.EventQueueOverflowEventType)
"""The type of the event that stands for those that the server's queue lost."""


class Events:
    """The event signals of a source; an event that comes again is known by its EventId."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, bytes], None] = OrderedDict()

    def readings(
        self,
        handle: int,
        signal: OpcuaSignal,
        fields: Sequence[ua.Variant],
        *,
        now: Nanoseconds,
        skew_max: Nanoseconds | None,
        decode: Decode,
    ) -> Iterator[Reading]:
        """Yield what an event says; nothing for one that came before or is the server's own."""
        names = (*ALWAYS, *fields_of(signal))
        values = dict(zip(names, (field.Value for field in fields), strict=False))
        identifier = values["EventId"] if isinstance(values.get("EventId"), bytes) else b""
        if values.get("EventType") in _REFRESHES or self._is_known(handle, identifier):
            return
        time = values.get("Time")
        when = nanoseconds(time) if isinstance(time, datetime) else None
        if signal.kind is Kind.TAG_READ:
            yield from tag_reads(
                signal, values[names[-1]], now=now, skew_max=skew_max, when=when, decode=decode
            )
            return
        text = json.dumps(
            {name: _shown(value) for name, value in values.items()},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        yield reading_of(signal, Change(handle, text, b"", 0, when, None), now, skew_max)

    def _is_known(self, handle: int, identifier: bytes) -> bool:
        """Tell whether the event came before: a refresh repeats what is still so."""
        if not identifier:
            return False
        key = (handle, identifier)
        if key in self._known:
            self._known.move_to_end(key)
            return True
        self._known[key] = None
        if len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)
        return False


def kind_of(fields: Sequence[ua.Variant]) -> ua.NodeId | None:
    """Return the type of an event."""
    found = fields[ALWAYS.index("EventType")].Value if len(fields) > 1 else None
    return found if isinstance(found, ua.NodeId) else None


_KNOWN_MAX: Final = 10_000
_REFRESHES: Final = tuple(
    ua.NodeId(kind)
    for kind in (
        ua.ObjectIds.RefreshStartEventType,
        ua.ObjectIds.RefreshEndEventType,
        ua.ObjectIds.RefreshRequiredEventType,
    )
)


def _shown(value: Any) -> Any:
    """Return a field as JSON holds it."""
    if isinstance(value, list):
        return [_shown(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, ua.NodeId):
        return value.to_string()
    found, _ = plain_of(value)
    if isinstance(found, bytes):
        return found.hex()
    if found is None or isinstance(found, bool | int | float | str):
        return found
    return str(found)
