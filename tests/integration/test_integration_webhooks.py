"""Webhooks beside real receivers on loopback: signed, in order, again and again, or given up."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aggregator.access.roles import Actor, Role
from aggregator.errors import DeniedError, InvalidError, NotFoundError
from aggregator.model.integration.event import EventType
from aggregator.ops.events.delivery import Delivery
from aggregator.service.context import Context
from aggregator.service.integration import receivers
from aggregator.service.integration.receivers import BROKER, Receiver
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.settings import EventSettings
from plant.ca import PlantCA
from tests.rigs.context import running_context
from tests.rigs.webhook_receiver import PATIENCE, Behaviour, WebhookReceiver, webhook_receiver

ADMIN = Actor(name="root", roles=frozenset({Role.ADMIN}))
MES = Actor(name="mes", roles=frozenset({Role.INTEGRATION}))
FAST = EventSettings(
    poll_seconds=0.01,
    retry_seconds=0.02,
    retry_seconds_max=0.05,
    timeout_seconds=60,  # a receiver on a busy machine is slow, and does not hang
    attempts_max=3,
)
NEVER = FAST.model_copy(update={"attempts_max": 10**6})
"""No letter is ever dead: what is tried again goes on as long as the test looks."""


class NoBroker:
    """A connection to a broker that is not there."""

    async def send(self, messages: Sequence[tuple[str, bytes]], *, timeout_seconds: float) -> int:
        """Take nothing."""
        del messages, timeout_seconds
        return 0


@contextlib.asynccontextmanager
async def told_by(folder: Path, events: EventSettings) -> AsyncIterator[Context]:
    """Yield a context with these settings of events."""
    async with running_context(folder) as context:
        yield replace(context, settings=context.settings.model_copy(update={"events": events}))


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    async with told_by(tmp_path, FAST) as context:
        yield context


@contextlib.asynccontextmanager
async def delivering(context: Context) -> AsyncIterator[None]:
    """Deliver events while the block runs."""
    task = asyncio.create_task(Delivery(context, NoBroker()).run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def add(
    context: Context, receiver: WebhookReceiver, *types: EventType
) -> tuple[Receiver, str]:
    return await receivers.add(
        context, ADMIN, name="QMS", url=receiver.url, types=types, why="wants to know"
    )


async def act(context: Context, count: int, first: int = 0) -> None:
    """Do so many things that others are told of."""
    for number in range(first, first + count):
        line = {"path": f"plant/line-{number}"}
        document = master_data.parse(EntityKind.EQUIPMENT, line)
        await master_data.put(context, MES, document, expected_version=None, why="built")


async def stands(
    context: Context,
    receiver: str,
    holds: Callable[[Receiver], bool] = lambda _: True,
    **wanted: object,
) -> Receiver:
    """Wait until a receiver's row says what is wanted; a count that grows is for ``holds``."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async with context.store.read() as tx:
                row = await tx.fetch_one("receivers.one", id=receiver)
            found = None if row is None else receivers.receiver_of(row)
            if (
                found is not None
                and holds(found)
                and all(getattr(found, name) == value for name, value in wanted.items())
            ):
                return found
            await asyncio.sleep(0.01)


@pytest.mark.req(49)
async def test_events_come_signed_and_in_order(context: Context) -> None:
    async with webhook_receiver() as receiver, delivering(context):
        added, secret = await add(context, receiver)
        await act(context, 5)
        await receiver.until(5)
        assert receiver.numbers == sorted(receiver.numbers)
        first = receiver.taken[0]
        assert all(each.is_signed_by(secret) for each in receiver.taken)
        assert not first.is_signed_by("whsec_" + "A" * 44)
        assert first.headers["content-type"].startswith("application/cloudevents+json")
        assert first.headers["host"] == f"127.0.0.1:{receiver.port}"
        assert first.headers["webhook-id"] == f"event-{first.number}"
        await stands(context, added.id, position=receiver.numbers[-1], error="")


async def test_only_types_that_were_asked_for_come(context: Context) -> None:
    async with webhook_receiver() as receiver, delivering(context):
        await add(context, receiver, EventType.GATEWAY_QUARANTINED)
        every, _ = await add(context, receiver)
        await act(context, 2)
        await stands(context, every.id, position=2, error="")
        assert {each.event["type"] for each in receiver.taken} == {EventType.MASTER_CREATED}
        assert len(receiver.taken) == 2


async def test_one_that_fails_is_tried_again_and_nothing_overtakes_it(context: Context) -> None:
    async with webhook_receiver() as receiver, delivering(context):
        receiver.behaviour = Behaviour.FAIL
        added, _ = await add(context, receiver)
        await act(context, 3)
        await receiver.until(2, came=True)
        assert {each.number for each in receiver.came} == {1}
        receiver.behaviour = Behaviour.TAKE
        await receiver.until(3)
        assert receiver.numbers == [1, 2, 3]
        assert len({each.headers["webhook-id"] for each in receiver.came}) == 3
        await stands(context, added.id, failures=0, error="")


async def test_what_is_refused_too_often_is_a_dead_letter_and_is_sent_again_when_asked(
    context: Context,
) -> None:
    async with webhook_receiver() as receiver, delivering(context):
        receiver.refused = {1, 2}
        added, secret = await add(context, receiver)
        await act(context, 3)
        await receiver.until(1)
        assert receiver.numbers == [3], "two dead letters do not hold up the third"
        letters = await receivers.dead_letters(context, ADMIN, added.id, after=0, count=10)
        assert [(each.event.sequence, each.attempts) for each in letters] == [(1, 3), (2, 3)]
        assert letters[0].error == "answered 500"
        receiver.refused = {2}
        asked = await receivers.send_again(
            context, ADMIN, added.id, first=1, last=2, why="the QMS is repaired"
        )
        assert asked == 2
        await receiver.until(2)
        assert receiver.numbers == [3, 1]
        assert receiver.taken[1].is_signed_by(secret)
        async with asyncio.timeout(PATIENCE):
            while True:
                (left,) = await receivers.dead_letters(context, ADMIN, added.id, after=1, count=9)
                if left.asked_time is None:
                    break
                await asyncio.sleep(0.01)
        assert (left.event.sequence, left.attempts) == (2, 4), "it failed again, and stays"


async def test_a_paused_receiver_has_nothing_until_it_is_let_go_on(context: Context) -> None:
    async with webhook_receiver() as paused, webhook_receiver() as other, delivering(context):
        added, _ = await add(context, paused)
        beside, _ = await add(context, other)
        await receivers.pause(context, ADMIN, added.id, why="the QMS is being moved")
        await act(context, 3)
        await stands(context, beside.id, position=3)
        first, _ = await receivers.progress(context, ADMIN)
        assert (first.receiver.paused, first.waiting, first.told_time) == (True, 3, None)
        assert paused.came == []
        await receivers.resume(context, ADMIN, added.id, why="it is there again")
        await paused.until(3)
        assert paused.numbers == [1, 2, 3]
        await stands(context, added.id, position=3, paused=False)


async def test_a_pause_holds_against_a_delivery_that_is_under_way(tmp_path: Path) -> None:
    async with (
        told_by(tmp_path, NEVER) as context,
        webhook_receiver() as receiver,
        delivering(context),
    ):
        receiver.behaviour = Behaviour.FAIL
        added, _ = await add(context, receiver)
        await act(context, 1)
        await receiver.until(1, came=True)
        await receivers.pause(context, ADMIN, added.id, why="it fails")
        beside, _ = await add(context, receiver)
        receiver.behaviour = Behaviour.TAKE
        came = len(receiver.came)
        await act(context, 2, first=1)
        await stands(context, beside.id, position=3)
        found = await stands(context, added.id, paused=True)
        assert found.position == 0
        assert {each.number for each in receiver.came[came + 1 :]} <= {2, 3}


async def test_one_that_hangs_delays_no_other(context: Context) -> None:
    async with webhook_receiver() as slow, webhook_receiver() as quick, delivering(context):
        slow.behaviour = Behaviour.HANG
        hanging, _ = await add(context, slow)
        await add(context, quick)
        await act(context, 5)
        await quick.until(5)
        assert quick.numbers == [1, 2, 3, 4, 5]
        assert {each.number for each in slow.came} <= {1}
        await slow.until(1, came=True)
        assert slow.taken == []
        await stands(context, hanging.id, position=0, failures=0)


async def test_one_that_hangs_is_given_up_for_a_while(tmp_path: Path) -> None:
    short = NEVER.model_copy(update={"timeout_seconds": 0.2})
    async with (
        told_by(tmp_path, short) as context,
        webhook_receiver() as receiver,
        delivering(context),
    ):
        receiver.behaviour = Behaviour.HANG
        added, _ = await add(context, receiver)
        await act(context, 1)
        found = await stands(context, added.id, lambda found: found.failures > 1)
        assert (found.position, found.error) == (0, "no answer within 0.2 s")


@pytest.mark.parametrize("behaviour", [Behaviour.REDIRECT, Behaviour.CLOSE])
async def test_a_redirect_is_not_followed_and_silence_is_no_answer(
    context: Context, behaviour: Behaviour
) -> None:
    async with webhook_receiver() as receiver, webhook_receiver() as other, delivering(context):
        receiver.behaviour, receiver.location = behaviour, other.url
        added, _ = await add(context, receiver)
        await act(context, 1)
        await stands(context, added.id, position=1)
        assert other.came == []
        (letter,) = await receivers.dead_letters(context, ADMIN, added.id, after=0, count=10)
        assert letter.error == "answered 307" or letter.error.startswith("RemoteProtocolError")


@pytest.mark.req(39)
async def test_over_tls_the_certificate_must_be_the_receivers(tmp_path: Path) -> None:
    ca = PlantCA(tmp_path / "ca", now=datetime.now(UTC))  # noqa: TID251 # TLS asks the real time
    own = ca.issue("receiver")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(own.certificate, own.key)
    trusting = FAST.model_copy(update={"ca_file": own.ca})
    for events, arrives in ((trusting, True), (FAST, False)):
        folder = tmp_path / str(arrives)
        folder.mkdir()
        async with (
            told_by(folder, events) as context,
            webhook_receiver(tls) as receiver,
            delivering(context),
        ):
            added, secret = await add(context, receiver)
            await act(context, 1)
            await stands(context, added.id, position=1)
            assert len(receiver.taken) == int(arrives)
            assert all(each.is_signed_by(secret) for each in receiver.taken)


async def test_events_older_than_a_receiver_and_after_its_end_do_not_come(context: Context) -> None:
    async with webhook_receiver() as receiver, delivering(context):
        await act(context, 2)
        added, _ = await add(context, receiver)
        await act(context, 1, first=2)
        await receiver.until(1)
        await receivers.end(context, ADMIN, added.id, why="no longer used")
        other, _ = await add(context, receiver, EventType.LOT_HELD)
        await act(context, 1, first=3)
        await stands(context, other.id, position=4)
        await receivers.end(context, ADMIN, other.id, why="shows that delivery has gone on")
        assert receiver.numbers == [3]
        assert [each.id for each in await receivers.list_all(context, ADMIN)] == []


async def test_what_was_not_delivered_is_never_forgotten(tmp_path: Path) -> None:
    events = FAST.model_copy(update={"retention_days": 1, "attempts_max": 100})
    async with told_by(tmp_path, events) as context, webhook_receiver() as receiver:
        added, _ = await add(context, receiver)
        await act(context, 3)
        async with context.store.write() as tx:
            assert await tx.execute("events.forget", before=context.clock.now() + 1) == 0
        async with delivering(context):
            await receiver.until(3)
            await stands(context, added.id, position=3)
        async with context.store.write() as tx:
            forgotten = await tx.execute("events.forget", before=context.clock.now() + 1)
        assert forgotten == 2, "the newest stays, so that no number is given twice"


async def test_the_broker_is_a_receiver_where_the_settings_say_so(tmp_path: Path) -> None:
    events = FAST.model_copy(update={"mqtt": True})
    async with told_by(tmp_path, events) as context, delivering(context):
        await receivers.keep_broker(context, wanted=True)
        broker = await stands(context, BROKER, position=0)
        await act(context, 1)
        await stands(context, BROKER, lambda found: found.failures > FAST.attempts_max)
        letters = await receivers.dead_letters(context, ADMIN, broker.id, after=0, count=10)
        assert letters == [], "that the broker is away is not the event's fault"
        await receivers.keep_broker(context, wanted=False)
        await act(context, 1, first=1)
        await receivers.keep_broker(context, wanted=True)
        await stands(context, BROKER, position=2)


@pytest.mark.parametrize(
    "url",
    [
        "http://qms.example/hook",
        "http://10.0.0.5/hook",
        "https://user:secret@qms.example/hook",
        "https://qms.example/hook#part",
        "ftp://127.0.0.1/hook",
        "https://",
        "https://qms.example:0/hook",
        "file:///etc/passwd",
    ],
)
async def test_an_address_that_events_may_not_go_to_is_refused(context: Context, url: str) -> None:
    with pytest.raises(InvalidError):
        await receivers.add(context, ADMIN, name="QMS", url=url, types=(), why="wants to know")


@pytest.mark.req(31)
async def test_who_may_not_manage_receivers_manages_none(context: Context) -> None:
    with pytest.raises(DeniedError):
        await receivers.add(context, MES, name="x", url="https://a.example", types=(), why="y")
    with pytest.raises(DeniedError):
        await receivers.progress(context, MES)
    for change in (receivers.pause, receivers.resume):
        with pytest.raises(DeniedError):
            await change(context, MES, BROKER, why="y")
        with pytest.raises(NotFoundError):
            await change(context, ADMIN, BROKER, why="y")


@pytest.mark.req(41)
async def test_a_copy_of_the_store_gives_nobody_the_secret(context: Context) -> None:
    async with webhook_receiver() as receiver:
        added, secret = await add(context, receiver)
        async with context.store.read() as tx:
            row = await tx.fetch_one("receivers.one", id=added.id)
        assert row is not None
        assert secret.removeprefix("whsec_").encode() not in bytes(row["secret"])
        assert len(row["secret"]) == 12 + 32 + 16
