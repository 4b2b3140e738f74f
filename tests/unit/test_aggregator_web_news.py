"""The overview is watched once for all who follow it, and by nobody where nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from aggregator.errors import StoreUnavailableError
from aggregator.web.news import CHANGED, FOLLOWERS_MAX, SAME, News

QUICK_S = 0.01


class Watched:
    """Something to look at, that counts how often it is."""

    def __init__(self) -> None:
        self.value = 0
        self.looks = 0
        self.fails = False

    async def look(self) -> int:
        self.looks += 1
        if self.fails:
            raise StoreUnavailableError("away", hint="")
        return self.value


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 # what is counted has no event
            await asyncio.sleep(QUICK_S)


async def hear(news: News, wanted: bytes) -> None:
    """Follow until ``wanted`` comes, after what is said at once."""
    async with asyncio.timeout(60), aclosing(news.follow()) as events:
        assert await anext(events) == CHANGED
        while await anext(events) != wanted:
            pass


async def test_many_who_follow_cost_what_one_does() -> None:
    watched = Watched()
    news = News(watched.look, every_s=QUICK_S)
    followers = [news.follow() for _ in range(100)]
    for follower in followers:
        assert await anext(follower) == CHANGED
    for _ in range(10):
        before = watched.looks
        assert [await anext(follower) for follower in followers] == [SAME] * 100
        assert watched.looks - before < 50, "one look serves all of them"
    watched.value = 1
    heard = await asyncio.gather(*(_next_change(follower) for follower in followers))
    assert heard == [CHANGED] * 100
    for follower in followers:
        await follower.aclose()


async def _next_change(follower: object) -> bytes:
    async for event in follower:  # type: ignore[attr-defined]
        if event == CHANGED:
            return CHANGED
    return b""


async def test_nothing_is_looked_at_where_nobody_follows() -> None:
    watched = Watched()
    news = News(watched.look, every_s=QUICK_S)
    await asyncio.sleep(5 * QUICK_S)
    assert watched.looks == 0
    await hear(news, SAME)
    looks = watched.looks
    await asyncio.sleep(10 * QUICK_S)
    assert watched.looks == looks
    await hear(news, SAME)
    assert watched.looks > looks, "it begins again"


async def test_a_slow_follower_is_told_of_a_change_and_no_queue_grows() -> None:
    watched = Watched()
    news = News(watched.look, every_s=QUICK_S)
    async with aclosing(news.follow()) as slow:
        await anext(slow)
        await until(lambda: watched.looks > 2)
        watched.value = 1
        looks = watched.looks
        await until(lambda: watched.looks > looks + 5)
        assert await anext(slow) == CHANGED
        assert await anext(slow) == SAME


async def test_a_store_that_is_away_ends_no_stream() -> None:
    watched = Watched()
    news = News(watched.look, every_s=QUICK_S)
    async with aclosing(news.follow()) as events:
        await anext(events)
        await anext(events)
        watched.fails = True
        looks = watched.looks
        await until(lambda: watched.looks > looks + 3)
        watched.fails, watched.value = False, 1
        assert await _next_change(events) == CHANGED


async def test_so_many_and_no_more_may_follow() -> None:
    news = News(Watched().look, every_s=QUICK_S)
    followers = [news.follow() for _ in range(FOLLOWERS_MAX)]
    for follower in followers:
        assert not news.full
        await anext(follower)
    assert news.full
    for follower in followers:
        await follower.aclose()
    assert not news.full
