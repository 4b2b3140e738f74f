"""Use cases: open a recall, locate what it concerns, carry it on to its end, and drill it.

Every act is an event of the case's timeline and an entry of the audit trail, in one transaction.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aggregator import audit, metrics
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import InvalidError, NotFoundError
from aggregator.model.genealogy.balance import Balance, of_item
from aggregator.model.genealogy.edge import EdgeId
from aggregator.model.genealogy.item import CONTEXT, Item, ItemKind, check_item
from aggregator.model.genealogy.recall import (
    CaseEvent,
    CaseId,
    CaseKind,
    CaseState,
    Fate,
    Trigger,
    drawn,
    step,
)
from aggregator.model.genealogy.trace import forward
from aggregator.service.context import Context
from aggregator.service.genealogy.edges import edges_with
from aggregator.service.genealogy.trace_lot import holders, newest_graph, number_of
from aggregator.store.base import Row, Transaction
from protocols.wire.reading import SECOND, Nanoseconds

CASES_MAX: Final = 1_000
"""Cases in a list, at most."""

ITEMS_MAX: Final = 1_000
"""Located items in one page, or given a fate in one act, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is known of a case without its items."""

    id: CaseId
    kind: CaseKind
    state: CaseState
    trigger: Trigger
    opened: Nanoseconds
    opened_by: str
    located: int  # items
    accounted: int  # of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One event of a case's timeline."""

    sequence: int
    event: str
    state: CaseState  # after it
    recorded: Nanoseconds
    who: str
    why: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """An item that a case concerns, how it was found, and what became of it."""

    item: Item
    time: Nanoseconds  # in doubt since
    level: int
    edge: EdgeId | None  # None: the trigger itself
    source: Item | None
    fate: Fate | None
    fate_reason: str
    fate_by: str
    fate_time: Nanoseconds | None
    balance: Balance  # what was made and used of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """What a drill found, and how long it took."""

    case: Case
    seed: str
    lots: int  # how many there were to draw from
    seconds: float


async def open_case(context: Context, actor: Actor, trigger: Trigger) -> Case:
    """Open a recall; NotFoundError for an item that no edge names."""
    require(actor, Act.MANAGE_RECALL)
    if trigger.until < trigger.since:
        raise InvalidError("the time in doubt ends before it begins")
    await newest_graph(context)  # so that an item that only a record names is known
    async with context.store.write() as tx:
        await number_of(tx, trigger.item)
        return await _open(context, tx, actor, trigger, CaseKind.RECALL)


async def locate(context: Context, actor: Actor, case: CaseId, *, why: str) -> Case:
    """Trace what the case concerns; done again, what was recorded since is added."""
    require(actor, Act.MANAGE_RECALL)
    return await _locate(context, actor, case, why=why)


async def go_on(
    context: Context,
    actor: Actor,
    case: CaseId,
    event: CaseEvent,
    *,
    why: str,
    details: Mapping[str, Any],
) -> Case:
    """Assign, publish, close or cancel; ConflictError where the case does not take that now."""
    require(actor, Act.MANAGE_RECALL)
    if event in (CaseEvent.LOCATE, CaseEvent.ACCOUNT):
        raise InvalidError(f"{event.value} has an address of its own")
    async with context.store.write() as tx:
        found = await _one(tx, case)
        return await _happen(context, tx, actor, found, event, why=why, details=dict(details))


async def account(
    context: Context, actor: Actor, case: CaseId, items: list[Item], fate: Fate, *, why: str
) -> Case:
    """Say what became of located items; NotFoundError for one that the case did not locate."""
    require(actor, Act.MANAGE_RECALL)
    if not 1 <= len(items) <= ITEMS_MAX:
        raise InvalidError(f"give 1 to {ITEMS_MAX} items at a time")
    async with context.store.write() as tx:
        found = await _one(tx, case)
        step(found.state, CaseEvent.ACCOUNT)
        for item in items:
            touched = await tx.execute(
                "recall.set_fate",
                id=case,
                item=await number_of(tx, item),
                fate=fate.value,
                fate_reason=why,
                fate_by=actor.name,
                fate_time=context.clock.now(),
            )
            if not touched:
                raise NotFoundError(f"the case {case} did not locate {item}")
        details = {"fate": fate.value, "items": [str(item) for item in items]}
        return await _happen(context, tx, actor, found, CaseEvent.ACCOUNT, why=why, details=details)


async def drill(context: Context, actor: Actor, *, seed: str = "") -> Drill:
    """Recall a lot drawn by chance, for practice, and say how long it took to locate it all.

    With a ``seed`` the same lot is drawn again as long as there are as many lots.
    """
    require(actor, Act.MANAGE_RECALL)
    seed = seed or secrets.token_hex(8)
    began = context.clock.monotonic()
    await newest_graph(context)
    async with context.store.write() as tx:
        row = await tx.fetch_one("recall.lots")
        lots = 0 if row is None else int(row["lots"])
        row = await tx.fetch_one("recall.nth_lot", at=drawn(seed, lots)) if lots else None
        if row is None:
            raise NotFoundError("the genealogy knows no lot to drill with")
        trigger = Trigger(
            item=check_item(row["kind"], row["key"]),
            since=0,
            until=context.clock.now(),
            reason=f"drill, drawn from {lots} lots with the seed {seed}",
        )
        case = await _open(context, tx, actor, trigger, CaseKind.DRILL)
    case = await _locate(context, actor, case.id, why="drill")
    seconds = (context.clock.monotonic() - began) / SECOND
    details = {"seconds": seconds, "seed": seed, "lots": lots}
    async with context.store.write() as tx:
        for event in (CaseEvent.PUBLISH, CaseEvent.CLOSE):
            found = await _one(tx, case.id)
            case = await _happen(context, tx, actor, found, event, why="drill", details=details)
    metrics.DRILL_SECONDS.observe(seconds)
    return Drill(case=case, seed=seed, lots=lots, seconds=seconds)


async def page(context: Context, actor: Actor, *, count: int = 100) -> list[Case]:
    """Return cases, the latest first."""
    require(actor, Act.READ_RECORDS)
    async with context.store.read() as tx:
        return [_case(row) for row in await tx.fetch("recall.list", count=min(count, CASES_MAX))]


async def get(context: Context, actor: Actor, case: CaseId) -> tuple[Case, list[Happened]]:
    """Return a case and its timeline; NotFoundError where there is none."""
    require(actor, Act.READ_RECORDS)
    async with context.store.read() as tx:
        return await _one(tx, case), [
            _happened(row) for row in await tx.fetch("recall.events", id=case)
        ]


async def located(
    context: Context, actor: Actor, case: CaseId, *, start: int = 0, count: int = ITEMS_MAX
) -> list[Located]:
    """Return a page of what a case located, nearest first, with the balance of each item."""
    require(actor, Act.READ_RECORDS)
    if start < 0 or not 1 <= count <= ITEMS_MAX:
        raise InvalidError(f"give a start from 0 and a count from 1 to {ITEMS_MAX}")
    async with context.store.read() as tx:
        await _one(tx, case)
        rows = await tx.fetch("recall.items", id=case, start=start, count=count)
        return [await _located(tx, row) for row in rows]


async def _open(
    context: Context, tx: Transaction, actor: Actor, trigger: Trigger, kind: CaseKind
) -> Case:
    case = CaseId(f"{kind.value[0]}-{secrets.token_hex(8)}")
    await tx.execute(
        "recall.add",
        id=case,
        kind=kind.value,
        state=CaseState.OPEN.value,
        item_kind=trigger.item.kind.value,
        item_key=trigger.item.key,
        since=trigger.since,
        until=trigger.until,
        reason=trigger.reason,
        opened_time=context.clock.now(),
        opened_by=actor.name,
    )
    details = {
        "item": str(trigger.item),
        "since": trigger.since,
        "until": trigger.until,
    }
    return await _told(context, tx, actor, case, "open", why=trigger.reason, details=details)


async def _locate(context: Context, actor: Actor, case: CaseId, *, why: str) -> Case:
    graph = await newest_graph(context)
    began = context.clock.monotonic()
    async with context.store.write() as tx:
        found = await _one(tx, case)
        step(found.state, CaseEvent.LOCATE)
        trigger = found.trigger
        origins = graph.places(await number_of(tx, trigger.item))
        reached = forward(graph, origins, since=trigger.since, until=trigger.until)
        rows = reached.rows(len(origins) if trigger.item.kind in CONTEXT else 0)
        carriers = holders(graph, (row.place for row in rows))
        values = [
            {
                "id": case,
                "item": row.item,
                "time": row.time if at < len(rows) else trigger.since,
                "level": row.level if at < len(rows) else reached.depth + row.level,
                "edge": row.edge,
                "source": None if row.source is None else int(graph.items[row.source]),
            }
            for at, row in enumerate([*rows, *carriers])
        ]
        await tx.execute_many("recall.add_item", values)
        details = {
            "items": len(values),
            "depth": reached.depth,
            "edges": int(reached.edges().size),
            "seconds": (context.clock.monotonic() - began) / SECOND,
        }
        return await _happen(context, tx, actor, found, CaseEvent.LOCATE, why=why, details=details)


async def _happen(
    context: Context,
    tx: Transaction,
    actor: Actor,
    case: Case,
    event: CaseEvent,
    *,
    why: str,
    details: dict[str, Any],
) -> Case:
    waiting = case.located - case.accounted if case.kind is CaseKind.RECALL else 0
    state = step(case.state, event, unaccounted=waiting)
    await tx.execute("recall.set_state", id=case.id, state=state.value)
    return await _told(context, tx, actor, case.id, event.value, why=why, details=details)


async def _told(
    context: Context,
    tx: Transaction,
    actor: Actor,
    case: CaseId,
    event: str,
    *,
    why: str,
    details: dict[str, Any],
) -> Case:
    """Write the event into the timeline and the audit trail, and return the case as it is now."""
    found = await _one(tx, case)
    row = await tx.fetch_one("recall.last_event", id=case)
    await tx.execute(
        "recall.add_event",
        id=case,
        sequence=1 if row is None else int(row["events"]) + 1,
        event=event,
        state=found.state.value,
        record_time=context.clock.now(),
        who=actor.name,
        why=why,
        document=audit.canonical(details),
    )
    entry = audit.Entry(
        who=actor.name,
        act=Act.MANAGE_RECALL.value,
        what=f"{found.kind.value} {case}",
        after={"event": event, "state": found.state.value, **details},
        why=why,
    )
    await audit.record(tx, entry, context.clock)
    return found


async def _one(tx: Transaction, case: CaseId) -> Case:
    row = await tx.fetch_one("recall.one", id=case)
    if row is None:
        raise NotFoundError(f"there is no recall {case}")
    return _case(row)


async def _located(tx: Transaction, row: Row) -> Located:
    item = check_item(row["kind"], row["key"])
    balance = of_item(item, [] if item.kind is ItemKind.CARRIER else await edges_with(tx, item))
    return Located(
        item=item,
        time=row["time"],
        level=row["level"],
        edge=None if row["edge"] is None else EdgeId(row["edge"]),
        source=None
        if row["source_kind"] is None
        else check_item(row["source_kind"], row["source_key"]),
        fate=None if row["fate"] is None else Fate(row["fate"]),
        fate_reason=row["fate_reason"] or "",
        fate_by=row["fate_by"] or "",
        fate_time=row["fate_time"],
        balance=balance,
    )


def _case(row: Row) -> Case:
    return Case(
        id=CaseId(row["id"]),
        kind=CaseKind(row["kind"]),
        state=CaseState(row["state"]),
        trigger=Trigger(
            item=check_item(row["item_kind"], row["item_key"]),
            since=row["since"],
            until=row["until"],
            reason=row["reason"],
        ),
        opened=row["opened_time"],
        opened_by=row["opened_by"],
        located=row["located"],
        accounted=row["accounted"],
    )


def _happened(row: Row) -> Happened:
    return Happened(
        sequence=row["sequence"],
        event=row["event"],
        state=CaseState(row["state"]),
        recorded=row["record_time"],
        who=row["who"],
        why=row["why"],
        details=json.loads(row["document"]),
    )
