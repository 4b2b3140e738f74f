"""Use cases: type a value for a lot, correct one, and vouch for what another person typed.

Only persons who have logged in do this; who types and who checks are never the same person. An
entry stays as it is, with the audit trail's entry of the same transaction.
"""

from __future__ import annotations

from dataclasses import replace

from aggregator import audit
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError, EvidenceError, InvalidError, NotFoundError
from aggregator.model.master.lot import LotKey, check_lot_key
from aggregator.model.record.entry import Check, Entry, EntryId
from aggregator.service.access.accounts import Session
from aggregator.service.context import Context
from aggregator.service.master.document import EntityKind, lot_key
from aggregator.store.base import Row, Transaction


async def add(context: Context, session: Session, entry: Entry) -> Entry:
    """Record what a person typed, and return it with its record time; said twice it is one entry.

    Raises InvalidError for a lot that is not known, or a time that has not come.
    """
    if entry.supersedes is not None:
        raise InvalidError("a correction is made with correct", hint="name the entry to correct")
    async with context.store.write() as tx:
        return await _add(context, tx, session, entry)


async def correct(
    context: Context,
    session: Session,
    wrong: EntryId,
    right: Entry | None,
    *,
    of: LotKey,
    reason: str,
) -> Entry:
    """Put ``right`` in the place of the entry ``wrong`` (None: nothing); return what was added.

    The correction is an entry of its own: a second person checks it as well. Raises NotFoundError
    for an entry that is not there, ConflictError for one corrected already.
    """
    async with context.store.write() as tx:
        row = await _row(tx, wrong, of)
        if row["superseded_by"] is not None:
            raise ConflictError(
                f"the entry {wrong} was corrected already, by {row['superseded_by']}",
                hint="correct that one instead",
            )
        before = entry_of(row)
        correction = replace(
            before if right is None else right,
            value=None if right is None else right.value,
            by=session.actor.name,
            reason=reason,
            recorded=None,
            supersedes=wrong,
            check=None,
        )
        if correction.lot != before.lot or correction.parameter != before.parameter:
            raise InvalidError(
                "a correction is of the same lot and parameter",
                hint="withdraw the wrong entry, then add another",
            )
        return await _add(context, tx, session, correction, before=before)


async def check(
    context: Context, session: Session, entry: EntryId, *, of: LotKey, reason: str
) -> Entry:
    """Vouch for what another person typed, and return the entry with its check.

    Raises ConflictError for one's own entry, for one checked already, and for one that was
    corrected since.
    """
    require(session.actor, Act.WRITE_FACTS)
    async with context.store.write() as tx:
        row = await _row(tx, entry, of)
        found = entry_of(row)
        if row["superseded_by"] is not None:
            raise ConflictError(
                f"the entry {entry} was corrected, by {row['superseded_by']}",
                hint="check that one instead",
            )
        if found.check is not None:
            raise ConflictError(f"{found.check.by} has checked the entry {entry} already")
        if found.by == session.actor.name:
            raise ConflictError(
                "nobody checks what they typed themselves", hint="ask another person to check it"
            )
        made = Check(by=session.actor.name, time=context.clock.now(), reason=reason)
        await tx.execute(
            "entries.check",
            entry=entry,
            checked_by=made.by,
            checked_time=made.time,
            reason=made.reason,
        )
        said = audit.Entry(
            who=made.by,
            act="check_entry",
            what=f"entry {entry}",
            after={"lot": str(found.lot), "value": found.value, "entered_by": found.by},
            why=reason,
        )
        await audit.record(tx, said, context.clock)
        return replace(found, check=made)


async def of_lot(context: Context, actor: Actor, gtin: str, lot: str) -> list[Entry]:
    """Return every entry about a lot, the corrected ones too, oldest first."""
    require(actor, Act.WRITE_FACTS)  # for whoever types and checks; others read the record
    async with context.store.read() as tx:
        return await entries_of(tx, check_lot_key(gtin, lot))


async def entries_of(tx: Transaction, key: LotKey) -> list[Entry]:
    """Return every entry about a lot, oldest first."""
    rows = await tx.fetch("entries.of_lot", gtin=key.gtin, lot=key.lot)
    return [entry_of(row) for row in rows]


def entry_of(row: Row) -> Entry:
    """Return the entry that a row holds; EvidenceError where it is not what was typed."""
    by = row["checked_by"]
    found = Entry(
        lot=check_lot_key(row["gtin"], row["lot"]),
        parameter=row["parameter"],
        value=row["value"],
        unit=row["unit"],
        time=row["seen_time"],
        by=row["entered_by"],
        reason=row["reason"],
        recorded=row["recorded_time"],
        supersedes=row["supersedes"],
        check=None if by is None else Check(by, row["checked_time"], row["check_reason"]),
    )
    if found.id != row["entry"]:
        raise EvidenceError(
            f"the entry {row['entry']} about {found.lot} is not as it was typed",
            hint="the audit trail has what was typed; compare the store with a backup",
        )
    return found


async def _row(tx: Transaction, entry: EntryId, of: LotKey) -> Row:
    row = await tx.fetch_one("entries.one", entry=entry)
    if row is None or (row["gtin"], row["lot"]) != of:
        raise NotFoundError(f"there is no entry {entry[:60]} about {of}")
    return row


async def _add(
    context: Context,
    tx: Transaction,
    session: Session,
    entry: Entry,
    *,
    before: Entry | None = None,
) -> Entry:
    require(session.actor, Act.WRITE_FACTS)
    now = context.clock.now()
    known = await tx.fetch_one("entries.one", entry=entry.id)
    if known is not None:
        return entry_of(known)
    if entry.time > now:
        raise InvalidError("an entry's time has not come yet", hint="give when it was seen")
    kind, key = EntityKind.LOT.value, lot_key(entry.lot)
    if await tx.fetch_one("master.current", kind=kind, key=key) is None:
        raise InvalidError(f"there is no lot {entry.lot}", hint="put the lot first")
    added = replace(entry, recorded=now)
    await tx.execute(
        "entries.add",
        entry=added.id,
        gtin=added.lot.gtin,
        lot=added.lot.lot,
        parameter=added.parameter,
        value=added.value,
        unit=added.unit,
        seen_time=added.time,
        entered_by=added.by,
        reason=added.reason,
        recorded_time=now,
        supersedes=added.supersedes,
    )
    said = audit.Entry(
        who=added.by,
        act="enter_value",
        what=f"entry {added.id}",
        before=None if before is None else _said(before),
        after=_said(added),
        why=added.reason,
    )
    await audit.record(tx, said, context.clock)
    return added


def _said(entry: Entry) -> audit.JsonValue:
    return {
        "lot": str(entry.lot),
        "parameter": entry.parameter,
        "value": entry.value,
        "unit": entry.unit,
        "time": entry.time,
        "supersedes": entry.supersedes,
    }
