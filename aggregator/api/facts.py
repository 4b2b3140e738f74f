"""Context facts: say when which lot was where, and correct what was said."""

from __future__ import annotations

from dataclasses import fields
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from aggregator.api.accounts import Code, Password
from aggregator.api.reasons import Reason
from aggregator.caller import Caller, ContextOf, Person
from aggregator.model.binding.fact import Authority, Fact, FactId, FactKind
from aggregator.model.master.carrier import check_carrier
from aggregator.model.master.equipment import check_path
from aggregator.model.master.lot import check_lot_id, check_lot_key
from aggregator.model.master.order import JobId
from aggregator.service import facts
from aggregator.service.access.accounts import Proof
from aggregator.service.binding import corrections
from aggregator.service.master.documents import LotReference
from protocols.wire.reading import Nanoseconds

routes = APIRouter(tags=["facts"])


class Statement(StrEnum):
    """What may be said by the API; what readings say is found in them."""

    OCCUPANCY = "occupancy"  # a lot was at equipment; without a lot: none was
    ASSOCIATION = "association"  # a carrier held a lot
    CONTEXT = "context"  # changeover, purge, line clearance
    PHASE = "phase"  # a phase of the recipe ran


class Word(StrEnum):
    """By whose authority; that of readings cannot be claimed."""

    OPERATOR = "operator"
    SCHEDULE = "schedule"


class FactRequest(BaseModel):
    """One statement about an interval [start, end)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Statement
    reason: Reason
    start: Annotated[
        int | None, Field(ge=0, description="Nanoseconds since 1970; left out: now.")
    ] = None
    end: Annotated[
        int | None, Field(ge=0, description="Nanoseconds since 1970; left out: it lasts.")
    ] = None
    equipment: Annotated[str, Field(description="Path, for all but an association.")] = ""
    lot: LotReference | None = None
    part: Annotated[
        str, Field(max_length=20, description="Name of the sublot, where it is not the whole lot.")
    ] = ""
    carrier: Annotated[
        str,
        Field(
            max_length=124, description="EPC in hexadecimal, (00)SSCC or (8003)GRAI of the label."
        ),
    ] = ""
    job: str = ""
    text: Annotated[str, Field(max_length=200, description="Name of a context or phase.")] = ""
    uncertainty: Annotated[int, Field(ge=0, description="Nanoseconds, of start and end.")] = 0
    authority: Word = Word.OPERATOR


class Correction(BaseModel):
    """What takes the place of a wrong fact; without ``right`` nothing does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reason
    right: FactRequest | None = None
    operator: Annotated[
        str, Field(max_length=64, description="Who did it, where that is another than who says so.")
    ] = ""


class SignedCorrection(Correction):
    """A correction as it was shown, and both components of who signs it."""

    shown: Annotated[str, Field(description="Hash of the statement.")]
    password: Password
    code: Code


@routes.post("/facts", status_code=201, summary="Say when which lot was where")
async def add_fact(context: ContextOf, actor: Caller, asked: FactRequest) -> dict[str, Any]:
    """Record a fact; said twice it is one."""
    fact = _fact(asked, actor.name, context.clock.now())
    return shown(await facts.add(context, actor, fact, why=asked.reason))


@routes.post("/facts/{fact_id}/corrections", status_code=201, summary="Correct what was said")
async def correct_fact(
    context: ContextOf, actor: Caller, fact_id: str, asked: Correction
) -> dict[str, Any]:
    """Supersede a fact; both stay.

    For systems: a person signs what they correct.
    """
    corrections.check_unsigned(actor)
    right = _right(asked, actor.name, context.clock.now())
    added = await facts.supersede(context, actor, FactId(fact_id), right, reason=asked.reason)
    return shown(added)


@routes.post("/facts/{fact_id}/corrections/statement", summary="See a correction before signing it")
async def show_correction(
    context: ContextOf, person: Person, fact_id: str, asked: Correction
) -> dict[str, Any]:
    """Return what would be signed, and its hash; nothing is changed.

    Give ``start``: left out it is now, and another now when it is signed.
    """
    right = _right(asked, person.actor.name, context.clock.now())
    said = await corrections.show(context, person.actor, FactId(fact_id), right)
    return {"statement": said.statement, "shown": said.hash}


@routes.post(
    "/facts/{fact_id}/corrections/signed", status_code=201, summary="Sign the correction of a fact"
)
async def sign_correction(
    context: ContextOf, person: Person, fact_id: str, asked: SignedCorrection
) -> dict[str, Any]:
    """Supersede a fact as was shown, with a person's signature; both stay."""
    added = await corrections.correct(
        context,
        person,
        FactId(fact_id),
        _right(asked, person.actor.name, context.clock.now()),
        shown=asked.shown,
        proof=Proof(password=asked.password, code=asked.code),
        reason=asked.reason,
    )
    return shown(added)


@routes.get("/facts", summary="Read the facts in force that name a lot")
async def read_facts(context: ContextOf, actor: Caller, gtin: str, lot: str) -> dict[str, Any]:
    """Return the facts, oldest first."""
    found = await facts.of_lot(context, actor, gtin, lot)
    return {"items": [shown(fact) for fact in found]}


def shown(fact: Fact) -> dict[str, Any]:
    """Return a fact as the API shows it."""
    said = {field.name: getattr(fact, field.name) for field in fields(fact)}
    lot = None if fact.lot is None else {"gtin": fact.lot.gtin, "lot": fact.lot.lot}
    return {"id": fact.id, **said, "authority": fact.authority.name.lower(), "lot": lot}


def _right(asked: Correction, name: str, now: Nanoseconds) -> Fact | None:
    """Return what takes the place of the fact: said by whoever did it."""
    return None if asked.right is None else _fact(asked.right, asked.operator or name, now)


def _fact(asked: FactRequest, source: str, now: Nanoseconds) -> Fact:
    return Fact(
        kind=FactKind(asked.kind.value),
        start=now if asked.start is None else asked.start,
        end=asked.end,
        authority=Authority[asked.authority.name],
        source=source,
        equipment=check_path(asked.equipment) if asked.equipment else None,
        lot=None if asked.lot is None else check_lot_key(asked.lot.gtin, asked.lot.lot),
        part=check_lot_id(asked.part) if asked.part else "",
        carrier=check_carrier(asked.carrier) if asked.carrier else None,
        job=JobId(asked.job) if asked.job else None,
        text=asked.text,
        uncertainty=asked.uncertainty,
    )
