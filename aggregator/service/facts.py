"""Use cases: say when which lot was where, and correct what was said.

A fact is added and never changed: a correction supersedes it, with a reason, and both stay.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from enum import StrEnum
from typing import Any

from aggregator import audit
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from aggregator.model.binding.fact import FOREVER, Authority, Fact, FactId, FactKind
from aggregator.model.master.equipment import EquipmentPath
from aggregator.model.master.lot import LotKey, check_lot_key
from aggregator.service.context import Context
from aggregator.service.master.documents import EntityKind, lot_key
from aggregator.store.base import Row, Transaction
from protocols.wire.dossier.series import Interval


async def add(context: Context, actor: Actor, fact: Fact, *, why: str) -> Fact:
    """Record ``fact`` and return it with its record time; said twice it is one fact.

    Raises InvalidError for a lot or equipment that is not known, DeniedError for an authority that
    only readings have.
    """
    require(actor, Act.WRITE_FACTS)
    if fact.supersedes is not None:
        raise InvalidError("a correction is made with supersede", hint="name the fact to correct")
    async with context.store.write() as tx:
        return await _add(context, tx, actor, fact, why=why)


async def supersede(
    context: Context,
    actor: Actor,
    wrong: FactId,
    right: Fact | None,
    *,
    reason: str,
    signed: str = "",
) -> Fact:
    """Put ``right`` in the place of the fact ``wrong`` (None: nothing) and return what was added.

    ``signed`` is the hash of the statement that a person signed for it, if one did.
    Raises NotFoundError for a fact that is not there, ConflictError for one corrected already.
    """
    require(actor, Act.WRITE_FACTS)
    async with context.store.write() as tx:
        row = await tx.fetch_one("facts.one", fact=wrong)
        if row is None:
            raise NotFoundError(f"there is no fact {wrong}")
        if row["superseded_by"] is not None:
            raise ConflictError(
                f"the fact {wrong} was corrected already, by {row['superseded_by']}",
                hint="correct that one instead",
            )
        correction = replace(
            right or fact_of(row),
            kind=FactKind.WITHDRAWAL if right is None else right.kind,
            supersedes=wrong,
            reason=reason,
            signed=signed,
        )
        return await _add(context, tx, actor, correction, why=reason, before=row["document"])


async def of_lot(context: Context, actor: Actor, gtin: str, lot: str) -> list[Fact]:
    """Return the facts in force that name a lot."""
    require(actor, Act.READ_RECORDS)
    key = check_lot_key(gtin, lot)
    async with context.store.read() as tx:
        rows = await tx.fetch("facts.of_lot", gtin=key.gtin, lot=key.lot, as_of=FOREVER)
    return [fact_of(row) for row in rows]


class Touch(StrEnum):
    """What says something new of a stretch of time."""

    FACT = "fact"
    READINGS = "readings"  # a lot id, or a carrier that was seen
    TEST_RESULT = "test_result"  # of a lot, new or corrected


async def touch(
    tx: Transaction,
    times: Interval,
    *,
    equipment: EquipmentPath | None,
    lot: LotKey | None,
    why: Touch,
) -> None:
    """Leave word that ``lot``, and what was at ``equipment`` then, is to be looked at."""
    await tx.execute(
        "rebinding.touch",
        start_time=times.start,
        end_time=times.end,
        equipment=equipment,
        gtin=None if lot is None else lot.gtin,
        lot=None if lot is None else lot.lot,
        why=why.value,
    )


def fact_of(row: Row) -> Fact:
    """Return the fact that a row's document holds."""
    return _said(row["document"])


def _said(document: str) -> Fact:
    said: dict[str, Any] = json.loads(document)
    lot = said["lot"]
    return Fact(
        **{
            **said,
            "kind": FactKind(said["kind"]),
            "authority": Authority(said["authority"]),
            "lot": None if lot is None else LotKey(*lot),
        }
    )


async def _add(
    context: Context,
    tx: Transaction,
    actor: Actor,
    fact: Fact,
    *,
    why: str,
    before: str | None = None,
) -> Fact:
    if fact.authority < Authority.OPERATOR:
        raise DeniedError(
            f"the authority {fact.authority.name.lower()} belongs to readings alone",
            hint="say it as operator or schedule",
        )
    known = await tx.fetch_one("facts.one", fact=fact.id)
    if known is not None:
        return fact_of(known)
    await _check_references(tx, fact)
    fact = replace(fact, recorded=context.clock.now())
    document = {field.name: getattr(fact, field.name) for field in fields(fact)}
    await tx.execute(
        "facts.add",
        fact=fact.id,
        kind=fact.kind.value,
        equipment=fact.equipment,
        gtin=None if fact.lot is None else fact.lot.gtin,
        lot=None if fact.lot is None else fact.lot.lot,
        carrier=fact.carrier,
        start_time=fact.start,
        end_time=fact.until,
        recorded_time=fact.recorded,
        recorded_by=actor.name,
        supersedes=fact.supersedes,
        document=audit.canonical(document),
    )
    for each in (fact, *([] if before is None else [_said(before)])):
        times = Interval(each.start, each.until)
        await touch(tx, times, equipment=each.equipment, lot=each.lot, why=Touch.FACT)
    entry = audit.Entry(
        who=actor.name,
        act=Act.WRITE_FACTS.value,
        what=f"fact {fact.id}",
        before=None if before is None else json.loads(before),
        after=document,
        why=why,
    )
    await audit.record(tx, entry, context.clock)
    return fact


async def _check_references(tx: Transaction, fact: Fact) -> None:
    named = []
    if fact.lot is not None:
        named.append((EntityKind.LOT, lot_key(fact.lot)))
    if fact.equipment is not None:
        named.append((EntityKind.EQUIPMENT, fact.equipment))
    if fact.job is not None:
        named.append((EntityKind.JOB, fact.job))
    for kind, key in named:
        if await tx.fetch_one("master.current", kind=kind.value, key=key) is None:
            raise InvalidError(f"there is no {kind} {key}", hint=f"put the {kind} first")
