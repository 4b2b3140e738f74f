"""Bindings: which readings belong to a lot, which to none, what was overtaken, what never ended."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from aggregator.api import facts
from aggregator.api.accounts import Code, Password
from aggregator.api.reasons import Reason
from aggregator.caller import Caller, ContextOf, Person
from aggregator.model.binding.descent import Portion
from aggregator.model.binding.fact import FOREVER, FactId
from aggregator.model.binding.occupancy import Bound, Window
from aggregator.model.master.lot import LotKey
from aggregator.service.access.accounts import Proof
from aggregator.service.binding import bindings, rebind, unended
from aggregator.service.binding.coverage import Coverage, coverage
from protocols.wire.reading import Nanoseconds

routes = APIRouter(tags=["bindings"])

Time = Annotated[int, Query(ge=0, description="Nanoseconds since 1970.")]


class ClosingRequest(BaseModel):
    """A signature over a proposed end."""

    model_config = ConfigDict(extra="forbid")

    shown: Annotated[str, Field(description="Hash of the statement that the signer saw.")]
    reason: Reason
    password: Password
    code: Code


@routes.get("/lots/{gtin}/{lot}/bindings", summary="See which readings belong to a lot, and why")
async def read_bindings(
    context: ContextOf,
    actor: Caller,
    gtin: str,
    lot: str,
    *,
    as_of: Annotated[
        int | None, Query(ge=0, description="As was known then, in nanoseconds since 1970.")
    ] = None,
) -> dict[str, Any]:
    """Return windows, facts and readings as the rule gives them now, or gave them then."""
    found = await bindings.bindings(context, actor, gtin, lot, as_of=as_of)
    return {
        "lot": _lot(found.lot),
        "as_of": found.as_of,
        "rule": found.rule,
        "windows": [_window(each) for each in found.windows],
        "facts": [facts.shown(each) for each in found.facts],
        "conflicts": [
            {
                "equipment": each.equipment,
                "start": each.start,
                "end": _time(each.end),
                "bound_to": [_lot(lot) for lot in each.lots],
                "overruled": [_lot(lot) for lot in each.others],
                "facts": each.facts,
            }
            for each in found.conflicts
        ],
        "descents": [
            {
                "edge": each.edge,
                "child": _portion(each.child),
                "parent": _portion(each.parent),
                "until": each.until,
            }
            for each in found.descents
        ],
        "signals": [
            {
                "gateway": each.signal.key.gateway,
                "signal": each.signal.key.signal,
                "readings": each.readings,
                "boundary": each.boundary,
            }
            for each in found.signals
        ],
    }


@routes.get("/coverage", summary="List readings that belong to no lot")
async def read_coverage(
    context: ContextOf,
    actor: Caller,
    *,
    start: Time,
    end: Time,
    equipment: Annotated[str, Query(description="Only signals at this place or below.")] = "",
    signal: Annotated[str, Query(description="Only signals of this name.")] = "",
) -> dict[str, Any]:
    """Return of each signal how many readings are bound, in a context, and the unbound runs."""
    found = await coverage(context, actor, start, end, place=equipment, signal=signal)
    return {"items": [_covered(each) for each in found]}


@routes.get("/overtaken", summary="List the lots whose records are to be assembled again")
async def read_overtaken(context: ContextOf, actor: Caller) -> dict[str, Any]:
    """Return the lots of which something came since, the longest waiting first."""
    found = await rebind.overtaken(context, actor)
    return {
        "items": [
            {"lot": _lot(each.lot), "since": each.since, "why": each.why.value} for each in found
        ]
    }


@routes.get("/unended", summary="List jobs that nobody has ended, with the proposed ends")
async def read_unended(context: ContextOf, actor: Caller) -> dict[str, Any]:
    """Return each proposal as it would be signed, and the hash of that statement."""
    found = await unended.unended(context, actor)
    return {"items": [{"statement": each.statement, "shown": each.hash} for each in found]}


@routes.post("/unended/{fact_id}", status_code=201, summary="Sign the proposed end of a job")
async def close(
    context: ContextOf, person: Person, fact_id: str, asked: ClosingRequest
) -> dict[str, Any]:
    """Supersede the fact that has no end by one that ends as was shown."""
    proof = Proof(password=asked.password, code=asked.code)
    added = await unended.close(
        context, person, FactId(fact_id), shown=asked.shown, proof=proof, reason=asked.reason
    )
    return facts.shown(added)


def _covered(found: Coverage) -> dict[str, Any]:
    spec = found.signal
    return {
        "gateway": spec.key.gateway,
        "signal": spec.key.signal,
        "equipment": spec.equipment,
        "readings": found.readings,
        "bound": found.bound,
        "contexts": [
            {
                "equipment": each.context.equipment,
                "name": each.context.name,
                "start": each.context.start,
                "end": _time(each.context.end),
                "readings": each.readings,
            }
            for each in found.contexts
        ],
        "unbound": [
            {"first": each.start, "last": each.end, "readings": each.readings}
            for each in found.unbound
        ],
    }


def _window(window: Window) -> dict[str, Any]:
    residence = window.residence
    return {
        "equipment": window.equipment,
        "start": _bound(window.start),
        "end": _bound(window.end),
        "job": window.job,
        "part": window.part,
        "origin": None if window.origin is None else _lot(window.origin),
        "residence": None
        if residence is None
        else {"offset": residence.offset, "spread": residence.spread},
        "facts": window.facts,
    }


def _bound(bound: Bound) -> dict[str, Any]:
    return {
        "time": _time(bound.time),
        "uncertainty": bound.uncertainty,
        "clock": bound.clock,
    }


def _portion(portion: Portion) -> dict[str, str]:
    return {**_lot(portion.lot), "part": portion.part}


def _lot(key: LotKey) -> dict[str, str]:
    return {"gtin": key.gtin, "lot": key.lot}


def _time(time: Nanoseconds) -> Nanoseconds | None:
    return None if time == FOREVER else time
