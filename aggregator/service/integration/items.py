"""What one item of an import means, and taking it: wholly, in one transaction, or not at all."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aggregator.access.roles import Act, Actor
from aggregator.errors import InvalidError
from aggregator.model.integration.mapping import Adapter, mapped
from aggregator.model.lab_result import LabResult, ResultVerdict
from aggregator.model.master.lot import check_lot_key
from aggregator.service.context import Context
from aggregator.service.genealogy import edges
from aggregator.service.genealogy.forms import EdgeRequest, edge_of
from aggregator.service.integration import results
from aggregator.service.master import master_data
from aggregator.service.master.document import Instant
from aggregator.service.master.documents import Document, EntityKind
from aggregator.store.base import Transaction
from protocols.wire.dossier.instant import parse_time

Form = TypeVar("Form", bound=BaseModel)


class Interface(StrEnum):
    """What is taken in our own forms."""

    ORDERS = "orders"  # work orders, each with its lots
    LOTS = "lots"
    GENEALOGY = "genealogy"  # what became of what
    TEST_RESULTS = "test-results"


class Outcome(StrEnum):
    """What became of an item."""

    CREATED = "created"
    CHANGED = "changed"
    SAME = "same"  # it was known as it is
    PASSED_OVER = "passed_over"  # in a state that the adapter does not take
    MISFIT = "misfit"  # it does not fit, and waits for a person


class Changes(StrEnum):
    """What to do with an item that is known and now says otherwise."""

    REFUSE = "refuse"  # it does not fit
    TAKE = "take"  # it is a new version; the old ones stay


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms an item is taken."""

    changes: Changes
    why: str  # for the audit trail


ACT_OF: Final[Mapping[Interface, Act]] = {
    Interface.ORDERS: Act.MANAGE_MASTER,
    Interface.LOTS: Act.MANAGE_MASTER,
    Interface.GENEALOGY: Act.WRITE_GENEALOGY,
    Interface.TEST_RESULTS: Act.WRITE_RESULTS,
}


def parse_item(raw: str) -> Any:
    """Return JSON's value of ``raw``, exact in its numbers; InvalidError for what is no JSON."""
    try:
        return json.loads(raw, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"this is no JSON: {error}") from None


async def take(
    context: Context,
    actor: Actor,
    interface: Interface,
    item: Any,
    terms: Terms,
) -> Outcome:
    """Take an item and say what became of it.

    Raises InvalidError, ConflictError or NotFoundError where it does not fit; nothing of it is kept
    then.
    """
    return await _TAKE[interface](context, actor, item, terms)


def from_adapter(adapter: Adapter, item: Any) -> Any:
    """Return a foreign item in our own form; InvalidError where it is not understood."""
    found = mapped(adapter, item)
    parts: dict[str, dict[str, str]] = {}
    for name, value in found.items():
        entity, _, field = name.partition(".")
        parts.setdefault(entity, {})[field] = value
    if adapter.becomes == Interface.ORDERS:
        return {**parts.get("work_order", {}), "lots": [parts.get("lot", {})]}
    return {name: value for part in parts.values() for name, value in part.items()}


class _Order(BaseModel):
    """A work order, with its lots as documents and not only by their keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order: str
    lots: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1_000)]


class _Result(BaseModel):
    """A test result, as a laboratory's system sends it."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    gtin: str
    lot: str
    result: Annotated[str, Field(min_length=1, max_length=100)]
    test: Annotated[str, Field(min_length=1, max_length=200)]
    value: Annotated[str, Field(min_length=1, max_length=1_000)]
    unit: Annotated[str, Field(max_length=40)] = ""
    verdict: ResultVerdict = ResultVerdict.NOT_JUDGED
    specification: Annotated[str, Field(max_length=1_000)] = ""
    instrument: Annotated[str, Field(max_length=200)] = ""
    analyst: Annotated[str, Field(max_length=200)] = ""
    time: Instant


async def _take_order(context: Context, actor: Actor, item: Any, terms: Terms) -> Outcome:
    order = _checked(_Order, item)
    lots = [master_data.parse(EntityKind.LOT, lot) for lot in order.lots]
    keys = [{"gtin": lot.get("gtin"), "lot": lot.get("lot")} for lot in order.lots]
    document = master_data.parse(EntityKind.WORK_ORDER, {"order": order.order, "lots": keys})
    async with context.store.write() as tx:
        of_lots = {await _put(context, tx, actor, lot, terms) for lot in lots}
        outcome = await _put(context, tx, actor, document, terms)
    return Outcome.CHANGED if outcome is Outcome.SAME and of_lots != {outcome} else outcome


async def _take_lot(context: Context, actor: Actor, item: Any, terms: Terms) -> Outcome:
    document = master_data.parse(EntityKind.LOT, item)
    async with context.store.write() as tx:
        return await _put(context, tx, actor, document, terms)


async def _take_edge(context: Context, actor: Actor, item: Any, terms: Terms) -> Outcome:
    said = _checked(EdgeRequest, item)
    if said.start is None:
        raise InvalidError(
            "the edge has no start", hint="give it: sent again, it would be another edge"
        )
    edge = edge_of(said, actor.name, said.start)
    async with context.store.read() as tx:
        known = await tx.fetch_one("genealogy.edge", id=edge.id) is not None
    await edges.add(context, actor, [edge], why=terms.why)
    return Outcome.SAME if known else Outcome.CREATED


async def _take_result(context: Context, actor: Actor, item: Any, terms: Terms) -> Outcome:
    said = _checked(_Result, item)
    fields = said.model_dump(exclude={"gtin", "lot", "time"})
    key = check_lot_key(said.gtin, said.lot)
    result = LabResult(lot=key, time=parse_time(said.time), **fields)
    async with context.store.write() as tx:
        known = await results.current_version(tx, result)
        expected = known if terms.changes is Changes.TAKE else None
        kept = await results.record(
            context, tx, actor, result, expected_version=expected, why=terms.why
        )
    return _outcome(known, kept.version)


async def _put(
    context: Context, tx: Transaction, actor: Actor, document: Document, terms: Terms
) -> Outcome:
    """Put a document as its newest version, where it is new or changes are taken."""
    row = await tx.fetch_one("master.newest_standing", kind=document.kind.value, key=document.key)
    known = None if row is None else int(row["version"])
    expected = known if terms.changes is Changes.TAKE else None
    put = await master_data.put_in(
        context, tx, actor, document, expected_version=expected, why=terms.why
    )
    return _outcome(known, put.version)


def _outcome(known: int | None, now: int) -> Outcome:
    if known is None:
        return Outcome.CREATED
    return Outcome.SAME if known == now else Outcome.CHANGED


def _checked(form: type[Form], item: Any) -> Form:
    try:
        return form.model_validate(item)
    except ValidationError as error:
        faults = "; ".join(
            f"{field or 'item'}: {text}" for field, text in master_data.faults_of(error)
        )
        raise InvalidError(f"the item is not of its form: {faults}", hint="see /docs") from None


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


_TAKE: Final[Mapping[Interface, Callable[[Context, Actor, Any, Terms], Awaitable[Outcome]]]] = {
    Interface.ORDERS: _take_order,
    Interface.LOTS: _take_lot,
    Interface.GENEALOGY: _take_edge,
    Interface.TEST_RESULTS: _take_result,
}
