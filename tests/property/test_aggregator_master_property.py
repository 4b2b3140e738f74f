"""Which version is in force does not hang on the order in which versions were made or approved."""

from __future__ import annotations

import asyncio
import tempfile
from itertools import count
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from aggregator.service.context import Context
from aggregator.service.master.documents import EntityKind
from aggregator.service.master.master_data import Times
from aggregator.service.master.versions import Versioned, version_at
from aggregator.settings import MasterKind
from aggregator.store.base import Transaction
from tests.rigs.context import running_context
from tests.rigs.master_documents import put

NUMBERS = count()


@st.composite
def timelines(draw: st.DrawFn) -> tuple[list[Times], list[int], list[bool], list[int]]:
    """Draw times that begin apart, an order of making, who is approved, and when to look."""
    starts = draw(st.lists(st.integers(0, 40), min_size=1, max_size=6, unique=True))
    ends = [draw(st.one_of(st.none(), st.integers(start + 1, start + 20))) for start in starts]
    times = [Times(start=start, end=end) for start, end in zip(starts, ends, strict=True)]
    order = draw(st.permutations(range(len(times))))
    approved = draw(st.lists(st.booleans(), min_size=len(times), max_size=len(times)))
    looks = draw(st.lists(st.integers(0, 70), min_size=1, max_size=10))
    return times, order, approved, looks


@given(made=timelines())
def test_the_version_in_force_is_the_last_that_began_and_has_not_ended(
    made: tuple[list[Times], list[int], list[bool], list[int]],
) -> None:
    times, order, approved, looks = made
    expected = [_in_force(times, approved, at) for at in looks]
    assert asyncio.run(_found(times, order, approved, looks)) == expected


def _in_force(times: list[Times], approved: list[bool], at: int) -> str | None:
    """Say it naively: of the approved that have begun the last one, if it has not ended."""
    begun = [
        (each.start or 0, number)
        for number, each in enumerate(times)
        if approved[number] and (each.start or 0) <= at
    ]
    if not begun:
        return None
    _, number = max(begun)
    end = times[number].end
    return f"press {number}" if end is None or at < end else None


async def _found(
    times: list[Times], order: list[int], approved: list[bool], looks: list[int]
) -> list[str | None]:
    """Make the versions in an order, decide them in another, and look."""
    path = f"demo/press-{next(NUMBERS)}"
    with tempfile.TemporaryDirectory() as folder:
        async with running_context(Path(folder), approval=(MasterKind.EQUIPMENT,)) as context:
            for number in order:
                newest = await _newest(context, path)
                data = {"path": path, "name": f"press {number}"}
                each = await put(context, EntityKind.EQUIPMENT, data, newest, times[number])
                await _decide(context, each, "approved" if approved[number] else "rejected")
            async with context.store.read() as tx:
                return [await _name_at(tx, path, at) for at in looks]


async def _newest(context: Context, path: str) -> int | None:
    kind = EntityKind.EQUIPMENT.value
    async with context.store.read() as tx:
        row = await tx.fetch_one("master.newest_standing", kind=kind, key=path)
    return None if row is None else int(row["version"])


async def _decide(context: Context, each: Versioned, state: str) -> None:
    async with context.store.write() as tx:
        await tx.execute(
            "master.decide",
            kind=EntityKind.EQUIPMENT.value,
            key=each.key,
            version=each.version,
            state=state,
            effective_from=each.effective_from,
            decided_at=context.clock.now(),
            decided_by="chen.jie",
            in_place_of=None,
        )


async def _name_at(tx: Transaction, path: str, at: int) -> str | None:
    found = await version_at(tx, EntityKind.EQUIPMENT, path, at)
    return None if found is None else str(found.document.model_dump()["name"])
