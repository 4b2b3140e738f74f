"""The variables of a server that match, each as a signal that can be collected."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from asyncua import ua

from protocols.field.opcua.address import parse_address
from protocols.field.opcua.change import change_of
from protocols.field.opcua.discover.units import ucum
from protocols.field.opcua.discover.walk import Limits, Place, Walk, in_parts
from protocols.field.opcua.refusal import code_name, told
from protocols.field.opcua.security.trust import load_identity
from protocols.field.opcua.session import Session
from protocols.field.opcua.settings import OpcuaSettings, OpcuaSignal, Security
from protocols.wire.reading import Kind, Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One variable of the server."""

    path: str  # browse names from Objects, parted by ``/``
    address: str  # its NodeId, with the namespace's URI
    signal: OpcuaSignal | None  # None: no signal can carry it, ``note`` says why
    value: str  # the current value as text, or the status code that stands for it
    note: str  # what a person should know of it; mostly empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Browsed:
    """What browsing brought."""

    found: tuple[Found, ...]  # those that match, by path
    nodes: int  # gone through
    notes: tuple[str, ...]  # where a limit ended the browsing


async def browse(
    settings: OpcuaSettings,
    now_ns: Nanoseconds | None,
    *,
    match: Sequence[str],
    prefix: str,
    limits: Limits,
) -> Browsed:
    """Return the variables whose path matches a glob; ``*`` stands for ``/`` too.

    ``prefix`` begins the name of every signal. The object ``Server`` is passed over unless a glob
    begins with it. Raises DriverError, or SettingsError where the files do not fit.
    """
    certificate, key, trusted = settings.certificate, settings.private_key, settings.trusted
    identity = None
    if settings.security is not Security.NONE and certificate and key and trusted:
        identity = load_identity(
            certificate, key, trusted=trusted, application_uri=settings.application_uri
        )
    session = await Session.connect(settings, identity, now_ns)
    try:
        walk = Walk(session, limits, with_server=any(glob.startswith("Server") for glob in match))
        await walk.go()
        matching = [
            place
            for place in sorted(walk.variables, key=lambda place: place.path)
            if any(fnmatchcase(place.path, glob) for glob in match)
        ]
        found = await _look(session, matching, prefix)
    finally:
        await session.close()
    return Browsed(found=tuple(found), nodes=walk.nodes, notes=tuple(walk.notes))


async def _look(session: Session, places: Sequence[Place], prefix: str) -> list[Found]:
    """Read type, rank and value of the variables, and the units of those that have some."""
    size = await session.operation_limit(_LIMIT_READ)

    async def read(part: Sequence[tuple[Any, Any]]) -> list[Any]:
        params = ua.ReadParameters()
        params.TimestampsToReturn = ua.TimestampsToReturn.Both
        params.NodesToRead = [
            ua.ReadValueId(NodeId=node, AttributeId=attribute) for node, attribute in part
        ]
        with told("reading the variables"):
            return list(await session.services.read(params))

    wanted = [(place.node, attribute) for place in places for attribute in _ATTRIBUTES]
    wanted += [(place.unit, _VALUE) for place in places if place.unit is not None]
    answers = iter(await in_parts(wanted, size, read))
    attributes = [[next(answers) for _ in _ATTRIBUTES] for _ in places]
    names: set[str] = set()
    found = []
    for place, (data_type, rank, data) in zip(places, attributes, strict=True):
        unit, note = _unit(_value(next(answers))) if place.unit is not None else ("1", "")
        kind = _kind(_value(data_type), data)
        address = _address(place.node, session.namespaces)
        refusal = _refusal(kind, _value(rank), address)
        signal = None
        if kind is not None and not refusal:
            name = _unused(f"{prefix}{place.path}"[:_NAME_MAX], names)
            signal = OpcuaSignal(name=name, address=address, kind=kind, unit=unit)
        found.append(
            Found(
                path=place.path,
                address=address,
                signal=signal,
                value=_shown(data),
                note=refusal or note,
            )
        )
    return found


_VALUE: Final = ua.AttributeIds.Value
_ATTRIBUTES: Final = (ua.AttributeIds.DataType, ua.AttributeIds.ValueRank, _VALUE)
_LIMIT_READ: Final = int(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead)
_NAME_MAX: Final = 240  # leaves room for a number that makes it unique
_SHOWN_MAX: Final = 40
_KINDS: Final = {  # of the built-in data types, OPC 10000-6 section 5.1.2, and of their groups
    ua.ObjectIds.Boolean: Kind.BOOL,
    ua.ObjectIds.SByte: Kind.INT,
    ua.ObjectIds.Int16: Kind.INT,
    ua.ObjectIds.Int32: Kind.INT,
    ua.ObjectIds.Int64: Kind.INT,
    ua.ObjectIds.Byte: Kind.UINT,
    ua.ObjectIds.UInt16: Kind.UINT,
    ua.ObjectIds.UInt32: Kind.UINT,
    ua.ObjectIds.UInt64: Kind.UINT,
    ua.ObjectIds.Float: Kind.FLOAT32,
    ua.ObjectIds.Double: Kind.FLOAT64,
    ua.ObjectIds.String: Kind.TEXT,
    ua.ObjectIds.LocalizedText: Kind.TEXT,
    ua.ObjectIds.ByteString: Kind.BYTES,
    ua.ObjectIds.Enumeration: Kind.INT,
}
_IDENTIFIERS: Final = {
    ua.NodeIdType.String: "s",
    ua.NodeIdType.Guid: "g",
    ua.NodeIdType.ByteString: "b",
}


def _value(data: Any) -> Any:
    """Return the value of an attribute, None where the server gives none."""
    return data.Value.Value if data.Value is not None else None


def _kind(data_type: Any, data: Any) -> Kind | None:
    """Return the kind that holds a data type; of one not built in, what the value shows."""
    if data_type is not None and data_type.NamespaceIndex == 0 and data_type.Identifier in _KINDS:
        return _KINDS[data_type.Identifier]
    if data.Value is None or data.Value.Value is None:
        return None
    return _KINDS.get(data.Value.VariantType.value)  # built-in types have the numbers of their ids


def _unit(unit: Any) -> tuple[str, str]:
    """Return an EUInformation in UCUM, and what to say where it is not known there."""
    if not isinstance(unit, ua.EUInformation):
        return "1", ""
    shown = unit.DisplayName.Text if unit.DisplayName is not None else None
    symbol = ucum(unit.NamespaceUri, unit.UnitId, shown)
    if symbol is not None:
        return symbol, ""
    return "1", f"the server's unit {shown!r} is not known in UCUM: set unit by hand"


def _refusal(kind: Kind | None, rank: Any, address: str) -> str:
    """Return why no signal can carry a variable, or nothing."""
    if rank is not None and rank >= 0:  # ValueRank, OPC 10000-3 section 5.6.2
        return "an array: no signal holds it"
    if kind is None:
        return "no kind of signal holds its data type"
    try:
        parse_address(address)
    except ValueError as error:
        return str(error)
    return ""


def _address(node: Any, namespaces: Sequence[str]) -> str:
    """Return a NodeId as text (OPC 10000-6 section 5.3.1.10), by URI where that can be written."""
    identifier = node.Identifier
    if isinstance(identifier, bytes):
        identifier = base64.b64encode(identifier).decode("ascii")
    text = f"{_IDENTIFIERS.get(node.NodeIdType, 'i')}={identifier}"
    index = node.NamespaceIndex
    if index == 0:
        return text
    uri = namespaces[index] if index < len(namespaces) else ""
    return f"nsu={uri};{text}" if uri and ";" not in uri else f"ns={index};{text}"


def _unused(name: str, names: set[str]) -> str:
    """Return the name in printable characters, with a number where it is taken, and take it."""
    name = "".join(each if each.isprintable() else "_" for each in name)
    number, wanted = 1, name
    while name in names:
        number += 1
        name = f"{wanted}-{number}"
    names.add(name)
    return name


def _shown(data: Any) -> str:
    change = change_of(0, data)
    if change.code >> 30:
        return code_name(change.code)
    value = change.value
    return f"{value:g}" if isinstance(value, float) else str(value)[:_SHOWN_MAX]
