"""Use cases: ask for a sensitive act, and let another person approve or deny it.

What is asked for is a document; its hash comes back with the approval, so that nothing is approved
but what was seen. An approved export may be taken, once and exactly that; any other act is done
with its approval, in the same transaction, exactly as it was asked for.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, replace
from typing import Final

from aggregator import audit
from aggregator.access import tokens as token_rows
from aggregator.access.roles import Act, Actor, allows, require
from aggregator.errors import (
    ConflictError,
    DeniedError,
    InvalidError,
    NotFoundError,
    SecondPersonError,
)
from aggregator.model.approval import Approval, ApprovalId, Event, State, step
from aggregator.model.disposition import UserId
from aggregator.model.master.lot import check_lot_key
from aggregator.model.signature import Component
from aggregator.service.access.accounts import Proof, Session, prove
from aggregator.service.access.rights import right
from aggregator.service.access.second_person import guard_access, guard_exchange, guard_keys
from aggregator.service.approval.doing import Handed, prepared
from aggregator.service.approval.leaving import approval_of, is_confidential, keep
from aggregator.service.approval.sensitive import (
    PARSE,
    AddKey,
    AddReceiver,
    ApproveEpoch,
    ExportRecord,
    OpenExchange,
    RevokeKey,
    Sensitive,
    asks,
    decides,
    document_of,
)
from aggregator.service.assemble_record import stored
from aggregator.service.context import Context
from aggregator.settings import SecondPerson
from aggregator.store.base import Transaction
from protocols.wire.reading import SECOND, Nanoseconds

SHOWN_MAX: Final = 500
"""Requests that a page shows, the latest first."""

EXCHANGE_SECONDS_MAX: Final = 366 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Something that was asked for, as a person sees it."""

    approval: Approval
    act: Sensitive
    state: State  # at this moment
    may_decide: bool  # whether the person who looks may


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a second person gives with an approval."""

    shown: str  # hash of the document that they saw
    password: str
    why: str


async def ask(context: Context, session: Session, act: Sensitive, *, why: str) -> Approval:
    """Ask for a sensitive act; another person decides within the time that the settings say.

    Raises DeniedError for what the person may not do at all, ConflictError for a version of a
    record that is not the newest.
    """
    require(session.actor, asks(act))
    document = document_of(act)
    now = context.clock.now()
    approval = Approval(
        id=ApprovalId(secrets.token_hex(8)),
        kind=act.kind,
        document=document,
        hash=hashlib.sha256(document.encode()).hexdigest(),
        why=why,
        asked_by=UserId(session.actor.name),
        asked_at=now,
        expires_at=now + context.settings.access.approval_seconds * SECOND,
    )
    async with context.store.write() as tx:
        await _check(tx, act, now)
        await tx.execute(
            "approvals.add",
            id=approval.id,
            kind=approval.kind,
            holder=act.holder or approval.asked_by,
            document=approval.document,
            hash=approval.hash,
            why=why,
            asked_by=approval.asked_by,
            asked_at=now,
            expires_at=approval.expires_at,
            state=approval.state.value,
        )
        await _tell(context, tx, session.actor.name, "ask for an approval", approval, why=why)
    return approval


async def do_or_ask(
    context: Context, session: Session, act: Sensitive, *, why: str
) -> Approval | Handed:
    """Do an act where it takes one person; where it takes two, ask for it."""
    require(session.actor, asks(act))
    do = await prepared(context, act)
    if do is not None:
        try:
            async with context.store.write() as tx:
                await _guard(context, tx, act)
                return await do(tx, session.actor, why)
        except SecondPersonError:
            pass
    return await ask(context, session, act, why=why)


async def approve(
    context: Context, session: Session, approval: str, verdict: Verdict
) -> tuple[Approval, Handed]:
    """Approve what another person asked for, do it as it was asked for, return what it hands out.

    Takes the password of the one who approves. Raises ConflictError where it takes another person
    or something else was shown, and whatever the act itself raises: then nothing is done.
    """
    async with context.store.read() as tx:
        found = await _one(tx, approval)
    act = PARSE.validate_json(found.document)
    if verdict.shown != found.hash:
        raise ConflictError("something else was asked for than was shown", hint="look at it again")
    proof = Proof(password=verdict.password)
    await prove(context, session.actor.name, proof, (Component.PASSWORD,))
    do = await prepared(context, act)
    async with context.store.write() as tx:
        found = await _one(tx, approval)
        decided = await _decide(context, tx, session.actor, found, Event.APPROVE)
        decided = replace(decided, decided_why=verdict.why)
        await _tell(context, tx, session.actor.name, "approve", decided, why=verdict.why)
        handed = Handed()
        if do is None:
            decided = replace(decided, expires_at=_open_until(context, act))
        else:
            why = f"{found.why} (asked for by {found.asked_by}, request {found.id})"
            handed = await do(tx, session.actor, why)
            decided = step(decided, Event.DO, UserId(session.actor.name), context.clock.now())
        await keep(tx, decided)
    return decided, handed


async def deny(context: Context, session: Session, approval: str, *, why: str) -> Approval:
    """Refuse what another person asked for, or take an approval back that was not used up."""
    async with context.store.write() as tx:
        found = await _one(tx, approval)
        decided = await _decide(context, tx, session.actor, found, Event.DENY)
        decided = replace(decided, decided_why=why)
        await keep(tx, decided)
        await _tell(context, tx, session.actor.name, "deny", decided, why=why)
    return decided


async def withdraw(context: Context, session: Session, approval: str, *, why: str) -> Approval:
    """Take back what one asked for oneself."""
    async with context.store.write() as tx:
        found = await _one(tx, approval)
        by = UserId(session.actor.name)
        after = step(found, Event.WITHDRAW, by, context.clock.now())
        await keep(tx, after)
        await _tell(context, tx, session.actor.name, "withdraw a request", after, why=why)
    return after


async def every(context: Context, session: Session) -> list[Asked]:
    """Return what one asked for, may decide or may audit, the latest first."""
    async with context.store.read() as tx:
        rows = await tx.fetch("approvals.newest", count=SHOWN_MAX)
        found = [await _asked(context, tx, session.actor, approval_of(row)) for row in rows]
    own, sees_all = session.actor.name, allows(session.actor, Act.READ_AUDIT)
    return [each for each in found if sees_all or each.may_decide or own == each.approval.asked_by]


async def confidential(context: Context, actor: Actor, gtin: str) -> bool:
    """Tell whether a person takes the records of a product out only if another approves."""
    require(actor, Act.READ_RECORDS)
    if SecondPerson.EXPORT not in context.settings.access.second_person:
        return False
    async with context.store.read() as tx:
        return await is_confidential(tx, gtin)


async def _guard(context: Context, tx: Transaction, act: Sensitive) -> None:
    """Raise SecondPersonError where an act takes two persons."""
    match act:
        case AddReceiver():
            await guard_exchange(context, tx, act.kind)
        case AddKey() | RevokeKey() | ApproveEpoch():
            await guard_keys(context, tx, act.kind)
        case _:
            await guard_access(context, tx, act.kind)


async def _one(tx: Transaction, approval: str) -> Approval:
    row = await tx.fetch_one("approvals.one", id=approval)
    if row is None:
        raise NotFoundError(f"nothing was asked for as {approval[:40]!r}")
    return approval_of(row)


async def _check(tx: Transaction, act: Sensitive, now: Nanoseconds) -> None:
    """Refuse to ask for what could never be done."""
    match act:
        case ExportRecord():
            newest = (await stored(tx, check_lot_key(act.gtin, act.lot))).summary
            if newest.content_hash != act.record:
                raise ConflictError(
                    f"version {newest.version} is the newest of {newest.lot}, and not that one",
                    hint="look at the record again, then ask for it",
                )
        case OpenExchange():
            if not now < act.until <= now + EXCHANGE_SECONDS_MAX * SECOND:
                raise InvalidError("an exchange ends within 366 days from now")
            if not await token_rows.is_name_used(tx, act.system):
                raise NotFoundError(f"no token was given to a system {act.system!r}")
        case _:
            pass


async def _decide(
    context: Context, tx: Transaction, actor: Actor, found: Approval, event: Event
) -> Approval:
    """Return what becomes of a request that ``actor`` decides; ConflictError where they may not."""
    act = decides(PARSE.validate_json(found.document))
    principal = await right(context, tx, actor, act, apart_from=found.asked_by)
    by, now = UserId(actor.name), context.clock.now()
    return step(found, event, by, now, in_place_of=principal)


def _open_until(context: Context, act: Sensitive) -> Nanoseconds:
    """Return until when an approved act that is done later may be done."""
    if isinstance(act, OpenExchange):
        return act.until
    return context.clock.now() + context.settings.access.approval_seconds * SECOND


async def _asked(context: Context, tx: Transaction, actor: Actor, approval: Approval) -> Asked:
    may = True
    try:
        await _decide(context, tx, actor, approval, Event.DENY)
    except (DeniedError, ConflictError):
        may = False
    return Asked(
        approval=approval,
        act=PARSE.validate_json(approval.document),
        state=approval.seen_at(context.clock.now()),
        may_decide=may,
    )


async def _tell(
    context: Context, tx: Transaction, who: str, act: str, approval: Approval, *, why: str
) -> None:
    entry = audit.Entry(
        who=who,
        act=act,
        what=f"request {approval.id}",
        after={
            "act": json.loads(approval.document),
            "hash": approval.hash,
            "state": approval.state.value,
            "asked_by": approval.asked_by,
            "in_place_of": approval.in_place_of,
        },
        why=why,
    )
    await audit.record(tx, entry, context.clock)
