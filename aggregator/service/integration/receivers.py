"""Use cases: whom events are delivered to, what could not be, and sending it again."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from aggregator import audit
from aggregator.access import wrapping
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import InvalidError, NotFoundError
from aggregator.model.integration.event import EventType, NumberedEvent
from aggregator.model.integration.webhook import SECRET_BYTES, check_url, secret_text
from aggregator.service.access.second_person import guard_exchange
from aggregator.service.context import Context
from aggregator.store.base import Row, Transaction
from aggregator.store.outbox import event_of
from protocols.wire.reading import Nanoseconds

RECEIVERS_MAX: Final = 100
BROKER: Final = "broker"
"""Id of the receiver that is the MQTT broker."""

PAUSED: Final[Nanoseconds] = 2**63 - 1
"""As a retry time: a person has paused the receiver, and nothing is tried until it goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Somebody who is told, and how far that has come."""

    id: str
    name: str
    url: str  # "" for the broker
    types: frozenset[EventType]  # none: all
    position: int  # every event up to it is delivered, or is a dead letter
    failures: int  # in a row, of the event after the position
    retry_time: Nanoseconds
    error: str
    created_time: Nanoseconds
    created_by: str
    ended_time: Nanoseconds | None

    @property
    def paused(self) -> bool:
        """Whether a person has paused it."""
        return self.retry_time == PAUSED

    def wants(self, event: NumberedEvent) -> bool:
        """Tell whether the event is of a type that was asked for."""
        return not self.types or event.type in self.types


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a receiver has come."""

    receiver: Receiver
    waiting: int  # events after its position, those among them that it does not want
    dead: int  # letters
    asked: int  # of them, that are to be sent again
    told_time: Nanoseconds | None  # record time of the event at its position; None: none is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A receiver as it is asked for."""

    name: str
    url: str
    types: frozenset[EventType]  # none: all


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that a receiver did not take in so many attempts."""

    event: NumberedEvent
    attempts: int
    error: str
    given_up_time: Nanoseconds
    asked_time: Nanoseconds | None  # when a person asked that it be sent again


async def add(
    context: Context,
    actor: Actor,
    *,
    name: str,
    url: str,
    types: Collection[EventType],
    why: str,
) -> tuple[Receiver, str]:
    """Tell ``url`` from now on; return the receiver and its secret, which nobody can show again.

    Raises InvalidError for an address that events may not go to, and SecondPersonError where it
    takes two persons.
    """
    require(actor, Act.MANAGE_RECEIVERS)
    wanted = Wanted(name=name, url=url, types=frozenset(types))
    async with context.store.write() as tx:
        await guard_exchange(context, tx, "a new receiver of events")
        return await add_in(context, tx, actor, wanted, why=why)


async def add_in(
    context: Context, tx: Transaction, actor: Actor, wanted: Wanted, *, why: str
) -> tuple[Receiver, str]:
    """Add a receiver within a transaction, as ``add`` does."""
    check_url(wanted.url)
    secret = secrets.token_bytes(SECRET_BYTES)
    receiver_id = secrets.token_hex(8)
    if len(await tx.fetch("receivers.active")) >= RECEIVERS_MAX:
        raise InvalidError(
            f"there are {RECEIVERS_MAX} receivers already", hint="end one that is not needed"
        )
    await _insert(context, tx, actor, receiver_id, wanted=wanted, secret=secret)
    entry = audit.Entry(
        who=actor.name,
        act="add a receiver",
        what=f"receiver {receiver_id}",
        after={
            "name": wanted.name,
            "url": wanted.url,
            "types": [each.value for each in sorted(wanted.types)],
        },
        why=why,
    )
    await audit.record(tx, entry, context.clock)
    return await one(tx, receiver_id), secret_text(secret)


async def list_all(context: Context, actor: Actor) -> list[Receiver]:
    """Return the receivers that have not ended, oldest first."""
    require(actor, Act.MANAGE_RECEIVERS)
    async with context.store.read() as tx:
        return [receiver_of(row) for row in await tx.fetch("receivers.active")]


async def progress(context: Context, actor: Actor) -> list[Progress]:
    """Return how far each receiver that has not ended has come, oldest first."""
    require(actor, Act.MANAGE_RECEIVERS)
    async with context.store.read() as tx:
        told = [receiver_of(row) for row in await tx.fetch("receivers.active")]
        rows = {row["id"]: row for row in await tx.fetch("receivers.progress")}
    return [
        Progress(
            receiver=each,
            waiting=rows[each.id]["waiting"],
            dead=rows[each.id]["dead"],
            asked=rows[each.id]["asked"],
            told_time=rows[each.id]["told_time"],
        )
        for each in told
    ]


async def pause(context: Context, actor: Actor, receiver_id: str, *, why: str) -> None:
    """Try nothing more until ``resume``; what happens meanwhile waits for the receiver.

    NotFoundError if no receiver of that id is in force.
    """
    await _retry_at(context, actor, receiver_id, PAUSED, "pause a receiver", why=why)


async def resume(context: Context, actor: Actor, receiver_id: str, *, why: str) -> None:
    """Let a receiver go on at once, be it paused or waiting for its next attempt."""
    await _retry_at(context, actor, receiver_id, 0, "let a receiver go on", why=why)


async def end(context: Context, actor: Actor, receiver_id: str, *, why: str) -> None:
    """Tell a receiver nothing more; NotFoundError if none of that id is in force."""
    require(actor, Act.MANAGE_RECEIVERS)
    async with context.store.write() as tx:
        before = await one(tx, receiver_id)
        if not await tx.execute("receivers.end", id=receiver_id, ended_time=context.clock.now()):
            raise NotFoundError(f"the receiver {receiver_id} has ended already")
        entry = audit.Entry(
            who=actor.name,
            act="end a receiver",
            what=f"receiver {receiver_id}",
            before={"name": before.name, "url": before.url, "position": before.position},
            why=why,
        )
        await audit.record(tx, entry, context.clock)


async def dead_letters(
    context: Context, actor: Actor, receiver_id: str, *, after: int, count: int
) -> list[DeadLetter]:
    """Return up to ``count`` dead letters of a receiver that follow a number, oldest first."""
    require(actor, Act.MANAGE_RECEIVERS)
    async with context.store.read() as tx:
        await one(tx, receiver_id)
        rows = await tx.fetch(
            "receivers.dead_letters", receiver=receiver_id, after=after, count=count
        )
    return [
        DeadLetter(
            event=event_of(row),
            attempts=row["attempts"],
            error=row["error"],
            given_up_time=row["given_up_time"],
            asked_time=row["asked_time"],
        )
        for row in rows
    ]


async def send_again(
    context: Context, actor: Actor, receiver_id: str, *, first: int, last: int, why: str
) -> int:
    """Have the dead letters from ``first`` to ``last`` sent again and return how many they are.

    They follow what the receiver has had since; ``sequence`` tells it where they belong.
    """
    require(actor, Act.MANAGE_RECEIVERS)
    async with context.store.write() as tx:
        receiver = await one(tx, receiver_id)
        if receiver.ended_time is not None:
            raise NotFoundError(f"the receiver {receiver_id} has ended")
        asked = await tx.execute(
            "receivers.ask", receiver=receiver_id, first=first, last=last, now=context.clock.now()
        )
        entry = audit.Entry(
            who=actor.name,
            act="send dead letters again",
            what=f"receiver {receiver_id}",
            after={"first": first, "last": last, "letters": asked},
            why=why,
        )
        await audit.record(tx, entry, context.clock)
    return asked


async def keep_broker(context: Context, *, wanted: bool) -> None:
    """Make the broker a receiver where the settings say so, and end it where they do not."""
    system = Actor(name="settings", roles=frozenset())
    async with context.store.write() as tx:
        row = await tx.fetch_one("receivers.one", id=BROKER)
        if row is None and wanted:
            broker = Wanted(name="the MQTT broker", url="", types=frozenset())
            await _insert(context, tx, system, BROKER, wanted=broker, secret=b"")
        elif wanted:
            await tx.execute("receivers.resume", id=BROKER)
        else:
            await tx.execute("receivers.end", id=BROKER, ended_time=context.clock.now())


async def one(tx: Transaction, receiver_id: str) -> Receiver:
    """Return a receiver, ended or not; NotFoundError if there is none."""
    row = await tx.fetch_one("receivers.one", id=receiver_id)
    if row is None:
        raise NotFoundError(f"there is no receiver {receiver_id}")
    return receiver_of(row)


def receiver_of(row: Row) -> Receiver:
    """Return the receiver that a row holds, without its secret."""
    return Receiver(
        id=row["id"],
        name=row["name"],
        url=row["url"],
        types=frozenset(map(EventType, json.loads(row["types"]))),
        position=row["position"],
        failures=row["failures"],
        retry_time=row["retry_time"],
        error=row["error"],
        created_time=row["created_time"],
        created_by=row["created_by"],
        ended_time=row["ended_time"],
    )


def label(receiver_id: str) -> str:
    """Return the label under which a receiver's secret is wrapped."""
    return f"receiver {receiver_id}"


async def _retry_at(
    context: Context, actor: Actor, receiver_id: str, time: Nanoseconds, act: str, *, why: str
) -> None:
    require(actor, Act.MANAGE_RECEIVERS)
    async with context.store.write() as tx:
        before = await one(tx, receiver_id)
        if not await tx.execute("receivers.retry_at", id=receiver_id, retry_time=time):
            raise NotFoundError(f"the receiver {receiver_id} has ended")
        entry = audit.Entry(
            who=actor.name,
            act=act,
            what=f"receiver {receiver_id}",
            before={"position": before.position, "paused": before.paused},
            why=why,
        )
        await audit.record(tx, entry, context.clock)


async def _insert(
    context: Context,
    tx: Transaction,
    actor: Actor,
    receiver_id: str,
    *,
    wanted: Wanted,
    secret: bytes,
) -> None:
    await tx.execute(
        "receivers.add",
        id=receiver_id,
        name=wanted.name,
        url=wanted.url,
        types=json.dumps(sorted(wanted.types)),
        secret=wrapping.wrap(secret, context.keys.access, label(receiver_id)),
        created_time=context.clock.now(),
        created_by=actor.name,
    )
