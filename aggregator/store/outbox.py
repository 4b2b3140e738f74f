"""Events as stored: written in the transaction of what they tell of, numbered in that order."""

from __future__ import annotations

import json
from collections.abc import Iterable

from aggregator.model.integration.event import EventType, Happening, NumberedEvent
from aggregator.store.base import Row, Transaction
from protocols.wire.reading import Nanoseconds


async def tell(tx: Transaction, told: Iterable[Happening], *, now: Nanoseconds) -> None:
    """Add events to what is delivered once ``tx`` is committed."""
    for each in told:
        await tx.execute(
            "events.add",
            type=each.type.value,
            subject=each.subject,
            record_time=now,
            data=json.dumps(each.data, ensure_ascii=False, sort_keys=True, separators=(",", ":")),
        )


async def events_after(tx: Transaction, sequence: int, count: int) -> list[NumberedEvent]:
    """Return up to ``count`` events that follow a number, in order."""
    return [event_of(row) for row in await tx.fetch("events.after", sequence=sequence, count=count)]


def event_of(row: Row) -> NumberedEvent:
    """Return the event that a row holds."""
    return NumberedEvent(
        sequence=row["sequence"],
        type=EventType(row["type"]),
        subject=row["subject"],
        record_time=row["record_time"],
        data=json.loads(row["data"]),
    )
