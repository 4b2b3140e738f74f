"""A server's own structures, learned from it and decoded (OPC 10000-6 section 5.2.6).

asyncua keeps one register of structures for the whole process, by NodeId; two servers give the
same NodeId to different structures. So each line has a register of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import unpack_uatype

from protocols.field.opcua.refusal import told
from protocols.field.opcua.requests import target
from protocols.field.opcua.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """How a structure is encoded."""

    kind: ua.StructureType
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field: what it is, and whether it is several or may be missing."""

    name: str
    type: Type
    is_array: bool
    is_optional: bool


Type: TypeAlias = "ua.VariantType | Structure"


class Structures:
    """The structures that the variables of a line have."""

    def __init__(self) -> None:
        self._by_encoding: dict[ua.NodeId, Structure] = {}
        self._by_type: dict[ua.NodeId, Type] = {}

    async def learn(self, session: Session, variable: ua.NodeId) -> None:
        """Ask for the type of a variable; one that cannot be told stays unknown.

        Raises DriverError where the line breaks.
        """
        data_type = await _attribute(session, variable, ua.AttributeIds.DataType)
        if isinstance(data_type, ua.NodeId):
            await self._type(session, data_type, _DEPTH_MAX)

    async def learn_field(self, session: Session, field: ua.SimpleAttributeOperand) -> None:
        """Ask for the type of a field of events; raises as ``learn`` does."""
        path = ua.BrowsePath()
        path.StartingNode = field.TypeDefinitionId
        for name in field.BrowsePath:
            element = ua.RelativePathElement()
            element.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
            element.IsInverse = False
            element.IncludeSubtypes = True
            element.TargetName = name
            path.RelativePath.Elements.append(element)
        with told("looking for a field of events"):
            (result,) = await session.services.translate_browsepaths_to_nodeids([path])
        found = target(result)
        if isinstance(found, ua.NodeId):
            await self.learn(session, found)

    def decode(self, value: ua.ExtensionObject) -> dict[str, Any] | None:
        """Return the fields of a structure by name; None where it is not known."""
        structure = self._by_encoding.get(value.TypeId)
        if structure is None or value.Body is None:
            return None
        try:
            return _read(structure, Buffer(bytes(value.Body)))
        except Exception:  # noqa: BLE001 -- whatever a decoder of hostile bytes may raise
            return None

    async def _type(self, session: Session, node: ua.NodeId, depth: int) -> Type:
        """Return what a data type is encoded as; a Variant where the server does not tell."""
        if node.NamespaceIndex == 0 and node.Identifier in _BUILT_IN:
            return _BUILT_IN[node.Identifier]
        known = self._by_type.get(node)
        if known is not None or depth == 0:
            return known or ua.VariantType.Variant
        definition = await _attribute(session, node, ua.AttributeIds.DataTypeDefinition)
        found: Type
        if isinstance(definition, ua.StructureDefinition):
            found = Structure(
                kind=definition.StructureType,
                fields=tuple(
                    [await self._field(session, each, depth - 1) for each in definition.Fields]
                ),
            )
            self._by_encoding[definition.DefaultEncodingId] = found
        elif isinstance(definition, ua.EnumDefinition):
            found = ua.VariantType.Int32
        else:
            parent = await _parent(session, node)
            found = (
                ua.VariantType.Variant
                if parent is None
                else await self._type(session, parent, depth - 1)
            )
        self._by_type[node] = found
        return found

    async def _field(self, session: Session, field: ua.StructureField, depth: int) -> Field:
        return Field(
            name=str(field.Name),
            type=await self._type(session, field.DataType, depth),
            is_array=field.ValueRank >= 1,
            is_optional=bool(field.IsOptional),
        )


def _read(structure: Structure, data: Buffer) -> dict[str, Any]:
    fields = structure.fields
    if structure.kind is ua.StructureType.Union:
        (chosen,) = _UINT32.unpack(data.read(4))
        return {} if chosen == 0 else _fields((fields[chosen - 1],), data)
    if structure.kind is ua.StructureType.StructureWithOptionalFields:
        (mask,) = _UINT32.unpack(data.read(4))
        optional = [field for field in fields if field.is_optional]
        absent = {field.name for bit, field in enumerate(optional) if not mask >> bit & 1}
        fields = tuple(field for field in fields if field.name not in absent)
    return _fields(fields, data)


def _fields(fields: Iterable[Field], data: Buffer) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in fields:
        if field.is_array:
            (count,) = _INT32.unpack(data.read(4))
            if count > len(data):
                raise ValueError("an array is longer than what holds it")
            found[field.name] = [_one(field.type, data) for _ in range(count)]
        else:
            found[field.name] = _one(field.type, data)
    return found


def _one(kind: Type, data: Buffer) -> Any:
    return _read(kind, data) if isinstance(kind, Structure) else unpack_uatype(kind, data)


async def _attribute(session: Session, node: ua.NodeId, attribute: ua.AttributeIds) -> Any:
    with told("reading a data type"):
        (answer,) = await session.services.read_attributes([node], attribute)
    return answer.Value.Value if answer.Value is not None else None


async def _parent(session: Session, node: ua.NodeId) -> ua.NodeId | None:
    """Return the type that a data type is a subtype of."""
    wanted = ua.BrowseDescription()
    wanted.NodeId = node
    wanted.BrowseDirection = ua.BrowseDirection.Inverse
    wanted.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HasSubtype)
    wanted.IncludeSubtypes = True
    wanted.ResultMask = 0
    params = ua.BrowseParameters()
    params.NodesToBrowse = [wanted]
    with told("browsing a data type"):
        (result,) = await session.services.browse(params)
    for reference in result.References or ():
        found = reference.NodeId
        return ua.NodeId(found.Identifier, found.NamespaceIndex, found.NodeIdType)
    return None


_DEPTH_MAX: Final = 16
_UINT32: Final = struct.Struct("<I")
_INT32: Final = struct.Struct("<i")
_BUILT_IN: Final[dict[Any, ua.VariantType]] = {
    **{kind.value: kind for kind in ua.VariantType if 1 <= kind.value <= 25},
    int(ua.ObjectIds.Enumeration): ua.VariantType.Int32,
    int(ua.ObjectIds.Structure): ua.VariantType.ExtensionObject,
    int(ua.ObjectIds.BaseDataType): ua.VariantType.Variant,
    int(ua.ObjectIds.Number): ua.VariantType.Variant,
    int(ua.ObjectIds.Integer): ua.VariantType.Variant,
    int(ua.ObjectIds.UInteger): ua.VariantType.Variant,
}
"""The built-in types (OPC 10000-6 section 5.1.2), and the abstract ones by how they are sent."""
