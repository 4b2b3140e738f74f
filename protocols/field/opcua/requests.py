"""asyncua's request parts, made of our settings and addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from asyncua import ua

from protocols.field.opcua.address import Name, NodeAddress, PathAddress
from protocols.field.opcua.settings import OpcuaSignal, Trigger

BAD_NODE_UNKNOWN: Final = int(ua.StatusCodes.BadNodeIdUnknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A signal to monitor, and the number by which its values are told apart."""

    handle: int
    signal: OpcuaSignal
    node: ua.NodeId
    events: ua.EventFilter | None = None  # which events of the object, and what of them


def monitored_item(item: Item) -> ua.MonitoredItemCreateRequest:
    """Return the request to monitor the item (OPC 10000-4 section 5.13.2)."""
    signal = item.signal
    request = ua.MonitoredItemCreateRequest()
    request.ItemToMonitor.NodeId = item.node
    request.ItemToMonitor.AttributeId = (
        ua.AttributeIds.Value if item.events is None else ua.AttributeIds.EventNotifier
    )
    request.MonitoringMode = ua.MonitoringMode.Reporting
    wanted = request.RequestedParameters
    wanted.ClientHandle = item.handle
    wanted.SamplingInterval = signal.sampling_s * 1000
    wanted.QueueSize = signal.queue_max
    wanted.DiscardOldest = True
    if item.events is not None:
        wanted.SamplingInterval = 0.0
        wanted.Filter = item.events
        return request
    deadband = signal.deadband or signal.deadband_percent
    if deadband or signal.trigger is not Trigger.VALUE:
        chosen = ua.DataChangeFilter()
        chosen.Trigger = _TRIGGERS[signal.trigger]
        if deadband:
            kind = ua.DeadbandType.Absolute if signal.deadband else ua.DeadbandType.Percent
            chosen.DeadbandType = int(kind)
            chosen.DeadbandValue = deadband
        wanted.Filter = chosen
    return request


def node_of(address: NodeAddress, namespaces: Sequence[str]) -> ua.NodeId | None:
    """Return the NodeId at a server with these namespaces; None where it lacks the URI."""
    index = index_of(address.namespace, namespaces)
    return None if index is None else ua.NodeId(address.identifier, index)


def browse_path(address: PathAddress, namespaces: Sequence[str]) -> ua.BrowsePath | None:
    """Return the path from the root; None where the server lacks a name's namespace."""
    path = ua.BrowsePath()
    path.StartingNode = ua.NodeId(ua.ObjectIds.RootFolder)
    for name in address.names:
        index = index_of(name.namespace, namespaces)
        if index is None:
            return None
        path.RelativePath.Elements.append(_element(name, index))
    return path


def target(result: ua.BrowsePathResult) -> ua.NodeId | int:
    """Return the node at the end of a path, or the bad status code."""
    if not result.StatusCode.is_good():
        return int(result.StatusCode.value)
    here = [found for found in result.Targets if found.RemainingPathIndex == _WHOLE_PATH]
    if not here:
        return BAD_NODE_UNKNOWN  # the path leaves this server
    node = here[0].TargetId
    return ua.NodeId(node.Identifier, node.NamespaceIndex, node.NodeIdType)


_TRIGGERS: Final = {
    Trigger.VALUE: ua.DataChangeTrigger.StatusValue,
    Trigger.TIME: ua.DataChangeTrigger.StatusValueTimestamp,
}
_WHOLE_PATH: Final = 2**32 - 1  # OPC 10000-4 section 5.9.4: every element was processed


def index_of(namespace: str | int, namespaces: Sequence[str]) -> int | None:
    """Return a namespace's index at the server; None where it lacks the URI."""
    if isinstance(namespace, int):
        return namespace
    return namespaces.index(namespace) if namespace in namespaces else None


def _element(name: Name, index: int) -> ua.RelativePathElement:
    element = ua.RelativePathElement()
    element.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
    element.IsInverse = False
    element.IncludeSubtypes = True
    element.TargetName = ua.QualifiedName(name.name, index)
    return element
