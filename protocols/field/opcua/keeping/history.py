"""Raw history of a variable, page by page (OPC 10000-11 section 6.5.3, ReadRawModifiedDetails)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from asyncua import ua

from protocols.field.opcua.change import Change, change_of
from protocols.field.opcua.refusal import RefusedError, told
from protocols.field.opcua.session import Session
from protocols.wire.reading import Nanoseconds


async def with_history(session: Session, nodes: Sequence[ua.NodeId]) -> list[bool]:
    """Tell of each variable whether the server lets this user read its history.

    Raises DriverError where the line breaks.
    """
    size = await session.operation_limit(_LIMIT_READ)
    found: list[bool] = []
    for start in range(0, len(nodes), size):
        with told("asking for the access to history"):
            answers = await session.services.read_attributes(
                nodes[start : start + size], ua.AttributeIds.UserAccessLevel
            )
        found += [_allows(answer) for answer in answers]
    return found


async def read_raw(
    session: Session, node: ua.NodeId, start: Nanoseconds, end: Nanoseconds
) -> AsyncIterator[list[Change]]:
    """Yield the values with ``start <= source time <= end``, in order of time, page by page.

    A value at the edge of a page may come twice. Raises RefusedError where the server has no
    history of the variable, DriverError where the line breaks.
    """
    onward: bytes | None = None
    while True:
        result = await _ask(session, node, (start, end), PAGE, onward)
        changes = _changes(result)
        yield changes
        onward = result.ContinuationPoint or None
        if onward is None:
            # Some servers cut what is too much, and say nothing of it.
            last = max((each.source_time or start for each in changes), default=start)
            if len(changes) < PAGE or last <= start:
                return
            start = last


async def value_before(
    session: Session, node: ua.NodeId, time: Nanoseconds, earliest: Nanoseconds
) -> Change | None:
    """Return the last value at or before ``time``, not before ``earliest``; None for none.

    Raises as ``read_raw`` does.
    """
    # A start behind the end asks for the reverse order.
    changes = _changes(await _ask(session, node, (time, earliest), 1, None))
    return changes[0] if changes else None


PAGE: Final = 10_000
"""Values asked for in one request."""

_LIMIT_READ: Final = int(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HISTORY_READ: Final = 1 << int(ua.AccessLevel.HistoryRead)


async def _ask(
    session: Session,
    node: ua.NodeId,
    span: tuple[Nanoseconds, Nanoseconds],
    count: int,
    onward: bytes | None,
) -> Any:
    details = ua.ReadRawModifiedDetails()
    details.IsReadModified = False
    details.StartTime, details.EndTime = map(_datetime, span)
    details.NumValuesPerNode = count
    details.ReturnBounds = False
    params = ua.HistoryReadParameters(ReleaseContinuationPoints=False)
    params.HistoryReadDetails = details
    params.TimestampsToReturn = ua.TimestampsToReturn.Both
    params.NodesToRead.append(ua.HistoryReadValueId(NodeId=node, ContinuationPoint=onward))
    with told("reading the history"):
        results = await session.services.history_read(params)
        if not results:
            raise RefusedError("the server said nothing of the history", hint=_HINT, code=0)
        results[0].StatusCode.check()
    return results[0]


def _changes(result: Any) -> list[Change]:
    values = getattr(result.HistoryData, "DataValues", None) or ()
    return [change_of(0, value) for value in values]


def _allows(answer: ua.DataValue) -> bool:
    level = answer.Value.Value if answer.Value is not None else None
    return isinstance(level, int) and bool(level & _HISTORY_READ)


def _datetime(time: Nanoseconds) -> datetime:
    return _EPOCH + timedelta(microseconds=time // 1000)


_HINT: Final = "look at the server's historian"
