"""An RFID reader of OPC UA for AutoID (OPC 30010) on a server: its types and its scan events.

The types are the standard's, without what no scan needs: ``RfidScanEventType`` (i=1006) with its
property ``ScanResult``, an array of RfidScanResult.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from asyncua import Server, ua
from asyncua.common.structures104 import new_struct, new_struct_field

NAMESPACE: Final = "http://opcfoundation.org/UA/AutoID/"
"""Namespace of OPC 30010."""

_SCAN_EVENT: Final = 1006


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One time that an antenna saw the tag."""

    antenna: int
    strength: int  # dBm
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One identifier that was scanned, as the reader encodes it."""

    code_type: str  # OPC 30010 section 9.1.2
    data: bytes | str
    time: datetime
    sightings: Sequence[Sighting] = ()
    control: int = 0x3000  # protocol control word of an EPC: six words of 16 bits


class AutoIdReader:
    """The reader; ``node`` is the object whose events its scans are."""

    def __init__(self, node: Any, generator: Any) -> None:
        self.node = node
        self._generator = generator

    @classmethod
    async def add_to(cls, server: Server, name: str = "Reader") -> AutoIdReader:
        """Add the types and a reader to a server that was not started yet."""
        index = await server.register_namespace(NAMESPACE)
        result = await _add_types(server, index)
        kind = await server.nodes.base_event_type.add_object_type(
            ua.NodeId(_SCAN_EVENT, index), f"{index}:RfidScanEventType"
        )
        await kind.add_property(
            ua.NodeId(0, index),
            f"{index}:ScanResult",
            [],
            ua.VariantType.ExtensionObject,
            datatype=result,
        )
        node = await server.nodes.objects.add_object(ua.NodeId(name, index), f"{index}:{name}")
        generator = await server.get_event_generator(kind, node)
        return cls(node, generator)

    async def report(self, scans: Sequence[Scan], *, time: datetime) -> None:
        """Report what a scan brought."""
        self._generator.event.ScanResult = [_result(scan) for scan in scans]
        await self._generator.trigger(time_attr=time, message="scan")


async def _add_types(server: Server, index: int) -> ua.NodeId:
    """Add the structures; return the type of a result."""
    text, octets, number = ua.VariantType.String, ua.VariantType.ByteString, ua.VariantType.UInt16
    when = ua.VariantType.DateTime
    epc, _ = await new_struct(
        server,
        index,
        "ScanDataEpc",
        [
            new_struct_field("PC", number),
            new_struct_field("UId", octets),
            new_struct_field("XPC_W1", number, optional=True),
            new_struct_field("XPC_W2", number, optional=True),
        ],
    )
    data, _ = await new_struct(
        server,
        index,
        "ScanData",
        [
            new_struct_field("ByteString", octets),
            new_struct_field("String", text),
            new_struct_field("Epc", epc),
            new_struct_field("Custom", ua.VariantType.Variant),
        ],
        is_union=True,
    )
    sighting, _ = await new_struct(
        server,
        index,
        "RfidSighting",
        [
            new_struct_field("Antenna", ua.VariantType.Int32),
            new_struct_field("Strength", ua.VariantType.Int32),
            new_struct_field("Timestamp", when),
            new_struct_field("CurrentPowerLevel", ua.VariantType.Int32),
        ],
    )
    result, _ = await new_struct(
        server,
        index,
        "RfidScanResult",
        [
            new_struct_field("CodeType", text),
            new_struct_field("ScanData", data),
            new_struct_field("Timestamp", when),
            new_struct_field("Location", text, optional=True),
            new_struct_field("Sighting", sighting, array=True),
        ],
    )
    await server.load_data_type_definitions()
    return result.nodeid


def _result(scan: Scan) -> Any:
    data = ua.ScanData()
    if scan.code_type == "EPC":
        data.Epc = ua.ScanDataEpc(PC=scan.control, UId=scan.data)
    elif isinstance(scan.data, bytes):
        data.ByteString = scan.data
    else:
        data.String = scan.data
    return ua.RfidScanResult(
        CodeType=scan.code_type,
        ScanData=data,
        Timestamp=scan.time,
        Sighting=[
            ua.RfidSighting(Antenna=each.antenna, Strength=each.strength, Timestamp=each.time)
            for each in scan.sightings
        ],
    )
