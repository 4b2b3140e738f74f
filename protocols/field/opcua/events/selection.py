"""Which events of an object a signal takes, and which fields (OPC 10000-4 section 7.22.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from asyncua import ua

from protocols.field.opcua.address import Name, NodeAddress, parse_address, parse_path
from protocols.field.opcua.requests import index_of, node_of
from protocols.field.opcua.settings import OpcuaSignal
from protocols.wire.reading import Kind

AUTO_ID: Final = "http://opcfoundation.org/UA/AutoID/"
"""Namespace of OPC 30010."""

ALWAYS: Final = ("EventId", "EventType", "SourceName", "Time")
"""What every event is asked for (OPC 10000-5 section 6.4.2)."""


def fields_of(signal: OpcuaSignal) -> tuple[str, ...]:
    """Return the fields of its events that a signal holds, beside those that every one has."""
    return (_SCAN_RESULT,) if signal.kind is Kind.TAG_READ else signal.events


def selection_of(signal: OpcuaSignal, namespaces: Sequence[str]) -> ua.EventFilter | None:
    """Return what to ask the server for; None where it lacks a namespace."""
    wanted = signal.event_type or (_SCAN_EVENT if signal.kind is Kind.TAG_READ else _BASE_EVENT)
    address = parse_address(wanted)
    kind = node_of(address, namespaces) if isinstance(address, NodeAddress) else None
    if kind is None:
        return None
    chosen = ua.EventFilter()
    chosen.SelectClauses = [_operand(_BASE, [ua.QualifiedName(name)]) for name in ALWAYS]
    for field in fields_of(signal):
        path = [_qualified(name, namespaces) for name in parse_path("/" + field).names]
        if None in path:
            return None
        chosen.SelectClauses.append(_operand(kind, [name for name in path if name is not None]))
    if kind != _BASE:
        of_type = ua.ContentFilterElement()
        of_type.FilterOperator = ua.FilterOperator.OfType
        of_type.FilterOperands = [ua.LiteralOperand(Value=ua.Variant(kind))]
        chosen.WhereClause.Elements.append(of_type)
    return chosen


_BASE: Final = ua.NodeId(ua.ObjectIds.BaseEventType)
_BASE_EVENT: Final = "i=2041"
_SCAN_EVENT: Final = f"nsu={AUTO_ID};i=1006"  # RfidScanEventType
_SCAN_RESULT: Final = f"nsu={AUTO_ID};ScanResult"


def _operand(kind: ua.NodeId, path: list[ua.QualifiedName]) -> ua.SimpleAttributeOperand:
    operand = ua.SimpleAttributeOperand()
    operand.TypeDefinitionId = kind
    operand.BrowsePath = path
    operand.AttributeId = ua.AttributeIds.Value
    return operand


def _qualified(name: Name, namespaces: Sequence[str]) -> ua.QualifiedName | None:
    index = index_of(name.namespace, namespaces)
    return None if index is None else ua.QualifiedName(name.name, index)
