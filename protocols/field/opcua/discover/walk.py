"""From the Objects folder down, level by level, within limits of ours and of the server's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from asyncua import ua

from protocols.field.opcua.refusal import RefusedError, code_name, told
from protocols.field.opcua.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a server is browsed."""

    depth_max: int = 12  # levels below Objects
    nodes_max: int = 20_000  # nodes gone through


@dataclass(slots=True, kw_only=True)
class Place:
    """A node, and the way to it."""

    node: Any  # ua.NodeId
    path: str  # browse names from Objects, parted by ``/``; one in a name is written ``&/``
    unit: Any = None  # the NodeId of its EngineeringUnits, where it has some


class Walk:
    """Goes through a server's address space; a node that is reached twice is gone through once."""

    def __init__(self, session: Session, limits: Limits, *, with_server: bool) -> None:
        """Pass the object ``Server`` over unless ``with_server``."""
        self.variables: list[Place] = []
        self.notes: list[str] = []  # where a limit or the server ended the way
        self.nodes = 0
        self._session = session
        self._limits = limits
        self._seen = set() if with_server else {ua.NodeId(ua.ObjectIds.Server)}

    async def go(self) -> None:
        """Browse until nothing is left, or a limit is reached."""
        size = await self._session.operation_limit(_LIMIT_BROWSE)
        level = [Place(node=ua.NodeId(ua.ObjectIds.ObjectsFolder), path="")]
        depth = 0
        while level and depth < self._limits.depth_max:
            answers = await in_parts(level, size, self._references)
            level = [
                child
                for parent, references in zip(level, answers, strict=True)
                for child in self._children(parent, references)
            ]
            depth += 1
        if level:
            self.notes.append(f"nothing was looked at below {depth} levels: raise --depth")

    def _children(self, parent: Place, references: Sequence[Any]) -> list[Place]:
        children: list[Place] = []
        for reference in references:
            node = _local(reference.NodeId)
            if reference.ReferenceTypeId == _HAS_PROPERTY:
                if reference.BrowseName.Name == "EngineeringUnits":
                    parent.unit = node
                continue
            # asyncua gives a plain NodeId where neither a server nor a URI was sent.
            if node in self._seen or getattr(reference.NodeId, "ServerIndex", None):
                continue  # a circle, or a node of another server
            if self.nodes == self._limits.nodes_max:
                note = f"nothing was looked at after {self.nodes} nodes: raise --nodes"
                self.notes += [] if note in self.notes else [note]
                break
            self.nodes += 1
            self._seen.add(node)
            name = (reference.BrowseName.Name or "").replace("/", "&/")
            child = Place(node=node, path=f"{parent.path}/{name}".lstrip("/"))
            children.append(child)
            if reference.NodeClass == ua.NodeClass.Variable:
                self.variables.append(child)
        return children

    async def _references(self, parents: Sequence[Place]) -> list[list[Any]]:
        """Return the references of each, in however many answers the server gives them."""
        services = self._session.services
        params = ua.BrowseParameters()
        params.View.Timestamp = ua.get_win_epoch()  # no time: the present address space
        params.RequestedMaxReferencesPerNode = _REFERENCES_MAX
        params.NodesToBrowse = [_description(parent.node) for parent in parents]
        with told("browsing"):
            results = await services.browse(params)
            found = [list(result.References or []) for result in results]
            following = {
                n: result.ContinuationPoint
                for n, result in enumerate(results)
                if result.ContinuationPoint
            }
            while following:
                marks = {}
                more = await services.browse_next(
                    ua.BrowseNextParameters(
                        ReleaseContinuationPoints=False,
                        ContinuationPoints=list(following.values()),
                    )
                )
                for index, result in zip(following, more, strict=True):
                    found[index] += result.References or []
                    if result.ContinuationPoint:
                        marks[index] = result.ContinuationPoint
                following = marks
        for index, result in enumerate(results):
            code = int(result.StatusCode.value)
            if code == ua.StatusCodes.BadNoContinuationPoints and len(parents) > 1:
                # The server has few of them: alone each may have one (section 5.9.2).
                (found[index],) = await self._references([parents[index]])
            elif result.StatusCode.is_bad():
                where = parents[index].path or "Objects"
                self.notes.append(f"{where} cannot be browsed: {code_name(code)}")
        return found


_T = TypeVar("_T")
_R = TypeVar("_R")


async def in_parts(
    whole: Sequence[_T], size: int, ask: Callable[[Sequence[_T]], Awaitable[list[_R]]]
) -> list[_R]:
    """Ask for the whole in parts of ``size``, and in halves of a part that the server refuses."""
    found: list[_R] = []
    for start in range(0, len(whole), size):
        part = whole[start : start + size]
        try:
            found += await ask(part)
        except RefusedError as refusal:
            if refusal.code not in _TOO_MUCH or len(part) == 1:
                raise
            found += await in_parts(part, (len(part) + 1) // 2, ask)
    return found


_LIMIT_BROWSE: Final = int(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse)
_REFERENCES_MAX: Final = 1000  # of one node in one answer
_HAS_PROPERTY: Final = ua.NodeId(ua.ObjectIds.HasProperty)
_TOO_MUCH: Final = frozenset(
    {
        int(ua.StatusCodes.BadTooManyOperations),
        int(ua.StatusCodes.BadRequestTooLarge),
        int(ua.StatusCodes.BadResponseTooLarge),
        int(ua.StatusCodes.BadEncodingLimitsExceeded),
    }
)


def _description(node: Any) -> Any:
    description = ua.BrowseDescription()
    description.NodeId = node
    description.BrowseDirection = ua.BrowseDirection.Forward
    description.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
    description.IncludeSubtypes = True
    description.NodeClassMask = int(ua.NodeClass.Object | ua.NodeClass.Variable)
    description.ResultMask = int(ua.BrowseResultMask.All)
    return description


def _local(node: Any) -> Any:
    """Return an ExpandedNodeId as the NodeId that it is at this server."""
    return ua.NodeId(node.Identifier, node.NamespaceIndex, node.NodeIdType)
