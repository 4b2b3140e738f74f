"""Proves silence: a value that does not change is read now and then, and told as seen then.

A subscription tells what changes. Where nothing comes, either nothing changed or nobody looks any
more; a signal with a heartbeat is therefore read when it has been silent for so long (record
rule 12). The server's answer is a reading of its own, placed by the gateway's time: the source's
tells when the value changed last, and has been told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import structlog
from asyncua import ua

from protocols.field.driver import FieldClock
from protocols.field.opcua.change import Change, change_of
from protocols.field.opcua.refusal import RefusedError, told
from protocols.field.opcua.session import Session
from protocols.field.opcua.settings import OpcuaSignal
from protocols.wire.reading import SECOND, Nanoseconds

_log = structlog.get_logger(__name__)


class Heard(Protocol):
    """Who knows what came of each signal."""

    @property
    def signals(self) -> Mapping[int, OpcuaSignal]:
        """The signals, by client handle."""

    def last_heard(self, handle: int) -> Nanoseconds:
        """Return the gateway time of a signal's last reading, 0 where there was none."""

    def confirm(self, change: Change) -> None:
        """Take a value that was read, and not reported."""


async def keep_heartbeats(
    heard: Heard, session: Session, nodes: Mapping[int, ua.NodeId], clock: FieldClock
) -> None:
    """Read for ever what has been silent for its heartbeat; DriverError where the line breaks."""
    periods = {
        handle: int(signal.heartbeat_s * SECOND)
        for handle, signal in heard.signals.items()
        if signal.heartbeat_s
    }
    if not periods:
        return
    begun = clock.gateway_time()
    size = await session.operation_limit(_LIMIT_READ)
    while True:
        now = clock.gateway_time()
        left = {
            handle: max(heard.last_heard(handle), begun) + period - now
            for handle, period in periods.items()
            if handle in nodes
        }
        due = [handle for handle, wait in left.items() if wait <= 0]
        try:
            for start in range(0, len(due), size):
                await _read(heard, session, nodes, due[start : start + size])
        except RefusedError as refusal:
            _log.info("heartbeats not read", why=str(refusal), hint=refusal.hint)
        soonest = min((wait for wait in left.values() if wait > 0), default=min(periods.values()))
        await asyncio.sleep(max(soonest / SECOND, _TICK_S))


async def _read(
    heard: Heard, session: Session, nodes: Mapping[int, ua.NodeId], handles: Sequence[int]
) -> None:
    params = ua.ReadParameters()
    params.MaxAge = 0
    params.TimestampsToReturn = ua.TimestampsToReturn.Both
    params.NodesToRead = [
        ua.ReadValueId(NodeId=nodes[handle], AttributeId=ua.AttributeIds.Value)
        for handle in handles
    ]
    with told("reading heartbeats"):
        answers = await session.services.read(params)
    for handle, answer in zip(handles, answers, strict=True):
        heard.confirm(change_of(handle, answer))


_TICK_S: Final = 0.05
_LIMIT_READ: Final = int(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead)
