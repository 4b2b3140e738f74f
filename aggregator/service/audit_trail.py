"""Use case: read the audit trail, which ``aggregator.audit`` alone writes."""

from __future__ import annotations

import json
from typing import Any

from aggregator.access.roles import Act, Actor, require
from aggregator.service.context import Context
from aggregator.store.base import Row


async def page(context: Context, actor: Actor, *, after: int, count: int) -> list[dict[str, Any]]:
    """Return up to ``count`` entries whose sequence number follows ``after``, oldest first."""
    require(actor, Act.READ_AUDIT)
    async with context.store.read() as tx:
        rows = await tx.fetch("audit.after", sequence=after, count=count)
    return [_entry(row) for row in rows]


def _entry(row: Row) -> dict[str, Any]:
    return {
        "sequence": row["sequence"],
        "record_time": row["record_time"],
        "who": row["who"],
        "act": row["act"],
        "what": row["what"],
        "before": None if row["before"] is None else json.loads(row["before"]),
        "after": None if row["after"] is None else json.loads(row["after"]),
        "why": row["why"],
        "hash": bytes(row["hash"]).hex(),
        "log_position": row["position"],
    }
