"""Manual entries: values that a person types for a lot, and the second person's check."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from aggregator.api.accounts import ReasonRequest
from aggregator.api.reasons import Reason
from aggregator.caller import Caller, ContextOf, Person
from aggregator.model.master.lot import check_lot_key
from aggregator.model.master.recipe import ParameterName
from aggregator.model.record.entry import VALUE_MAX, Entry, EntryId
from aggregator.service.record import entries
from protocols.wire.reading import Nanoseconds

routes = APIRouter(prefix="/records/{gtin}/{lot}/entries", tags=["entries"])


class EntryRequest(BaseModel):
    """What a person saw."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameter: Annotated[str, Field(min_length=1, max_length=200)]
    value: Annotated[str, Field(min_length=1, max_length=VALUE_MAX, description="As typed.")]
    unit: Annotated[str, Field(max_length=50, description="UCUM; empty for a text.")] = ""
    time: Annotated[
        int | None, Field(ge=0, description="Nanoseconds since 1970; left out: now.")
    ] = None
    reason: Reason


class EntryCorrection(BaseModel):
    """What takes the place of a wrong entry; without ``right`` nothing does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reason
    right: EntryRequest | None = None


@routes.post("", status_code=201, summary="Type a value for a lot")
async def add_entry(
    context: ContextOf, person: Person, gtin: str, lot: str, asked: EntryRequest
) -> dict[str, Any]:
    """Record what a person saw; a second person checks it."""
    entry = _entry(asked, gtin, lot, person.actor.name, context.clock.now())
    return shown(await entries.add(context, person, entry))


@routes.get("", summary="Read what was typed for a lot")
async def read_entries(context: ContextOf, actor: Caller, gtin: str, lot: str) -> dict[str, Any]:
    """Return every entry, the corrected ones too, oldest first."""
    found = await entries.of_lot(context, actor, gtin, lot)
    return {"items": [shown(each) for each in found]}


@routes.post("/{entry}/check", status_code=201, summary="Vouch for what another person typed")
async def check_entry(
    context: ContextOf, person: Person, *, gtin: str, lot: str, entry: str, asked: ReasonRequest
) -> dict[str, Any]:
    """Check an entry; nobody checks their own."""
    key = check_lot_key(gtin, lot)
    return shown(await entries.check(context, person, EntryId(entry), of=key, reason=asked.reason))


@routes.post("/{entry}/corrections", status_code=201, summary="Correct what was typed")
async def correct_entry(
    context: ContextOf, person: Person, *, gtin: str, lot: str, entry: str, asked: EntryCorrection
) -> dict[str, Any]:
    """Supersede an entry; both stay, and the correction is checked as well."""
    right = None
    if asked.right is not None:
        right = _entry(asked.right, gtin, lot, person.actor.name, context.clock.now())
    key = check_lot_key(gtin, lot)
    added = await entries.correct(
        context, person, EntryId(entry), right, of=key, reason=asked.reason
    )
    return shown(added)


def shown(entry: Entry) -> dict[str, Any]:
    """Return an entry as the API shows it."""
    check = entry.check
    return {
        "id": entry.id,
        "gtin": entry.lot.gtin,
        "lot": entry.lot.lot,
        "parameter": entry.parameter,
        "value": entry.value,
        "unit": entry.unit,
        "time": entry.time,
        "entered_by": entry.by,
        "reason": entry.reason,
        "recorded": entry.recorded,
        "supersedes": entry.supersedes,
        "check": None
        if check is None
        else {"by": check.by, "time": check.time, "reason": check.reason},
    }


def _entry(asked: EntryRequest, gtin: str, lot: str, by: str, now: Nanoseconds) -> Entry:
    return Entry(
        lot=check_lot_key(gtin, lot),
        parameter=ParameterName(asked.parameter),
        value=asked.value,
        unit=asked.unit,
        time=now if asked.time is None else asked.time,
        by=by,
        reason=asked.reason,
    )
