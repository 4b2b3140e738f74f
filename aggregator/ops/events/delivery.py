"""Delivers events to receivers: in order, at least once, each receiver by itself.

How far each receiver has come stands in the store, so whatever ends this process, delivery goes on
from the event after the last one that was surely taken. A receiver that is slow, or fails, holds up
nobody but itself.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, Protocol

import structlog

from aggregator import metrics
from aggregator.access import wrapping
from aggregator.errors import AggregatorError, StoreError
from aggregator.model.integration.event import NumberedEvent, envelope
from aggregator.model.integration.webhook import retry_wait_seconds
from aggregator.ops.events.webhook import WebhookClient
from aggregator.service.context import Context
from aggregator.service.integration.receivers import (
    BROKER,
    PAUSED,
    Receiver,
    label,
    receiver_of,
)
from aggregator.store.base import Param, Row
from aggregator.store.outbox import event_of, events_after
from protocols.wire.reading import SECOND, Nanoseconds
from protocols.wire.topics import PREFIX

_log: Final = structlog.get_logger(__name__)


class Publisher(Protocol):
    """A connection to the broker."""

    async def send(self, messages: Sequence[tuple[str, bytes]], *, timeout_seconds: float) -> int:
        """Publish (topic, payload) pairs in order and return how many the broker has taken."""


class Delivery:
    """Looks for events that were not delivered yet, again and again."""

    def __init__(self, context: Context, publisher: Publisher) -> None:
        """Raise SettingsError where the settings of webhooks cannot be used."""
        self._context = context
        self._store = context.store
        self._settings = context.settings.events
        self._publisher = publisher
        self._webhooks = WebhookClient(self._settings, context.clock)
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._failing: set[str] = set()  # said already

    async def run(self) -> None:
        """Deliver until cancelled."""
        failing, looks = False, 0
        try:
            while True:
                try:
                    await self._look(forget=looks % _LOOKS_TO_FORGET == 0)
                    looks += 1
                except StoreError as error:
                    if not failing:
                        _log.error("no events are read", error=str(error), hint=error.hint)
                    failing = True
                else:
                    failing = False
                await asyncio.sleep(self._settings.poll_seconds)
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)
            await self._webhooks.close()

    async def _look(self, *, forget: bool) -> None:
        """Begin to deliver to each receiver that waits and is not being delivered to."""
        now = self._context.clock.now()
        async with self._store.read() as tx:
            rows = await tx.fetch("receivers.active")
            bounds = await tx.fetch_one("events.bounds")
            counts = await tx.fetch_one("receivers.counts")
        last = 0 if bounds is None else bounds["last"]
        if counts is not None:
            metrics.EVENTS_WAITING.set(counts["waiting"])
            metrics.DEAD_LETTERS.set(counts["dead"])
        for row in rows:
            waits = row["position"] < last or row["asked"]
            if waits and row["retry_time"] <= now and row["id"] not in self._busy:
                task = asyncio.create_task(self._deliver(row), name=f"deliver to {row['id']}")
                self._busy[row["id"]] = task
                task.add_done_callback(partial(self._done, row["id"]))
        if forget:
            before = now - self._settings.retention_days * 86_400 * SECOND
            async with self._store.write() as tx:
                await tx.execute("events.forget", before=before)

    async def _deliver(self, row: Row) -> None:
        """Deliver what waits for one receiver, until nothing does or it takes nothing."""
        receiver = receiver_of(row)
        try:
            secret = wrapping.unwrap(row["secret"], self._context.keys.access, label(receiver.id))
            if row["asked"]:
                await self._deliver_letters(receiver, secret)
            position, failures, error = receiver.position, receiver.failures, ""
            while not error:
                async with self._store.read() as tx:
                    standing = await tx.fetch_one("receivers.one", id=receiver.id)
                    events = await events_after(tx, position, _EVENTS_MAX[receiver.id == BROKER])
                if not events or not _goes_on(standing):
                    return
                taken, error = await self._send(receiver, secret, events)
                position = events[taken - 1].sequence if taken else position
                failures = (0 if taken else failures) + bool(error)
                await self._keep(receiver, position, failures, error, events[taken:][:1])
        except AggregatorError as error:
            self._say(receiver, str(error))

    async def _send(
        self, receiver: Receiver, secret: bytes, events: Sequence[NumberedEvent]
    ) -> tuple[int, str]:
        """Return how many of ``events`` need not be sent again, and why the next one does."""
        if receiver.id == BROKER:
            messages = [(f"{PREFIX}/events/{event.type}", self._body(event)) for event in events]
            taken = await self._publisher.send(
                messages, timeout_seconds=self._settings.timeout_seconds
            )
            metrics.EVENTS_DELIVERED.labels("mqtt").inc(taken)
            return taken, "" if taken == len(events) else "the broker has not taken it"
        for taken, event in enumerate(events):
            if receiver.wants(event):
                error = await self._post(receiver, secret, event)
                if error:
                    return taken, error
        return len(events), ""

    async def _post(self, receiver: Receiver, secret: bytes, event: NumberedEvent) -> str:
        error = await self._webhooks.post(receiver.url, secret, event.sequence, self._body(event))
        if error:
            metrics.EVENT_FAILURES.inc()
        else:
            metrics.EVENTS_DELIVERED.labels("webhook").inc()
        return error

    async def _keep(
        self,
        receiver: Receiver,
        position: int,
        failures: int,
        error: str,
        refused: Sequence[NumberedEvent],
    ) -> None:
        """Write how far the receiver has come, and when the event that it refused is tried again.

        An event that was refused too often becomes a dead letter, and the next one has its turn.
        The broker's events never do: that it is away is not the event's fault.
        """
        now = self._context.clock.now()
        advance: dict[str, Param] = {
            "id": receiver.id,
            "position": position,
            "error": error,
            "paused": PAUSED,
        }
        async with self._store.write() as tx:
            await tx.execute("receivers.advance", **advance)
            if not error:
                self._failing.discard(receiver.id)
                return
            if failures >= self._settings.attempts_max and receiver.id != BROKER:
                (event,) = refused
                await tx.execute(
                    "receivers.give_up",
                    receiver=receiver.id,
                    sequence=event.sequence,
                    attempts=failures,
                    error=error,
                    given_up_time=now,
                )
                await tx.execute("receivers.advance", **advance | {"position": event.sequence})
            else:
                await tx.execute(
                    "receivers.fail",
                    id=receiver.id,
                    failures=failures,
                    retry_time=now + self._wait(failures),
                    error=error,
                    paused=PAUSED,
                )
        self._say(receiver, error)

    def _done(self, receiver: str, _task: asyncio.Task[None]) -> None:
        del self._busy[receiver]

    def _wait(self, failures: int) -> Nanoseconds:
        seconds = retry_wait_seconds(
            failures,
            first=self._settings.retry_seconds,
            longest=self._settings.retry_seconds_max,
            chance=secrets.randbelow(1 << 16) / (1 << 16),
        )
        return round(seconds * SECOND)

    async def _deliver_letters(self, receiver: Receiver, secret: bytes) -> None:
        """Send the dead letters that a person asked for; one that fails again stays one."""
        while True:
            async with self._store.read() as tx:
                standing = await tx.fetch_one("receivers.one", id=receiver.id)
                row = await tx.fetch_one("receivers.asked", receiver=receiver.id)
            if row is None or not _goes_on(standing):
                return
            event = event_of(row)
            error = await self._post(receiver, secret, event)
            letter: Mapping[str, Param] = {"receiver": receiver.id, "sequence": event.sequence}
            async with self._store.write() as tx:
                if not error:
                    await tx.execute("receivers.revive", **letter)
                    continue
                await tx.execute(
                    "receivers.give_up",
                    **letter,
                    attempts=1,
                    error=error,
                    given_up_time=self._context.clock.now(),
                )

    def _body(self, event: NumberedEvent) -> bytes:
        told = envelope(event, self._context.settings.log.origin)
        return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()

    def _say(self, receiver: Receiver, error: str) -> None:
        if receiver.id not in self._failing:
            _log.warning("events are not taken", receiver=receiver.name, error=error)
        self._failing.add(receiver.id)


def _goes_on(standing: Row | None) -> bool:
    """Tell whether nobody has ended or paused a receiver since its delivery began."""
    return standing is not None and not (
        standing["ended_time"] or receiver_of(standing).retry_time == PAUSED
    )


_EVENTS_MAX: Final = {True: 100, False: 1}
"""Events between two notes of the position: many for the broker, one for a webhook."""

_LOOKS_TO_FORGET: Final = 1_000
"""Looks for new events from one clearing of old ones to the next."""
