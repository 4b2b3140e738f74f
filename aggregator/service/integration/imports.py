"""Use case: take many items from another system; each is judged on its own.

An item that does not fit is kept as it came, with what is wrong and what to do, until a person has
seen to it (``misfits``). It holds up no other.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from aggregator import metrics
from aggregator.access.roles import Actor, require
from aggregator.errors import AggregatorError, ConflictError, InvalidError, NotFoundError
from aggregator.model.integration.event import misfit
from aggregator.model.integration.mapping import Adapter, concerns_us, items_in
from aggregator.service.context import Context
from aggregator.service.integration.adapters import load_adapter
from aggregator.service.integration.items import (
    ACT_OF,
    Changes,
    Interface,
    Outcome,
    Terms,
    from_adapter,
    parse_item,
    take,
)
from aggregator.store import outbox

FITS_NOT: Final = (InvalidError, ConflictError, NotFoundError)
"""What says that an item does not fit; anything else is ours or the caller's, and ends it all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What became of one item."""

    at: int  # its place in the import, from 0
    outcome: Outcome
    misfit: str | None = None  # under which id it waits for a person
    error: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """An interface as it is named in an address: one of ours, or an adapter in front of one."""

    name: str
    interface: Interface
    adapter: Adapter | None = field(default=None)

    def terms(self, asked: Changes | None, why: str) -> Terms:
        """Return the terms that were asked for, else the adapter's own, else the careful ones."""
        own = self.adapter is not None and self.adapter.takes_changes
        return Terms(changes=asked or (Changes.TAKE if own else Changes.REFUSE), why=why)


async def channel_named(context: Context, name: str) -> Channel:
    """Return the interface of this name; NotFoundError if there is neither it nor an adapter."""
    if name in set(Interface):
        return Channel(name=name, interface=Interface(name))
    folder = context.settings.imports.adapters
    adapter = await asyncio.to_thread(load_adapter, folder, name)
    return Channel(name=name, interface=Interface(adapter.becomes), adapter=adapter)


async def take_all(
    context: Context, actor: Actor, channel: Channel, text: str, terms: Terms
) -> list[Judged]:
    """Take every item of a JSON array, or of lines of JSON, and say what became of each.

    Raises InvalidError for a text that is neither, or has more items than may come at a time.
    """
    require(actor, ACT_OF[channel.interface])
    raws = list(split(text, channel.adapter))
    if len(raws) > context.settings.imports.items_max:
        raise InvalidError(
            f"{len(raws)} items are more than {context.settings.imports.items_max}",
            hint="send them in several imports; an item that was taken may be sent again",
        )
    judged = [
        await judge(context, actor, channel, raw, terms=terms, at=at) for at, raw in enumerate(raws)
    ]
    async with context.store.read() as tx:
        waiting = await tx.fetch("misfits.waiting")
    metrics.MISFITS.set(sum(row["count"] for row in waiting))
    return judged


async def judge(
    context: Context, actor: Actor, channel: Channel, raw: str, *, terms: Terms, at: int = 0
) -> Judged:
    """Take one item, or keep it as a misfit."""
    try:
        outcome = await attempt(context, actor, channel, raw, terms)
    except FITS_NOT as error:
        judged = await _keep_misfit(context, actor, channel, raw, error, at=at)
    else:
        judged = Judged(at=at, outcome=outcome)
        await _close_misfit(context, actor, channel, raw)
    metrics.IMPORTED.labels(channel.name, judged.outcome.value).inc()
    return judged


async def attempt(
    context: Context, actor: Actor, channel: Channel, raw: str, terms: Terms
) -> Outcome:
    """Take one item; one of FITS_NOT where it does not fit."""
    item = parse_item(raw)
    if channel.adapter is not None:
        if not concerns_us(channel.adapter, item):
            return Outcome.PASSED_OVER
        item = from_adapter(channel.adapter, item)
    return await take(context, actor, channel.interface, item, terms)


def split(text: str, adapter: Adapter | None = None) -> Iterator[str]:
    """Yield each item's own text: of a JSON array byte for byte, or line by line.

    A foreign document is one JSON value whose items stand where the adapter says; they are written
    anew. Raises InvalidError for a text that is no JSON array, or no JSON.
    """
    start = text.lstrip()
    if adapter is not None:
        for item in items_in(adapter, parse_item(text)):
            yield json.dumps(item, ensure_ascii=False, default=float)
    elif start.startswith("["):
        yield from _elements(start)
    else:
        yield from (line for line in text.splitlines() if line.strip())


def misfit_id(channel: str, raw: str) -> str:
    """Return the id of a misfit: the same item at the same interface is one misfit."""
    return "m-" + hashlib.sha256(f"{channel}\n{raw}".encode()).hexdigest()[:32]


def _elements(text: str) -> Iterator[str]:
    decoder = json.JSONDecoder()
    at = _past_space(text, 1)
    if text[at : at + 1] == "]":
        at += 1
    else:
        while True:
            try:
                _, end = decoder.raw_decode(text, at)
            except (ValueError, RecursionError) as error:
                raise InvalidError(f"this is no JSON array: {error}") from None
            yield text[at:end]
            at = _past_space(text, end)
            if text[at : at + 1] not in {",", "]"}:
                raise InvalidError("this is no JSON array: it does not end with `]`")
            at = _past_space(text, at + 1)
            if text[end:at].strip().startswith("]"):
                break
    if text[at:].strip():
        raise InvalidError("something stands behind the JSON array")


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


async def _keep_misfit(
    context: Context, actor: Actor, channel: Channel, raw: str, error: AggregatorError, *, at: int
) -> Judged:
    """Write an item that does not fit as it came; one that came before is counted."""
    name, now = misfit_id(channel.name, raw), context.clock.now()
    async with context.store.write() as tx:
        known = await tx.fetch_one("misfits.one", id=name)
        await tx.execute(
            "misfits.add",
            id=name,
            interface=channel.name,
            document=raw,
            error=str(error),
            hint=error.hint,
            sender=actor.name,
            record_time=now,
        )
        if known is None:
            await outbox.tell(tx, [misfit(name, channel.name)], now=now)
    return Judged(at=at, outcome=Outcome.MISFIT, misfit=name, error=str(error), hint=error.hint)


async def _close_misfit(context: Context, actor: Actor, channel: Channel, raw: str) -> None:
    """Let an item that did not fit before, and fits now, wait no longer."""
    name = misfit_id(channel.name, raw)
    async with context.store.read() as tx:
        row = await tx.fetch_one("misfits.one", id=name)
    if row is None or row["state"] != "waiting":
        return
    async with context.store.write() as tx:
        await tx.execute(
            "misfits.close",
            id=name,
            state="taken",
            corrected=None,
            closed_time=context.clock.now(),
            closed_by=actor.name,
            why="it came again, and fits now",
        )
