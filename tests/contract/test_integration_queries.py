"""What integration keeps, on both stores: events, receivers, answers, misfits, results."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aggregator.access.roles import Actor, Role
from aggregator.errors import ConflictError, InvalidError
from aggregator.model.integration.event import EventType, Happening
from aggregator.model.master.lot import check_lot_key
from aggregator.service.context import Context
from aggregator.service.integration import answers, imports, misfits, receivers, results
from aggregator.service.integration.answers import UNDER_WAY_SECONDS, Answer
from aggregator.service.integration.items import Changes, Outcome, Terms
from aggregator.service.integration.misfits import MisfitState
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.store import outbox
from aggregator.store.base import Param
from tests.personal import MovableClock
from tests.rigs.context import running_context
from tests.servers import Postgres, running_postgres

GTIN = "09506000134352"
ADMIN = Actor(name="root", roles=frozenset({Role.ADMIN}))
LIMS = Actor(name="lims", roles=frozenset({Role.INTEGRATION}))
QA = Actor(name="li.wei", roles=frozenset({Role.QA}))
RESULT = (
    '{"gtin": "09506000134352", "lot": "L-1", "result": "R-1", "test": "peel", "value": 1.50,'
    ' "unit": "N", "verdict": "pass", "time": "2026-11-22T16:00:00+08:00"}'
)
CAREFUL = Terms(changes=Changes.REFUSE, why="as sent")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
async def context(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Context]:
    url = "" if request.param == "sqlite" else request.getfixturevalue("server").database()
    async with running_context(tmp_path, url) as context:
        yield replace(context, clock=MovableClock())


async def tell(context: Context, count: int) -> None:
    for number in range(count):
        told = Happening(type=EventType.LOT_HELD, subject=f"lots/{number}", data={"lot": "L-1"})
        async with context.store.write() as tx:
            await outbox.tell(tx, [told], now=context.clock.now())


async def numbers(context: Context) -> list[int]:
    async with context.store.read() as tx:
        return [event.sequence for event in await outbox.events_after(tx, 0, 100)]


async def make_lot(context: Context) -> None:
    material = {"gtin": GTIN, "name": "Tray"}
    for kind, said in (
        (EntityKind.MATERIAL, material),
        (EntityKind.LOT, {"gtin": GTIN, "lot": "L-1"}),
    ):
        document = master_data.parse(kind, said)
        await master_data.put(context, LIMS, document, expected_version=None, why="made")


async def test_events_are_numbered_without_a_hole_whoever_writes(context: Context) -> None:
    await asyncio.gather(*(tell(context, 3) for _ in range(4)))
    assert await numbers(context) == list(range(1, 13))


async def test_an_act_that_fails_tells_of_nothing(context: Context) -> None:
    async def fail() -> None:
        async with context.store.write() as tx:
            told = Happening(type=EventType.LOT_HELD, subject="lots/x", data={})
            await outbox.tell(tx, [told], now=1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await tell(context, 1)
    assert await numbers(context) == [1]


async def test_only_what_everybody_has_had_is_forgotten(context: Context) -> None:
    added, _ = await receivers.add(
        context, ADMIN, name="QMS", url="https://qms.example/hook", types=(), why="wants to know"
    )
    await tell(context, 5)
    later = context.clock.now() + 1
    async with context.store.write() as tx:
        assert await tx.execute("events.forget", before=later) == 0
        await tx.execute(
            "receivers.advance", id=added.id, position=4, error="", paused=receivers.PAUSED
        )
        await tx.execute(
            "receivers.give_up",
            receiver=added.id,
            sequence=2,
            attempts=12,
            error="answered 500",
            given_up_time=1,
        )
        assert await tx.execute("events.forget", before=later) == 3
        counts = await tx.fetch_one("receivers.counts")
    assert await numbers(context) == [2, 5], "the dead letter, and what was not delivered"
    assert counts is not None
    assert (counts["waiting"], counts["dead"]) == (1, 1)
    (letter,) = await receivers.dead_letters(context, ADMIN, added.id, after=0, count=10)
    assert (letter.event.sequence, letter.attempts) == (2, 12)
    await tell(context, 1)
    assert (await numbers(context))[-1] == 6


async def test_a_pause_stands_whatever_a_delivery_writes(context: Context) -> None:
    added, _ = await receivers.add(
        context, ADMIN, name="QMS", url="https://qms.example/hook", types=(), why="wants to know"
    )
    await tell(context, 3)
    note: dict[str, Param] = {"id": added.id, "error": "", "paused": receivers.PAUSED}
    await receivers.pause(context, ADMIN, added.id, why="it is being moved")
    async with context.store.write() as tx:
        await tx.execute("receivers.advance", **note, position=2)
    (found,) = await receivers.progress(context, ADMIN)
    assert (found.receiver.position, found.receiver.paused) == (2, True)
    assert (found.waiting, found.dead, found.asked) == (1, 0, 0)
    assert found.told_time is not None
    async with context.store.write() as tx:
        await tx.execute("receivers.fail", **note, failures=1, retry_time=7)
    await receivers.resume(context, ADMIN, added.id, why="it is there")
    async with context.store.write() as tx:
        await tx.execute("receivers.fail", **note, failures=2, retry_time=7)
    (found,) = await receivers.progress(context, ADMIN)
    assert (found.receiver.failures, found.receiver.retry_time) == (2, 7)


async def test_a_call_is_answered_once_and_a_dead_one_is_taken_over(context: Context) -> None:
    answer = Answer(status=201, headers={"etag": '"1"'}, body=b'{"token": "lp_secret"}')
    assert await answers.begin(context, LIMS, "k", b"PUT x") is None
    with pytest.raises(ConflictError, match="under way"):
        await answers.begin(context, LIMS, "k", b"PUT x")
    with pytest.raises(InvalidError, match="another call"):
        await answers.begin(context, LIMS, "k", b"PUT y")
    assert await answers.begin(context, QA, "k", b"PUT y") is None, "keys are the caller's own"
    context.clock.skip(UNDER_WAY_SECONDS + 1)  # type: ignore[attr-defined] # it is movable
    assert await answers.begin(context, LIMS, "k", b"PUT x") is None
    await answers.finish(context, LIMS, "k", answer)
    assert await answers.begin(context, LIMS, "k", b"PUT x") == answer
    async with context.store.read() as tx:
        row = await tx.fetch_one("answers.one", caller="lims", key="k")
    assert row is not None
    assert b"lp_secret" not in bytes(row["body"])
    context.clock.skip(86_401)  # type: ignore[attr-defined] # it is movable
    assert await answers.begin(context, LIMS, "k", b"PUT y") is None, "it was kept for a day"


@pytest.mark.req(5)
async def test_a_result_is_kept_exactly_and_corrected_by_a_version(context: Context) -> None:
    channel = await imports.channel_named(context, "test-results")
    (early,) = await imports.take_all(context, LIMS, channel, f"[{RESULT}]", CAREFUL)
    assert (early.outcome, early.error) == (
        Outcome.MISFIT,
        "there is no lot (01)09506000134352(10)L-1",
    )
    await make_lot(context)
    for outcome in (Outcome.CREATED, Outcome.SAME):
        (judged,) = await imports.take_all(context, LIMS, channel, RESULT, CAREFUL)
        assert judged.outcome is outcome
    (stored,) = await results.of_lot(context, QA, GTIN, "L-1")
    assert (stored.result.value, stored.result.unit) == ("1.50", "N"), "as it was written"
    corrected = RESULT.replace("1.50", "1.55")
    (judged,) = await imports.take_all(context, LIMS, channel, corrected, CAREFUL)
    assert judged.outcome is Outcome.MISFIT
    taking = Terms(changes=Changes.TAKE, why="read again")
    (judged,) = await imports.take_all(context, LIMS, channel, corrected, taking)
    assert judged.outcome is Outcome.CHANGED
    (stored,) = await results.of_lot(context, QA, GTIN, "L-1")
    assert (stored.result.value, stored.version) == ("1.55", 2)
    async with context.store.read() as tx:
        every = await results.versions_of(tx, check_lot_key(GTIN, "L-1"))
    assert [(each.result.value, each.version) for each in every] == [("1.50", 1), ("1.55", 2)]


async def test_what_did_not_fit_is_closed_when_it_fits(context: Context) -> None:
    channel = await imports.channel_named(context, "test-results")
    raw = RESULT
    (judged,) = await imports.take_all(context, LIMS, channel, raw, CAREFUL)
    (again,) = await imports.take_all(context, LIMS, channel, raw, CAREFUL)
    assert judged.misfit == again.misfit
    (waiting,) = await misfits.page(context, QA, MisfitState.WAITING, after="", count=10)
    assert (waiting.document, waiting.seen, waiting.sender) == (raw, 2, "lims")
    await make_lot(context)
    await imports.take_all(context, LIMS, channel, raw, CAREFUL)
    assert await misfits.page(context, QA, MisfitState.WAITING, after="", count=10) == []
    closed = await misfits.get(context, QA, waiting.id)
    assert (closed.state, closed.closed_by) == (MisfitState.TAKEN, "lims")
