"""Use case: a person corrects what was said of a lot, with a reason and a signature.

Both facts stay: the wrong one, and the one that takes its place from now on, with the hash of the
statement that was shown and signed (record rule 13; 21 CFR 11.10(e), 11.70).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aggregator.access.roles import Act, Actor, ActorKind, require
from aggregator.errors import ConflictError, DeniedError, NotFoundError
from aggregator.model.binding.fact import Fact, FactId
from aggregator.model.signature import Component, shown_hash
from aggregator.service import facts
from aggregator.service.access.accounts import Proof, Session, prove
from aggregator.service.context import Context
from protocols.wire.dossier.instant import format_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A correction as a person reads it before signing."""

    statement: Mapping[str, Any]
    hash: str


async def show(context: Context, actor: Actor, wrong: FactId, right: Fact | None) -> Shown:
    """Return what the correction of a fact says; nothing is changed. ``right`` None withdraws it.

    Raises NotFoundError for a fact that is not there.
    """
    require(actor, Act.WRITE_FACTS)
    async with context.store.read() as tx:
        row = await tx.fetch_one("facts.one", fact=wrong)
    if row is None:
        raise NotFoundError(f"there is no fact {wrong}")
    statement = {
        "meaning": "fact_corrected",
        "fact": wrong,
        "before": _said(facts.fact_of(row)),
        "after": None if right is None else _said(right),
    }
    return Shown(statement=statement, hash=shown_hash(statement))


async def correct(
    context: Context,
    session: Session,
    wrong: FactId,
    right: Fact | None,
    *,
    shown: str,
    proof: Proof,
    reason: str,
) -> Fact:
    """Correct a fact as was shown, take a person's signature for it, and return what was added.

    Takes password and code. ``right`` names whoever did it as its source; who signs stands in the
    reason where that is another. Raises ConflictError where something else was shown, and what
    ``facts.supersede`` raises.
    """
    said = await show(context, session.actor, wrong, right)
    if said.hash != shown:
        raise ConflictError(
            "the correction is another than was shown", hint="look at it again, then sign"
        )
    both = (Component.PASSWORD, Component.CODE)
    account = await prove(context, session.actor.name, proof, both)
    if right is not None and right.source != account.user:
        reason = f"{reason} (signed by {account.user})"
    return await facts.supersede(
        context, session.actor, wrong, right, reason=reason, signed=said.hash
    )


def check_unsigned(actor: Actor) -> None:
    """Raise DeniedError for a person: a system corrects what it said, a person signs."""
    if actor.kind is ActorKind.PERSON:
        raise DeniedError(
            "a person signs what they correct",
            hint="have it shown (…/corrections/statement), then sign it",
        )


def _said(fact: Fact) -> dict[str, Any]:
    return {
        "kind": fact.kind.value,
        "start": format_time(fact.start),
        "end": None if fact.end is None else format_time(fact.end),
        "equipment": fact.equipment,
        "lot": None if fact.lot is None else str(fact.lot),
        "part": fact.part,
        "carrier": fact.carrier,
        "job": fact.job,
        "text": fact.text,
        "by": fact.source,
    }
