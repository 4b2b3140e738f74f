"""Use case: read what happened, as far as the reader may read what it happened to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aggregator.access.roles import Act, Actor, allows, require
from aggregator.errors import ConflictError
from aggregator.model.integration.event import EventType, NumberedEvent
from aggregator.service.context import Context
from aggregator.store.outbox import events_after

EVENTS_MAX: Final = 1_000
"""Events that are read at a time, at most."""

_OTHERWISE: Final = Act.READ_RECORDS
READABLE_BY: Final[Mapping[EventType, Act]] = {
    **dict.fromkeys(EventType, _OTHERWISE),
    EventType.LOT_CREATED: Act.READ_MASTER,
    EventType.MASTER_CREATED: Act.READ_MASTER,
    EventType.MASTER_CHANGED: Act.READ_MASTER,
    EventType.MASTER_PROPOSED: Act.READ_MASTER,
    EventType.MASTER_APPROVED: Act.READ_MASTER,
    EventType.MASTER_REJECTED: Act.READ_MASTER,
    EventType.GATEWAY_CHANGED: Act.READ_GATEWAYS,
    EventType.GATEWAY_QUARANTINED: Act.READ_GATEWAYS,
    EventType.IMPORT_MISFIT: Act.CORRECT_IMPORTS,
}
"""What one must be allowed to do to be told: what reading the subject itself takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Events, and the number after which the next page starts."""

    events: tuple[NumberedEvent, ...]
    after: int


async def page(context: Context, actor: Actor, *, after: int, count: int) -> Page:
    """Return what follows ``after`` among the next ``count`` events, without what is not for him.

    Raises ConflictError where events after ``after`` (above 0) are no longer kept.
    """
    require(actor, Act.READ_EVENTS)
    async with context.store.read() as tx:
        bounds = await tx.fetch_one("events.bounds")
        found = await events_after(tx, after, min(count, EVENTS_MAX))
    first = 0 if bounds is None else bounds["first"]
    if 0 < after < first - 1:
        raise ConflictError(
            f"events up to {first - 1} are no longer kept",
            hint="read the present state from the API, then follow events from now on",
        )
    seen = tuple(event for event in found if allows(actor, READABLE_BY[event.type]))
    return Page(events=seen, after=found[-1].sequence if found else after)


async def newest(context: Context, actor: Actor) -> int:
    """Return the number of the newest event, 0 where there is none."""
    require(actor, Act.READ_EVENTS)
    async with context.store.read() as tx:
        bounds = await tx.fetch_one("events.bounds")
    return 0 if bounds is None else int(bounds["last"])
